"""What goes into ``fit``: the forms of data it takes, the checks on them, and seeded batches of arrays."""

import copy
import dataclasses
import itertools
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from genzoo.annotations import Array, Data, Tensor
from genzoo.data.checks import FORMS, as_numpy, check_channels, check_form, check_is_array, check_range
from genzoo.data.pile import release
from genzoo.data.tables import is_table, table
from genzoo.validation import flag, fraction, natural_number, positive_int


class ImageBatches(keras.utils.PyDataset):
    """Images (and labels) in memory, or in a file, in batches whose order depends on a seed alone.

    The order of an epoch follows from ``seed`` and from the number of training steps before it. ``fit`` reads
    that number from the model, so a run that is saved, loaded and continued sees the batches that it would have
    seen without the interruption.

    Args:
        images: array ``(n, height, width, channels)``, uint8 in [0, 255], bool, or float in [0, 1]; may be a map of a
            file, as ``load`` makes it of more images than fit in memory.
        labels: array ``(n, ...)`` or None: class ids, or the second image of every pair.
        batch_size: images per batch; the last batch of an epoch may be smaller.
        shuffle: whether every epoch has an order of its own.
        seed: seed of that order.
        first_step: training steps that precede the first epoch.
        endless: whether indices beyond one epoch run on into the next (for ``steps_per_epoch``).
        class_names: names of the classes that the labels number from 0 on, or None.
        binarise: whether the pixels of uint8 images are drawn anew in every epoch, white with probability x / 255 and
            else black (Burda et al. 2016). Like the order they depend on the seed and the steps before.

    Example:
    >>> import numpy as np
    >>> batches = ImageBatches(np.zeros((10, 8, 8, 1), "uint8"), batch_size=4)
    >>> len(batches), batches[2][0].shape
    (3, (2, 8, 8, 1))
    """

    def __init__(
        self,
        images,
        labels=None,
        batch_size=128,
        shuffle=True,
        seed=0,
        first_step=0,
        endless=False,
        class_names=None,
        binarise=False,
    ):
        super().__init__()
        check_is_array(images)
        if np.ndim(images) == 0 or len(images) == 0:
            raise ValueError(f"The data set is empty. Received: images of shape {np.shape(images)}.")
        if labels is not None and (np.ndim(labels) == 0 or len(labels) != len(images)):
            raise ValueError(
                f"Expected one label per image. Received: {len(images)} images and labels of shape {np.shape(labels)}."
            )
        if binarise and images.dtype != np.uint8:
            raise ValueError(f"Expected images of uint8 to binarise in every epoch. Received: {images.dtype}.")
        self.images = images
        self.labels: Any = labels  # or None, but who loads labels knows that there are some
        self.batch_size, self.shuffle = positive_int("batch_size", batch_size), flag("shuffle", shuffle)
        self.seed, self.first_step = natural_number("seed", seed), natural_number("first_step", first_step)
        self.endless = endless
        self.class_names = None if class_names is None else _names(class_names)
        self.binarise = binarise
        self._steps = -(-len(images) // self.batch_size)
        self._epoch = -1
        self._skipped = 0  # batches of the first epoch that are done
        self._order: tuple = None, None  # the key of an epoch, and its order

    def __len__(self) -> int:
        return self._steps - (self._skipped if self._epoch <= 0 else 0)

    @property
    def num_batches(self) -> int | None:
        return None if self.endless else len(self)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        later, index = divmod(index + self._steps - len(self), self._steps)
        epoch = max(self._epoch, 0) + later
        chosen = self._order_of(epoch)[index * self.batch_size : (index + 1) * self.batch_size]
        images = self.images[chosen]
        release(self.images)
        if self.binarise:
            images = binarised(images, self.seed, self.first_step + epoch * self._steps + index, 1)
        if images.dtype == np.float64:
            images = images.astype("float32")
        return (images,) if self.labels is None else (images, self.labels[chosen])

    @property
    def still_images(self) -> np.ndarray:
        """All images as a model sees them; where every epoch draws them anew, one draw, by the seed."""
        return binarised(self.images, self.seed, 0, 2) if self.binarise else self.images

    def on_epoch_begin(self) -> None:
        if not self.endless:
            self._epoch += 1

    def go_on(self, first_step: int, seed: int, within: bool) -> None:
        """Goes on where a model is that was restored before the first epoch.

        Args:
            first_step: the training steps that it has made.
            seed: of the order of its batches.
            within: whether it may be restored from the middle of an epoch, whose other batches then come first.
        """
        done = max(0, first_step - self.first_step) % self._steps if within or self.endless else 0
        self.first_step, self.seed, self._skipped = first_step - done, seed, done

    def resumed(
        self,
        first_step: int,
        batch_size: int | None = None,
        shuffle: bool = True,
        endless: bool = False,
    ) -> "ImageBatches":
        """The same data for a model that has made ``first_step`` steps already."""
        batch_size = self.batch_size if batch_size is None else batch_size
        return self._like(self.images, self.labels, batch_size, shuffle, first_step=first_step, endless=endless)

    def split(self, share: float) -> tuple["ImageBatches", "ImageBatches"]:
        """The first ``1 - share`` of the images to train on and the rest to validate on, as Keras splits."""
        cut = len(self.images) - round(fraction("validation_split", share) * len(self.images))
        if not 0 < cut < len(self.images):
            raise ValueError(
                f"`validation_split` must leave images on both sides. Received: {share} of {len(self.images)}."
            )
        labels = (None, None) if self.labels is None else (self.labels[:cut], self.labels[cut:])
        validation = ImageBatches(
            self.still_images[cut:], labels[1], self.batch_size, False, self.seed, class_names=self.class_names
        )
        return self._like(self.images[:cut], labels[0], self.batch_size), validation

    def _like(self, images, labels, batch_size, shuffle=True, **options):
        """The same kind of batches of other data."""
        options |= {"class_names": self.class_names, "binarise": self.binarise}
        return ImageBatches(images, labels, batch_size, shuffle and self.shuffle, self.seed, **options)

    def _order_of(self, epoch):
        key = self.seed, self.first_step + epoch * self._steps
        if self._order[0] != key:
            generator = np.random.default_rng(key)
            self._order = key, self._drawn(generator.permutation if self.shuffle else np.asarray)
        return self._order[1]

    def _drawn(self, permuted):
        """The images of an epoch in order: their indices, put in an order by ``permuted``."""
        return permuted(np.arange(len(self.images)))


def _names(names):
    if isinstance(names, str) or not isinstance(names, Iterable) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"`class_names` must be the classes' names, strings. Received: class_names={names!r}")
    if len(set(names := tuple(names))) < len(names):
        raise ValueError(f"Each class needs a name of its own. Received: class_names={names}")
    return names


def binarised(images: np.ndarray, *seed: int) -> np.ndarray:
    """Images of uint8 as bool: each pixel drawn, true with probability x / 255."""
    return np.random.default_rng(seed).integers(0, 255, images.shape, dtype="uint8") < images


def is_array(x: Any) -> bool:
    """Whether ``x`` is one array of a NumPy-like library rather than a data set."""
    return hasattr(x, "shape") and hasattr(x, "dtype") and not isinstance(x, ImageBatches) and not hasattr(x, "iloc")


def is_arrays(x) -> bool:
    """Whether ``x`` is all the data: ``x``, ``(x,)``, ``(x, y)``, a dict of arrays, a list of images, or a table."""
    if isinstance(x, tuple):
        return len(x) > 0 and is_array(x[0])
    return is_array(x) or isinstance(x, (Mapping, list)) or is_table(x)


def split_batch(batch: Any) -> tuple[Any, Any]:
    """``(images, labels)`` of one batch: ``x``, ``(x,)``, ``(x, y)``, or a dict with ``image`` and maybe ``label``."""
    if isinstance(batch, (tuple, list)):
        x, y, *weights = (*batch, None)[: max(2, len(batch))]
        if any(w is not None for w in weights):
            raise ValueError("Sample weights are not supported. Yield `x`, `(x, y)` or a dict with `image`, `label`.")
    else:
        x, y = batch, None
    if is_table(x):
        found = table(x)
        return found.images, found.labels if y is None else y
    if isinstance(x, Mapping):
        if "image" not in x:
            keys = sorted(map(str, x))
            raise ValueError(
                f"A dict of data needs the key 'image' (and may have 'label'). Received keys: {keys}. {FORMS}"
            )
        x, y = x["image"], x.get("label", y)
    return x, y


def peek(data: Data) -> tuple[Any, Any]:
    """The first batch of a data set, and a data set that still has it."""
    check_form(data)
    if isinstance(data, keras.utils.PyDataset):
        return data[0], data
    if hasattr(data, "collate_fn"):
        data = _loader_of_tuples(data)
    if isinstance(data, types.GeneratorType):
        first = _first(data)
        return first, (_tuple_of(batch) for batch in itertools.chain([first], data))
    return _first(iter(data)), data


def _loader_of_tuples(loader):
    """The torch ``DataLoader``, yielding ``(x,)`` or ``(x, y)``: Keras takes no bare tensors and dicts from one."""
    tupled = copy.copy(loader)
    tupled.collate_fn = _Tupled(loader.collate_fn)
    return tupled


@dataclasses.dataclass
class _Tupled:  # a class, because it is sent to worker processes
    collate: Callable

    def __call__(self, samples):
        return _tuple_of(self.collate(samples))


def _tuple_of(batch):
    x, y = split_batch(batch)
    return (x,) if y is None else (x, y)


def _first(iterator):
    for batch in iterator:
        return batch
    raise ValueError("The data set is empty: it yielded no batch. Check its split, filters and path.")


def some_images(
    data: Data,
    y: Array | None,
    limit: int,
    seed: int,
    labelled: bool = False,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Images and labels (or None) as NumPy arrays, from any form of data that ``fit`` takes.

    Args:
        data, y: as for ``fit``.
        limit: how many at most: of arrays a choice at random, in their order; of a data set the first ones.
        seed: of the choice.
        labelled: whether to leave out images without a label (-1).
    """
    if isinstance(data, ImageBatches):
        x, y = data.still_images, data.labels
    elif is_arrays(data):
        x, y = split_batch(data if isinstance(data, (Mapping, tuple)) else (data, y))
        x, y = as_numpy(x), as_numpy(y)
    else:
        x, y = _first_images(data, limit, labelled)
    with_label = np.arange(len(x)) if y is None or not labelled else np.flatnonzero(np.reshape(y, len(x)) >= 0)
    if len(with_label) > limit:
        with_label = np.sort(np.random.default_rng(seed).choice(with_label, limit, replace=False))
    return x[with_label], None if y is None else y[with_label]


def _first_images(data, limit, labelled):
    _, data = peek(data)
    if isinstance(data, keras.utils.PyDataset):
        data = map(data.__getitem__, itertools.count() if data.num_batches is None else range(data.num_batches))
    batches, found = [], 0
    for batch in data:
        x, y = split_batch(batch)
        x, y = as_numpy(x), as_numpy(y)
        batches.append((x, y))
        found += len(x) if y is None or not labelled else np.sum(y >= 0)
        if found >= limit:
            break
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), None if labels[0] is None else np.concatenate(labels)


def check_images(x, expected_shape=None, whole: bool = True) -> tuple[int, ...]:
    """Raises an error for images that no model could learn from; returns the image shape.

    Args:
        x: array ``(batch, height, width, channels)``: uint8 in [0, 255], bool, or float in [0, 1].
        expected_shape: image shape that the model is built for, if it is.
        whole: whether these are all images. A single dark batch may hold only 0 and 1.

    Raises:
        ValueError: wrong rank, shape or dtype; NaN or infinity; values outside the range; nothing in it.
    """
    check_is_array(x)
    shape = tuple(int(d) for d in x.shape)
    if len(shape) != 4:
        hint = {
            3: "Add the channel axis (x[..., None]) if these are greyscale images; batch the data set if it is one.",
            2: "Reshape flat images, for example x.reshape(-1, 28, 28, 1).",
        }.get(len(shape), "")
        raise ValueError(f"Expected images of shape (batch, height, width, channels). Received: shape {shape}. {hint}")
    if 0 in shape:
        raise ValueError(f"The data set is empty. Received: images of shape {shape}.")
    check_channels(x, shape)
    if expected_shape is not None and shape[1:] != tuple(expected_shape):
        raise ValueError(
            f"This model is built for images of shape {tuple(expected_shape)}. Received: {shape[1:]}. "
            "Resize the images, or make a new model for them."
        )
    check_range(x, whole)
    return shape[1:]


def check_targets(y, image_shape, model: str, whole: bool = True) -> None:
    """Raises an error for targets that are not images of the shape of their inputs.

    Args:
        y: array ``(batch, height, width, channels)``, as ``check_images`` wants it.
        image_shape: that of the images to translate.
        model: whose targets they are, for the error.
        whole: whether these are all targets.

    Raises:
        ValueError: no targets, or what ``check_images`` refuses.
    """
    if y is None:
        raise ValueError(
            f"{model} learns from pairs and needs a target image beside every image. Received: none. "
            "Pass fit(x, y), or batches that are (x, y); genzoo.data.load_pairs(folder) reads them from files."
        )
    try:
        shape = check_images(y if hasattr(y, "shape") else np.asarray(y), whole=whole)
    except ValueError as error:
        raise ValueError(f"The targets (y) of {model} are not images. {error}") from error
    if shape != tuple(image_shape):
        raise ValueError(
            f"The targets (y) of {model} must have the shape of their images, {tuple(image_shape)}. Received: {shape}. "
            "Resize them, and repeat a single channel beside three: np.repeat(y, 3, axis=-1)."
        )


def check_labels(y: Array, ids: Sequence[int] | None, model: str) -> np.ndarray:
    """Raises an error for labels that are not class ids of the range; returns them as an int32 array ``(batch,)``.

    Where ``ids`` is None, how many there are is not known.
    """
    if y is None:
        raise ValueError(
            f"{model} needs labels. Received: none. "
            "Pass y to fit (or batches that are (x, y) or a dict with 'label'); to other verbs, labels=."
        )
    values = np.asarray(y if isinstance(y, (int, list, tuple, np.ndarray)) else keras.ops.convert_to_numpy(y))
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values  # as keras.datasets has them
    span = "from 0 on" if ids is None else f"from {ids[0]} to {ids[-1]}"
    expected = f"Expected: integer class ids of shape (batch,), {span}."
    if values.ndim != 1 or values.dtype.kind not in "iu":
        hint = " Decode one-hot labels with y.argmax(1)." if values.ndim == 2 else ""
        hint = " Number the names: np.unique(y, return_inverse=True)[1]." if values.dtype.kind in "OSUT" else hint
        raise ValueError(f"{model} takes labels. {expected} Received: {values.dtype} of shape {values.shape}.{hint}")
    if ids is not None and (values.min() < ids[0] or values.max() > ids[-1]):
        raise ValueError(
            f"{model} takes labels. {expected} Received: ids from {values.min()} to {values.max()}. "
            "`num_classes` of the model, or else the data that it was trained on, says how many there are, from 0 on."
        )
    return values.astype("int32")


def power_of_two(n: int) -> int:
    """The smallest power of two that is at least ``n``. As batch sizes, few of them serve arrays of any length."""
    return 1 << (n - 1).bit_length()


def unit_images(images: np.ndarray) -> np.ndarray:
    """NumPy images, uint8, bool or float in [0, 1], as float32 in [0, 1]."""
    return images.astype("float32") / (255.0 if images.dtype == np.uint8 else 1.0)


def to_unit_interval(x: Tensor) -> Tensor:
    """A tensor of uint8, bool or float images as float32 in [0, 1], inside the graph."""
    x = keras.ops.convert_to_tensor(x)
    scale = 255.0 if keras.backend.standardize_dtype(x.dtype) == "uint8" else 1.0
    return keras.ops.cast(x, "float32") / scale
