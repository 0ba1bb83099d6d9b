"""Improved Techniques for Training GANs, semi-supervised (Salimans et al. 2016)."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from genzoo import networks
from genzoo.annotations import ImageShape, Tensor
from genzoo.layers import BatchNormalization, Dense, GaussianNoise
from genzoo.model import GenerativeModel
from genzoo.validation import fraction, non_negative, number_of_classes, positive_int


@keras.saving.register_keras_serializable("genzoo_plugins")
class WeightNormDense(Dense):
    r"""Dense layer whose columns are directions: $y = s \, x v / \|v\| + b$ (Salimans and Kingma, 2016).

    Args:
        units: outputs.
        scale: $s$ of every output, at the start.
        train_scale: whether each output's scale is trained.
    """

    def __init__(
        self, units: int, activation: Any | None = None, scale: float = 1.0, train_scale: bool = False, **kwargs: Any
    ):
        super().__init__(units, activation, **kwargs)
        self.initial_scale, self.train_scale = scale, train_scale

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        self.scale = self.initial_scale
        if self.train_scale:
            self.scale = self.add_weight((self.units,), keras.initializers.Constant(self.scale), name="scale")

    @property
    def kernel(self) -> Tensor:
        """The kernel with columns of length ``scale``."""
        v = ops.convert_to_tensor(super().kernel)
        return v * (self.scale * ops.rsqrt(ops.sum(ops.square(v), axis=0) + 1e-12))

    # Dense saves a list of weights that it knows, without the scale; any other layer saves all that it has.
    save_own_variables = layers.Layer.save_own_variables
    load_own_variables = layers.Layer.load_own_variables

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.initial_scale, "train_scale": self.train_scale}


@keras.saving.register_keras_serializable("genzoo_plugins")
class SSGAN(GenerativeModel):
    r"""GAN whose discriminator is a classifier that learns from few labels, many images without, and generated ones.

    It gives a logit $\ell_k$ for each of K classes; generated images are class K + 1, whose logit is fixed at 0. So
    $D(x) = \frac{Z}{Z + 1}$ with $Z = \sum_k e^{\ell_k}$ is the probability that x is real, of whatever class, and

    $$L_D = -E \log p(y \mid x, y \le K) - \tfrac12 E \log D(x) - \tfrac12 E \log(1 - D(G(z)))$$

    with the first term over images with a label and the second over images without (over all where each has one). The
    generator matches features f, the discriminator's last hidden layer, in the mean over a batch:

    $$L_G = \| E f(x) - E f(G(z)) \|^2$$

    (a mean over features). This makes the classifier good and the images poor. Labels are class ids, or -1 for none:
    ``genzoo.data.semi_supervised`` makes such batches. ``classify`` uses an average of the discriminator's weights.

    Metrics: ``discriminator_loss``, ``generator_loss``, and ``accuracy`` on the images that have a label: of the
    discriminator as it trains, noise included, in ``fit``; of ``classify`` in ``evaluate``. It is 0 where none has one.

    Args:
        num_classes: how many, K; by default as many as the data have.
        latent_dim: size of z, uniform in [0, 1).
        hidden_dim: width of the discriminator's first layer; its others have 1/2, 1/4, 1/4, 1/4, the generator's 1/2.
        unlabelled_weight: factor of the two unsupervised terms.
        ema_decay: decay per step of the averaged discriminator; in step t at most (1 + t) / (10 + t).
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("ssgan", seed=0)
    >>> x, y = np.zeros((4, 28, 28, 1), "uint8"), np.array([7, -1, -1, -1])
    >>> history = model.fit(x, y, verbose=0)
    >>> model.classify(x).shape, model.sample(2, seed=0).shape
    ((4, 8), (2, 28, 28, 1))

    Deviations:
        1. Networks and settings are those of the authors' code for MNIST (784-1000-500-250-250-250-10), for images of
           any size. There the scales of weight normalisation are fitted to 500 images before training; here they start
           where pixels like MNIST's, and units after ReLU, give the next layer a standard deviation near 1.
        2. Both players see the same real images in a step, and as many generated ones, whatever share has labels.
        3. The averaged weights start as the discriminator's, and in the authors' code as zeros.

    Reference:
        @inproceedings{salimans2016improved,
          title={Improved Techniques for Training {GANs}},
          author={Salimans, Tim and Goodfellow, Ian and Zaremba, Wojciech and Cheung, Vicki and Radford, Alec and
            Chen, Xi},
          booktitle={Advances in Neural Information Processing Systems},
          year={2016}
        }
    """

    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    logs = {"accuracy": "share of the images with a label that are classified rightly"}
    tags = frozenset({"gan", "classifier"})
    gaussian_prior = False
    batch_size = 200

    def __init__(
        self,
        num_classes: int | None = None,
        latent_dim: int = 100,
        hidden_dim: int = 1000,
        unlabelled_weight: float = 1.0,
        ema_decay: float = 0.9999,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.num_classes = number_of_classes(num_classes)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.hidden_dim = positive_int("hidden_dim", hidden_dim)
        self.unlabelled_weight = non_negative("unlabelled_weight", unlabelled_weight)
        self.ema_decay = fraction("ema_decay", ema_decay)

    def build_networks(self, image_shape: ImageShape) -> None:
        self.generator = self.build_generator(image_shape)
        self.discriminator = self.build_discriminator(image_shape)
        self.averaged = networks.frozen_copy(self.discriminator, "averaged")

    def build_generator(self, image_shape: ImageShape) -> keras.Model:
        z = x = keras.Input((self.latent_dim,))
        for _ in range(2):
            x = Dense(-(-self.hidden_dim // 2), use_bias=False)(x)
            x = BatchNormalization(scale=False, momentum=0.9, epsilon=1e-6)(x)
            x = layers.Activation("softplus")(x)
        x = WeightNormDense(math.prod(image_shape), "sigmoid", train_scale=True, dtype="float32")(x)
        return keras.Model(z, layers.Reshape(image_shape, dtype="float32")(x), name="generator")

    def build_discriminator(self, image_shape: ImageShape) -> keras.Model:
        """The network from images to the last hidden layer's features and the logits of the classes."""
        images = keras.Input(image_shape)
        x = GaussianNoise(0.3)(layers.Flatten()(images))
        options = {"kernel_initializer": keras.initializers.RandomNormal(stddev=0.1)}
        for i, divisor in enumerate((1, 2, 4, 4, 4)):
            x = GaussianNoise(0.5)(x) if i else x
            x = WeightNormDense(-(-self.hidden_dim // divisor), "relu", 1.3 if i else 2.5, **options)(x)
        logits = WeightNormDense(self.num_classes, None, 1.3, True, dtype="float32", **options)(GaussianNoise(0.5)(x))
        return keras.Model(images, [x, logits], name="discriminator")

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        # The authors' code adds 1e-8 under the root, which is 1e-4 beside it: small gradients make small steps.
        return {player: keras.optimizers.Adam(0.003, beta_1=0.5, epsilon=1e-4) for player in self.players}

    def step(self, x: Tensor, y: Tensor | None = None) -> None:
        fake = self.generator(self.noise(ops.shape(x)[0]))
        self.minimize(lambda: self.discriminator_loss(x, fake, y), "discriminator")
        z, moments = self.noise(ops.shape(x)[0]), self.moments(x, self.unlabelled(y))
        self.minimize(lambda: ops.mean(ops.square(self.moments(self.generator(z)) - moments)), "generator")
        if self.is_training:
            self.move_average(self.averaged, self.discriminator, self.ema_decay)

    def discriminator_loss(self, real: Tensor, fake: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy among the classes, and between real and generated; noise is drawn anew for every image."""
        real_logits, fake_logits = ops.split(self.discriminator(ops.concatenate([real, fake]))[1], 2)
        labelled, unlabelled = ops.cast(y >= 0, "float32"), self.unlabelled(y)
        log_z, fake_log_z = (ops.logsumexp(logits, axis=1) for logits in (real_logits, fake_logits))
        cross_entropy = log_z - ops.sum(self.one_hot(y) * real_logits, axis=1)
        supervised = ops.sum(labelled * cross_entropy) / ops.maximum(ops.sum(labelled), 1.0)
        real_loss = ops.sum(unlabelled * ops.softplus(-log_z)) / ops.sum(unlabelled)
        fake_loss = ops.mean(ops.softplus(fake_log_z))
        guess = real_logits if self.is_training else self.averaged(real)[1]
        right = ops.equal(ops.cast(ops.argmax(guess, axis=1), "int32"), ops.cast(y, "int32"))
        self.log("accuracy", ops.cast(right, "float32"), weights=labelled)
        return supervised + self.unlabelled_weight * 0.5 * (real_loss + fake_loss)

    def moments(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """Mean features of images, which may have weights."""
        features = ops.cast(self.discriminator(x)[0], "float32")
        return ops.mean(features, axis=0) if weights is None else ops.matmul(weights / ops.sum(weights), features)

    def unlabelled(self, y: Tensor) -> Tensor:
        """1 for every image without a label, else 0; where each has one, 1 for all."""
        without = ops.cast(y < 0, "float32")
        return ops.where(ops.any(y < 0), without, ops.ones_like(without))

    def noise(self, batch_size: Tensor) -> Tensor:
        return self.uniform((batch_size, self.latent_dim))

    def latents(self, n: int, rng: np.random.Generator, labels: Tensor | None = None) -> np.ndarray:
        return rng.random((n, self.latent_dim), "float32")

    def classify_step(self, x: Tensor) -> Tensor:
        return ops.softmax(self.averaged(x)[1])

    def decode_step(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generator(z)
