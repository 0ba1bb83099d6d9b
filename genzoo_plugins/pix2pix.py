"""Image-to-Image Translation with Conditional Adversarial Networks (Isola et al. 2017)."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from genzoo import losses
from genzoo.annotations import ImageShape, Tensor
from genzoo.layers import Conv2D, Conv2DTranspose, LeakyReLU
from genzoo.model import GenerativeModel
from genzoo.networks import spatial
from genzoo.validation import flag, fraction, non_negative, positive_int

# Strided layers of the discriminator by its receptive field; two layers of stride 1 follow.
STRIDED = {1: 0, 16: 1, 70: 3, 286: 5}


@keras.saving.register_keras_serializable("genzoo_plugins")
class Pix2Pix(GenerativeModel):
    r"""Image-to-image translation, learnt from pairs: a U-Net against a discriminator of patches.

    The U-Net has strided convolutions down, transposed ones back up, and skip connections between them. Its noise is
    dropout, in use too. The discriminator sees both images of a pair, real or translated, and judges every patch.

    $$L_D = -\tfrac12 E \log D(x, y) - \tfrac12 E \log(1 - D(x, G(x, z)))$$

    $$L_G = -E \log D(x, G(x, z)) + \lambda E \|y - G(x, z)\|_1$$

    ``fit(x, y)`` takes images and their target images, of the same shape. ``translate(x, seed=...)`` gives images in
    [0, 1]; another seed gives another translation.

    Metrics: ``discriminator_loss``, 0.69 where $D = 1/2$ everywhere, ``generator_loss``, and ``l1``.

    Args:
        filters: of the first layer of each network; the following have 2, 4 and then 8 times as many.
        depth: how often the generator halves the image, whose sides must be divisible by ``2**depth``. By default as
            often as the sides allow, at most the paper's 8 (which is 256x256 to a single pixel).
        patch: side of the patch that each of the discriminator's numbers looks at: 1, 16, 70 or 286 pixels. The last
            two need sides of at least 16 and 64.
        l1_weight: factor of the mean absolute difference of pixels in [-1, 1], lambda in the paper.
        dropout: rate in the generator's first three layers on the way up; 0 for one translation per image.
        mirror: whether training turns left and right round in every second pair, at random.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("pix2pix", filters=8, patch=16, seed=0)
    >>> x, y = np.zeros((2, 2, 16, 16, 3), "uint8")
    >>> history = model.fit(x, y, verbose=0)
    >>> model.translate(x, seed=0).shape
    (2, 16, 16, 3)

    Deviations:
        1. Normalisation is over each image alone. So is the paper's, which is by the batch's own statistics in use
           too, at its batch size of 1; here it stays so in larger batches.
        2. The innermost layer is not normalised, as in the paper's erratum: a single pixel would become 0.
        3. Smaller images have fewer layers, from the inside. Padding is ``same`` everywhere.
        4. Both players move on the same translation, as in the paper's code. No jitter; ``mirror`` is an option.
        5. What skips to the way up has been through the leaky rectifier alone; in the authors' code a ReLU follows.

    Reference:
        @inproceedings{isola2017image,
          title={Image-to-Image Translation with Conditional Adversarial Networks},
          author={Isola, Phillip and Zhu, Jun-Yan and Zhou, Tinghui and Efros, Alexei A.},
          booktitle={IEEE Conference on Computer Vision and Pattern Recognition},
          year={2017}
        }
    """

    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    logs = {"l1": "mean absolute difference to the target, of pixels in [0, 1]"}
    tags = frozenset({"gan", "translation"})
    gaussian_prior = False
    batch_size = 1
    test_config = {"depth": 2, "patch": 16}

    def __init__(
        self,
        filters: int = 64,
        depth: int | None = None,
        patch: int = 70,
        l1_weight: float = 100.0,
        dropout: float = 0.5,
        mirror: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters = positive_int("filters", filters)
        self.depth = None if depth is None else positive_int("depth", depth)
        self.patch = positive_int("patch", patch)
        self.l1_weight = non_negative("l1_weight", l1_weight)
        self.dropout = fraction("dropout", dropout)
        self.mirror = flag("mirror", mirror)
        self.latent_dim = 0  # known once built: one number for every unit that may drop out
        if patch not in STRIDED:
            raise ValueError(f"`patch` must be one of {', '.join(map(str, STRIDED))}. Received: patch={patch}")

    def build_networks(self, image_shape: ImageShape) -> None:
        self.generator = self._unet(image_shape)
        self.discriminator = self._patch_discriminator(image_shape)
        self.latent_dim = self.generator.inputs[1].shape[-1]

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5) for player in self.players}

    def step(self, x: Tensor, y: Tensor | None = None) -> None:
        if self.mirror and self.is_training:
            turned = self.uniform((ops.shape(x)[0], 1, 1, 1)) < 0.5
            width = 2 if spatial(x.shape[1:])[3] == -1 else 3
            x, y = (ops.where(turned, ops.flip(image, axis=width), image) for image in (x, y))
        z = self.noise(ops.shape(x)[0])
        translated = self.record(lambda: (self.generator([x, z]),), "generator")
        (fake,) = translated.outputs
        self.log("l1", l1(y, fake))
        self.minimize(lambda: self.discriminator_loss(x, y, fake), "discriminator")
        self.minimize(lambda fake: self.generator_loss(x, y, fake), "generator", through=(translated,))

    def discriminator_loss(self, x: Tensor, y: Tensor, fake: Tensor) -> Tensor:
        real, fake = self.discriminator([x, y]), self.discriminator([x, fake])
        return 0.5 * losses.discriminator_cross_entropy(real, fake)

    def generator_loss(self, x: Tensor, y: Tensor, fake: Tensor) -> Tensor:
        adversarial = losses.generator_cross_entropy(self.discriminator([x, fake]))
        return adversarial + self.l1_weight * 2.0 * l1(y, fake)  # twice, as in [-1, 1]

    def translate_step(self, x: Tensor, z: Tensor) -> Tensor:
        return self.generator([x, z])

    def noise(self, batch_size: Tensor) -> Tensor:
        return self.uniform((batch_size, self.latent_dim))

    def latents(self, n: int, rng: np.random.Generator, labels: Tensor | None = None) -> np.ndarray:
        return rng.random((n, self.latent_dim), dtype="float32")

    def _unet(self, image_shape):
        height, width, channels, axis = spatial(image_shape)
        common = math.gcd(height, width)  # its lowest bit says how often both can be halved
        depth = self.depth or max(1, min(8, (common & -common).bit_length() - 1))
        if height % 2**depth or width % 2**depth:
            raise ValueError(
                f"With a depth of {depth} the U-Net needs height and width divisible by {2**depth}. Received: image "
                f"shape {tuple(image_shape)}. Set a smaller `depth`, or pad or resize the images, for example to "
                f"{-(-height // 2**depth) * 2**depth}x{-(-width // 2**depth) * 2**depth}."
            )
        widths = [self.filters * min(2**i, 8) for i in range(depth)]
        inner = [(height >> i, width >> i, widths[i - 1]) for i in range(depth - 1, 0, -1)]  # on the way up
        droppable = [math.prod(shape) for shape in inner[:3]] if self.dropout else []
        images, noise = keras.Input(image_shape), keras.Input((sum(droppable),))
        x, skips, used = layers.Rescaling(2.0, -1.0)(images), [], 0
        for i, units in enumerate(widths):
            x = LeakyReLU(0.2)(_conv(x, units, normalised=0 < i < depth - 1))
            skips.append(x)
        for i, (_, _, units) in enumerate(inner):
            x = _conv(x, units, normalised=True, layer=Conv2DTranspose)
            if i < len(droppable):
                x = _dropped(x, noise[:, used : used + droppable[i]], self.dropout)
                used += droppable[i]
            x = layers.Concatenate(axis)([layers.ReLU()(x), skips[-2 - i]])
        x = layers.Activation("tanh", dtype="float32")(_conv(x, channels, layer=Conv2DTranspose))
        return keras.Model([images, noise], layers.Rescaling(0.5, 0.5, dtype="float32")(x), name="generator")

    def _patch_discriminator(self, image_shape):
        strided, size = STRIDED[self.patch], 1 if self.patch == 1 else 4
        height, width, _, axis = spatial(image_shape)
        if min(height, width) < 2 ** (strided + 1):  # what is normalised must be more than a pixel
            raise ValueError(
                f"Patches of {self.patch} need images of at least {2 ** (strided + 1)}x{2 ** (strided + 1)}. "
                f"Received: image shape {tuple(image_shape)}. Set a smaller `patch`."
            )
        pair = [keras.Input(image_shape), keras.Input(image_shape)]
        x = layers.Rescaling(2.0, -1.0)(layers.Concatenate(axis)(pair))
        for i in range(max(strided + 1, 2)):
            strides = 2 if i < strided else 1
            x = LeakyReLU(0.2)(_conv(x, self.filters * min(2**i, 8), strides, size, normalised=i > 0))
        x = _conv(x, 1, 1, size)
        return keras.Model(pair, layers.Activation("linear", dtype="float32")(x), name="discriminator")


def l1(y: Tensor, translated: Tensor) -> Tensor:
    """Mean absolute difference of each pair of images, ``(batch,)``."""
    return ops.mean(ops.abs(y - translated), axis=(1, 2, 3))


def _conv(x, units, strides=2, size=4, normalised=False, layer=Conv2D):
    normal = keras.initializers.RandomNormal(stddev=0.02)
    options = {"strides": strides, "padding": "same", "use_bias": not normalised, "kernel_initializer": normal}
    x = layer(units, size, **options)(x)
    return layers.GroupNormalization(groups=-1, axis=spatial(x.shape[1:])[3], epsilon=1e-5)(x) if normalised else x


def _dropped(x, uniform, rate):
    """Dropout by numbers in [0, 1), so that it repeats itself with them."""
    kept = ops.cast(uniform >= rate, x.dtype) / (1.0 - rate)
    return x * layers.Reshape(x.shape[1:])(kept)
