"""Adversarially Learned Inference (Dumoulin et al. 2017)."""

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import layers, ops

from genzoo.annotations import ImageShape, Tensor
from genzoo.layers import BatchNormalization, Conv2D, Conv2DTranspose, Dense, Dropout, LeakyReLU
from genzoo.networks import spatial
from genzoo.validation import fraction, positive, positive_int
from genzoo_plugins.bigan import JointGame


@keras.saving.register_keras_serializable("genzoo_plugins")
class ALI(JointGame):
    r"""Convolutional generative adversarial network with a stochastic encoder.

    The game is that of ``bigan``, found at the same time: a discriminator of pairs, which tells $(x, \hat z)$ from
    $(\tilde x, z)$, and both sides move at once (algorithm 1). Here the encoder gives a Gaussian, and training draws
    the code from it:

    $$\hat z = \mu(x) + \sigma(x) \odot \epsilon, \quad \epsilon \sim N(0, I), \qquad
      \tilde x = G(z), \quad z \sim N(0, I)$$

    ``encode`` gives $\mu(x)$. Nothing compares images by pixels, so a reconstruction is another image of the same kind
    rather than a copy.

    Metrics: ``discriminator_loss`` and ``generator_loss``; both 1.39 where $D = 1/2$ everywhere.

    Args:
        latent_dim: size of the code.
        filters: channels of the first convolution; all other layers widen with it.
        dropout: rate of dropout at the inputs of the discriminator's layers.
        initial_std: standard deviation of the initial weights.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Raises:
        ValueError: at the first batch, if the images' height or width is below 20 or not divisible by 4.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("ali", latent_dim=8, filters=4, seed=0)
    >>> x = np.zeros((4, 28, 28, 1), "uint8")
    >>> history = model.fit(x, verbose=0)
    >>> model.reconstruct(x).shape
    (4, 28, 28, 1)

    Deviations:
        1. Networks are those for SVHN, with CIFAR-10's 64 latents instead of 256. Where images are not 32x32 the fully
           connected ends grow or shrink.
        2. One bias per channel of the image, from zero; the authors' code has one per pixel, from the data's log-odds.

    Reference:
        @inproceedings{dumoulin2017adversarially,
          title={Adversarially Learned Inference},
          author={Dumoulin, Vincent and Belghazi, Ishmael and Poole, Ben and Mastropietro, Olivier and Lamb, Alex and
                  Arjovsky, Martin and Courville, Aaron},
          booktitle={International Conference on Learning Representations},
          year={2017}
        }
    """

    batch_size = 100
    test_image_shape = (20, 20, 1)
    test_config = {"initial_std": 0.2}  # so small a network would stand still at 0.01

    def __init__(
        self, latent_dim: int = 64, filters: int = 32, dropout: float = 0.2, initial_std: float = 0.01, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.filters = positive_int("filters", filters)
        self.dropout = fraction("dropout", dropout)
        self.initial_std = positive("initial_std", initial_std)

    def build_networks(self, image_shape: ImageShape) -> None:
        *size, channels, self._axis = spatial(image_shape)
        if any(side % 4 or side < 20 for side in size):
            raise ValueError(
                "ALI's convolutions need a height and width of at least 20, divisible by 4. "
                f"Received: image shape {tuple(image_shape)}. Pad or resize the images, for example to "
                f"{max(20, -(-size[0] // 4) * 4)}x{max(20, -(-size[1] // 4) * 4)}."
            )
        self.encoder = self._build_encoder(image_shape)
        self.generator = self._build_generator(size, channels)
        self.discriminator = self._build_discriminator(image_shape)

    def _build_encoder(self, image_shape):
        images = x = keras.Input(image_shape)
        for shape in self._convolutions():
            x = self._normalised(self._conv(x, *shape))
        x = layers.Flatten()(x)
        for _ in range(2):
            x = self._normalised(self._dense(x, 16 * self.filters, use_bias=False), axis=-1)
        return keras.Model(images, self._dense(x, 2 * self.latent_dim, dtype="float32"), name="encoder")

    def _build_generator(self, size, channels):
        rows, columns = (side // 4 - 4 for side in size)
        base = (8 * self.filters, rows, columns) if self._axis == 1 else (rows, columns, 8 * self.filters)
        z = keras.Input((self.latent_dim,))
        x = self._normalised(layers.Reshape(base)(self._dense(z, math.prod(base), use_bias=False)))
        for times, *shape in ((4, 4, 2), (2, 4, 1), (1, 4, 2), (1, 5, 1), (1, 1, 1)):
            x = self._normalised(self._conv(x, times * self.filters, *shape, kind=Conv2DTranspose))
        x = self._conv(x, channels, 1, 1, use_bias=True, activation="sigmoid", dtype="float32")
        return keras.Model(z, x, name="generator")

    def _build_discriminator(self, image_shape):
        images, codes = keras.Input(image_shape), keras.Input((self.latent_dim,))
        first, *others = self._convolutions()
        x, z = self._leaky(self._conv(self._dropped(images), *first, use_bias=True)), codes
        for shape in others:
            x = self._normalised(self._conv(self._dropped(x), *shape))
        x = self._dense(self._dropped(layers.Flatten()(x)), 16 * self.filters, use_bias=False)
        for _ in range(2):
            z = self._leaky(self._dense(self._dropped(z), 16 * self.filters, use_bias=False))
        pair = layers.Concatenate()([self._normalised(x, axis=-1), z])
        for _ in range(2):
            pair = self._leaky(self._dense(self._dropped(pair), 32 * self.filters))
        logit = self._dense(self._dropped(pair), 1, dtype="float32")
        return keras.Model([images, codes], logit, name="discriminator")

    def _convolutions(self):
        """Channels, kernel and stride of what encoder and discriminator begin with."""
        return [(times * self.filters, *shape) for times, *shape in ((1, 5, 1), (2, 4, 2), (4, 4, 1), (8, 4, 2))]

    def _conv(self, x, count, kernel, strides, *, kind=Conv2D, use_bias=False, **options):
        return kind(count, kernel, strides, use_bias=use_bias, kernel_initializer=self._start(), **options)(x)

    def _dense(self, x, units, **options):
        return Dense(units, kernel_initializer=self._start(), **options)(x)

    def _start(self):
        return keras.initializers.RandomNormal(stddev=self.initial_std)

    def _normalised(self, x, axis=None):
        return self._leaky(BatchNormalization(axis=axis or self._axis, momentum=0.95)(x))

    def _leaky(self, x):
        return LeakyReLU(0.01)(x)

    def _dropped(self, x):
        return Dropout(self.dropout)(x)

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        return {player: keras.optimizers.Adam(1e-4, beta_1=0.5) for player in self.players}

    def infer(self, x: Tensor) -> Tensor:
        mean, log_sigma = ops.split(self.encoder(x), 2, axis=1)
        return mean + ops.exp(log_sigma) * self.normal(ops.shape(mean))

    def judge(self, x: Tensor, code: Tensor, fake: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        # In one batch, so that its statistics do not tell the pairs apart.
        logits = self.discriminator([ops.concatenate([x, fake]), ops.concatenate([code, z])])
        return tuple(ops.split(logits, 2))

    def encode_step(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return ops.split(self.encoder(x), 2, axis=1)[0]

    def posterior_step(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        mean, log_sigma = ops.split(self.encoder(x), 2, axis=1)
        return mean, ops.exp(log_sigma)
