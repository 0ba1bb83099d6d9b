"""Deep generative image models using a Laplacian pyramid of adversarial networks (Denton et al. 2015)."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from genzoo import losses, networks
from genzoo.annotations import ImageShape, Tensor
from genzoo.errors import not_built
from genzoo.layers import Conv2D, Dropout
from genzoo.model import GenerativeModel
from genzoo.models.gan import GAN
from genzoo.validation import fraction, positive_int


def upsample(x: Tensor) -> Tensor:
    """Images of twice the height and width, bilinearly."""
    height, width = networks.spatial(x.shape[1:])[:2]
    return ops.image.resize(x, (2 * height, 2 * width), interpolation="bilinear")


def gaussian_pyramid(x: Tensor, levels: int) -> list:
    """The images and their halvings to means of 2x2 pixels, ``levels`` tensors from fine to coarse."""
    images = [x]
    for _ in range(levels - 1):
        images.append(ops.average_pool(images[-1], 2, strides=2))
    return images


def laplacian_pyramid(x: Tensor, levels: int) -> list:
    """What each level of the Gaussian pyramid adds to the next, from fine to coarse, and last the coarsest images.

    ``x`` is a tensor of images ``(batch, height, width, channels)``, whose sizes ``2 ** (levels - 1)`` divides.

    Example:
    >>> from keras import ops
    >>> [tuple(band.shape) for band in laplacian_pyramid(ops.zeros((1, 28, 28, 1)), levels=3)]
    [(1, 28, 28, 1), (1, 14, 14, 1), (1, 7, 7, 1)]
    """
    images = gaussian_pyramid(x, levels)
    return [*map(ops.subtract, images, map(upsample, images[1:])), images[-1]]


def reconstruct_pyramid(bands: list) -> Tensor:
    """The images of a Laplacian pyramid, exact but for rounding."""
    *bands, images = bands
    for band in reversed(bands):
        images = upsample(images) + band
    return images


@keras.saving.register_keras_serializable("genzoo_plugins")
class LAPGAN(GenerativeModel):
    r"""Laplacian pyramid of adversarial networks, which draw images from coarse to fine.

    With $d$ halving images and $u$ doubling them, a pyramid has the levels $I_0 = x$ and $I_{k+1} = d(I_k)$; to the
    blurred $l_k = u(I_{k+1})$ level $k$ adds $h_k = I_k - l_k$. The coarsest level has an ordinary GAN. At every other
    a conditional one learns $h_k$, each on its own:

    $$\min_{G_k} \max_{D_k} \; E \log D_k(l_k + h_k) + E \log(1 - D_k(l_k + G_k(z_k, l_k)))$$

    It trains on real $l_k$. In sampling they are $u$ of what the level before has drawn.

    Metrics: ``discriminator_<k>_loss`` and ``generator_<k>_loss``, 0 the finest; 1.39 and 0.69 where $D_k = 1/2$.

    Args:
        levels: images in the pyramid. Height and width must be divisible by ``2 ** (levels - 1)``.
        filters: channels of the convolutions, at every level but the coarsest.
        hidden_dim: width of the hidden layers at the coarsest level, as in ``gan``.
        noise_dim: size of the coarsest noise. The others have a number per pixel; latents hold all, coarsest first.
        dropout: rate in the discriminators.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("lapgan", filters=4, seed=0)
    >>> history = model.fit(np.zeros((4, 8, 8, 1), "uint8"), verbose=0)
    >>> model.sample(2, seed=0).shape, model.latent_dim
    ((2, 8, 8, 1), 180)

    Deviations:
        1. The coarsest level is ``gan``, with its maxouts and optimizer. With the paper's 600 ReLU units per layer and
           the authors' rates our generators drew nearly one image, after three epochs on 7x7 digits.
        2. Convolutions train by Adam. The paper has SGD throughout, its learning rate falling slowly from 0.02 and
           momentum rising from 0.5 to 0.8.
        3. The convolutional networks are those of the authors' code, but the discriminator's pad their images, so that
           small ones fit. $d$ takes means of 2x2, $u$ is bilinear; the paper leaves both open.
        4. Each image serves as real and for a generated one in every step; the paper tosses a coin for which.
        5. Samples are clipped to [0, 1] at each level: the next one has only seen images in that range.

    Reference:
        @inproceedings{denton2015deep,
          title={Deep Generative Image Models using a {L}aplacian Pyramid of Adversarial Networks},
          author={Denton, Emily L. and Chintala, Soumith and Szlam, Arthur and Fergus, Rob},
          booktitle={Advances in Neural Information Processing Systems},
          year={2015}
        }
    """

    tags = frozenset({"gan"})
    gaussian_prior = False
    batch_size = 100
    test_config = {"levels": 2, "noise_dim": 4}

    def __init__(
        self, levels: int = 3, filters: int = 128, hidden_dim: int = 1200, noise_dim: int = 100, dropout: float = 0.5,
        **kwargs: Any,
    ):  # fmt: skip
        self.levels = positive_int("levels", levels)  # before Keras' own part, which needs the players
        super().__init__(**kwargs)
        self.filters = positive_int("filters", filters)
        self.hidden_dim = positive_int("hidden_dim", hidden_dim)
        self.noise_dim = positive_int("noise_dim", noise_dim)
        self.dropout = fraction("dropout", dropout)

    # Only an instance knows how many levels it has, and then of which size; checkers want what every class knows.
    @property
    def players(self) -> dict[str, tuple[str, ...]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        names = [f"{role}_{k}" for k in range(self.levels) for role in ("discriminator", "generator")]
        return {name: (name,) for name in names}

    @property
    def latent_dim(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self.image_shape is None:
            raise not_built()
        return sum(map(self._noise_size, range(self.levels)))

    def build_networks(self, image_shape: ImageShape) -> None:
        factor, size = 2 ** (self.levels - 1), networks.spatial(image_shape)[:2]
        if any(n % factor for n in size):
            raise ValueError(
                f"A pyramid of {self.levels} levels needs height and width divisible by {factor}. Received: image "
                f"shape {tuple(image_shape)}. Resize the images, to {[-(-n // factor) * factor for n in size]} say."
            )
        coarsest = GAN(latent_dim=self.noise_dim, hidden_dim=self.hidden_dim, dropout=self.dropout)
        for k, images in enumerate(gaussian_pyramid(keras.Input(image_shape), self.levels)):
            level = coarsest if k == self.levels - 1 else self
            for role in ("generator", "discriminator"):
                network = getattr(level, f"build_{role}")(images.shape[1:])
                network.name = f"{role}_{k}"
                setattr(self, network.name, network)

    def _noise_size(self, k):
        return getattr(self, f"generator_{k}").inputs[0].shape[1]

    def build_generator(self, image_shape: ImageShape) -> keras.Model:
        """The network from a number per pixel and blurred images to what is missing in them."""
        height, width, _, axis = networks.spatial(image_shape)
        z, blurred = keras.Input((height * width,)), keras.Input(image_shape)
        plane = layers.Reshape((height, width, 1) if axis == -1 else (1, height, width))(z)
        x = layers.Concatenate(axis)([plane, layers.Rescaling(2.0, -1.0)(blurred)])
        for _ in range(2):
            x = Conv2D(self.filters, 7, padding="same", activation="relu")(x)
        return keras.Model([z, blurred], Conv2D(blurred.shape[axis], 5, padding="same", dtype="float32")(x))

    def build_discriminator(self, image_shape: ImageShape) -> keras.Model:
        images = keras.Input(image_shape)
        x = layers.Rescaling(2.0, -1.0)(images)
        for strides in (1, 2):
            x = Conv2D(self.filters, 5, strides=strides, padding="same", activation="relu")(x)
        return keras.Model(images, networks.logit(Dropout(self.dropout)(layers.Flatten()(x))))

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        *others, discriminator, generator = self.players
        coarsest = {player: keras.optimizers.SGD(0.1, momentum=0.5) for player in (discriminator, generator)}
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5) for player in others} | coarsest

    def step(self, x: Tensor, y: Tensor | None = None) -> None:
        images = gaussian_pyramid(x, self.levels)
        for k, real in enumerate(images):
            self._play(k, real, upsample(images[k + 1]) if k + 1 < self.levels else None)

    def _play(self, k, real, blurred):
        """Algorithm 1 of Goodfellow et al. (2014) at level k."""
        judge, n = getattr(self, f"discriminator_{k}"), ops.shape(real)[0]
        fake, z = self.complete(k, self.noise(n, k), blurred), self.noise(n, k)
        self.minimize(lambda: losses.discriminator_cross_entropy(judge(real), judge(fake)), f"discriminator_{k}")
        self.minimize(lambda: losses.generator_cross_entropy(judge(self.complete(k, z, blurred))), f"generator_{k}")

    def complete(self, k: int, z: Tensor, blurred: Tensor | None = None) -> Tensor:
        """Images of level k: blurred ones and what its generator adds, or at the coarsest level what it draws."""
        generator = getattr(self, f"generator_{k}")
        return generator(z) if blurred is None else blurred + generator([z, blurred])

    def noise(self, batch_size: Tensor, k: int) -> Tensor:
        return 2.0 * self.uniform((batch_size, self._noise_size(k))) - 1.0

    def latents(self, n: int, rng: np.random.Generator, labels: Tensor | None = None) -> np.ndarray:
        return 2.0 * rng.random((n, self.latent_dim), "float32") - 1.0

    def draw(self, z: Tensor) -> list[Tensor]:
        """A tensor of latents to a list of images of every level, from coarse to fine."""
        drawn = []
        for k in reversed(range(self.levels)):
            size, blurred = self._noise_size(k), upsample(drawn[-1]) if drawn else None
            drawn.append(ops.clip(self.complete(k, z[:, :size], blurred), 0.0, 1.0))
            z = z[:, size:]
        return drawn

    def decode_step(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.draw(z)[-1]
