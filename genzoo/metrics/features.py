"""Networks in whose features images are compared, and what a score must say about them."""

import contextlib
import functools
import hashlib
import io
import itertools
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from genzoo.annotations import Array
from genzoo.data.batches import check_images, unit_images
from genzoo.errors import unknown_name
from genzoo.validation import positive_int

NETWORKS = Path(__file__).with_name("networks")
# What scripts/train_feature_networks.py printed. The scores of two networks cannot be compared, so a file is that one
# or it is refused.
SHIPPED = {
    "mnist": "328ef28a97b975d7e6ffe27bb09ce698895c06e53451c4fb113e5c884e20ab13",
    "fashion_mnist": "ed649bcea3faf2e4fa8765c73a835e65ad38fffd48864b0a793f3fd5b33dfbe4",
}
INCEPTION = "inception"


class FeatureNetwork:
    """A function from images to features, with all that a score must say about it.

    Attributes:
        name: of the network.
        sha256: of its file, or of its weights; None of a function.
        resize: height and width that images are brought to, or None to leave them.
        channels: that images must have, or None for any. Grey images repeat theirs where it is 3.
    """

    def __init__(
        self,
        name: str,
        function: Callable,
        *,
        sha256: str | None = None,
        resize: tuple[int, int] | None = None,
        channels: int | None = None,
        classify: Callable | None = None,
    ):
        self.name, self.sha256, self.resize, self.channels = name, sha256, resize, channels
        self._function, self._classify = function, classify

    def __call__(self, images: Array, batch_size: int = 256) -> np.ndarray:
        """Images, uint8 or float in [0, 1], to float32 features ``(n, d)``."""
        features = self._run(self._function, images, batch_size)
        if features.ndim != 2 or len(features) != len(images):
            raise ValueError(
                f"Features must have the shape (n, d). Received: {features.shape} of {self.name!r} for {len(images)} "
                "image(s)."
            )
        return features

    def probabilities(self, images: Array, batch_size: int = 256) -> np.ndarray:
        """Images to class probabilities ``(n, classes)``, float32.

        Raises:
            NotImplementedError: the network does not classify.
        """
        if self._classify is None:
            raise NotImplementedError(f"The feature network {self.name!r} has no class probabilities.")
        return self._run(self._classify, images, batch_size)

    def protocol(self) -> dict:
        """Name, hash and resizing, as JSON takes them."""
        how = "{}x{}, bilinear with antialiasing (Pillow)"
        resize = None if self.resize is None else how.format(*self.resize)
        return {"name": self.name, "sha256": self.sha256, "resize": resize}

    def _run(self, function, images, batch_size):
        images = np.asarray(images)
        check_images(images, whole=True)
        starts = range(0, len(images), positive_int("batch_size", batch_size))
        found = [function(self._fitted(images[i : i + batch_size])) for i in starts]
        return np.concatenate([np.asarray(part, "float32") for part in found])

    def _fitted(self, images):
        """float32 in [0, 1], channels last, of the network's size and channels."""
        images = unit_images(images)
        images = images if keras.config.image_data_format() == "channels_last" else np.moveaxis(images, 1, -1)
        if self.channels == 3 and images.shape[-1] == 1:
            images = np.repeat(images, 3, axis=-1)
        if self.channels not in (None, images.shape[-1]):
            raise ValueError(
                f"The feature network {self.name!r} takes images of {self.channels} channel(s). Received: "
                f"{images.shape[-1]}. Choose another one: 'inception', a Keras model or a function."
            )
        if self.resize is not None and images.shape[1:3] != self.resize:
            images = np.stack([_resized(image, self.resize) for image in images])
        return images


def feature_network(which: Any) -> FeatureNetwork:
    """The feature network of this name, or one made of a model or a function.

    Args:
        which: ``"mnist"`` or ``"fashion_mnist"``: small classifiers that come with genzoo, for grey images, 64 features
            (their last hidden layer). ``"inception"``: InceptionV3 trained on ImageNet, 2048 features, from
            ``keras.applications``, which downloads 92 MB the first time. A ``keras.Model`` from images in [0, 1] to
            features ``(n, d)``. Any function of float32 images in [0, 1] that returns features.

    Returns:
        A ``FeatureNetwork``. Images of another size than the network's are resized, which its ``protocol()`` says.

    Raises:
        ValueError: unknown name, or a shipped network's file is not the one that was shipped.

    The shipped ones are trained with label smoothing, so that they are never certain: the inception score of MNIST's
    test images in ``mnist`` is 7.7, of 10 at most.

    Distances in ``inception`` are comparable to those of papers, but not equal to the last digit: the weights are
    Keras' own, and so is the resizing.

    Example:
    >>> import genzoo, numpy as np
    >>> network = genzoo.metrics.feature_network("mnist")
    >>> network(np.zeros((5, 28, 28, 1), "uint8")).shape
    (5, 64)
    >>> network.probabilities(np.zeros((5, 28, 28, 1))).shape
    (5, 10)

    Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, NeurIPS
    2017 (inception); for MNIST, TF-GAN compares images in a digit classifier's features too.
    """
    if isinstance(which, FeatureNetwork):
        return which
    if isinstance(which, keras.Model):
        return _of_model(which)
    if callable(which):
        name, function = getattr(which, "__qualname__", type(which).__name__), _in_data_format(which)
        return FeatureNetwork(name, lambda x: keras.ops.convert_to_numpy(function(x)))
    if which == INCEPTION:
        return _inception()
    if which not in SHIPPED:
        raise unknown_name("feature network", which, [*SHIPPED, INCEPTION], "A Keras model or a function will do, too.")
    return _shipped(which)


def classifier(seed: int = 0) -> keras.Model:
    """The shipped networks: 28x28 grey images in [0, 1] to probabilities of ten classes."""
    seeds, last = itertools.count(seed), {"data_format": "channels_last", "dtype": "float32"}

    def drawn():  # each with a seed of its own, so that none is drawn from the process
        return {"kernel_initializer": keras.initializers.GlorotUniform(seed=next(seeds)), "dtype": "float32"}

    def normalised(x):
        return layers.BatchNormalization(dtype="float32")(x)

    x = images = keras.Input((28, 28, 1), dtype="float32")
    for filters, pooled in ((24, True), (48, True), (64, False), (64, True)):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, data_format="channels_last", **drawn())(x)
        x = layers.ReLU(dtype="float32")(normalised(x))
        x = layers.MaxPooling2D(2, **last)(x) if pooled else x
    x = layers.Dropout(0.2, seed=next(seeds), dtype="float32")(layers.Flatten(**last)(x))
    x = layers.ReLU(name="features", dtype="float32")(normalised(layers.Dense(64, use_bias=False, **drawn())(x)))
    x = layers.Dropout(0.2, seed=next(seeds), dtype="float32")(x)
    return keras.Model(images, layers.Dense(10, activation="softmax", **drawn())(x))


@functools.cache
def _shipped(name):
    path = NETWORKS / f"{name}.npz"
    content = path.read_bytes() if path.is_file() else b""
    digest = hashlib.sha256(content).hexdigest() if content else "no file"
    if digest != SHIPPED[name]:
        raise ValueError(
            f"{path} is not the feature network that genzoo ships: its scores could not be compared with others. "
            f"Expected: SHA-256 {SHIPPED[name]}. Received: {digest}. Install genzoo again."
        )
    model = classifier()
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        model.set_weights([arrays[key] for key in sorted(arrays)])
    features = keras.Model(model.input, model.get_layer("features").output)
    about = {"sha256": digest, "resize": (28, 28), "channels": 1}
    return FeatureNetwork(name, features.predict_on_batch, classify=model.predict_on_batch, **about)


@functools.cache
def _inception():
    print("InceptionV3: Keras downloads its weights (92 MB) if they are not in ~/.keras yet.", file=sys.stderr)
    try:
        with _initial_state():
            model = keras.applications.InceptionV3(weights="imagenet")
    except Exception as error:  # what Keras raises when a download fails
        raise OSError(f"Could not download InceptionV3: {error}. 'mnist' and 'fashion_mnist' need none.") from error
    features = keras.Model(model.input, model.get_layer("avg_pool").output)
    about = {"sha256": _hash(model), "resize": (299, 299), "channels": 3}

    def on_its_scale(network):
        return _in_data_format(lambda x: network.predict_on_batch(2.0 * x - 1.0))

    return FeatureNetwork(INCEPTION, on_its_scale(features), classify=on_its_scale(model), **about)


@contextlib.contextmanager
def _initial_state():
    """New layers compute in float32, which a hash of weights does not show, and leave the random state as it was."""
    policy, state = keras.config.dtype_policy(), random.getstate()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        random.setstate(state)


def _of_model(model):
    """A feature network made of a user's model, whose images have their channels where Keras' setting says."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise ValueError(
            f"A feature network is a functional model of one batch of images. Received: {type(model).__name__} with "
            f"inputs {shape}. A function will do, too."
        )
    axis = 3 if keras.config.image_data_format() == "channels_last" else 1
    size = tuple(n for i, n in enumerate(shape) if i not in (0, axis))
    resize = None if None in size else size
    predict = _in_data_format(model.predict_on_batch)
    return FeatureNetwork(model.name, predict, sha256=_hash(model), resize=resize, channels=shape[axis])


def _in_data_format(function):
    """The function, for images with their channels last whatever Keras' setting says."""
    if keras.config.image_data_format() == "channels_last":
        return function
    return lambda images: function(np.moveaxis(images, -1, 1))


def _hash(model):
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _resized(image, size):
    from PIL import Image

    def channel(plane):
        return np.asarray(Image.fromarray(plane).resize(size[::-1], Image.Resampling.BILINEAR))

    planes = [channel(np.ascontiguousarray(image[..., c])) for c in range(image.shape[-1])]
    return np.stack(planes, axis=-1).clip(0.0, 1.0)  # interpolation may leave [0, 1] by a rounding error
