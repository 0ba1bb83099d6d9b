"""Deep convolutional GAN (Radford, Metz and Chintala, 2016)."""

import keras
from keras import ops

from genzoo import losses, networks
from genzoo.model import GenerativeModel
from genzoo.validation import fraction, positive_int


@keras.saving.register_keras_serializable("genzoo")
class DCGAN(GenerativeModel):
    r"""Generative adversarial network of strided and transposed convolutions.

    The generator $G$ turns noise into images; the discriminator $D$ tells them from real ones. They train in turns
    (Goodfellow et al. 2014, Algorithm 1 with $k = 1$), the generator on the non-saturating loss:

    $$L_D = -E_x \log D(x) - E_z \log(1 - D(G(z))), \qquad L_G = -E_z \log D(G(z))$$

    Metrics: ``discriminator_loss`` and ``generator_loss``; 1.39 and 0.69 where $D = 1/2$ everywhere.

    Args:
        latent_dim: size of the noise $z \sim N(0, I)$.
        dropout: rate of dropout in the discriminator.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Raises:
        ValueError: at the first batch, if the images' height or width is not divisible by 4.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("dcgan", latent_dim=8, seed=0)
    >>> history = model.fit(np.zeros((4, 8, 8, 1), "uint8"), verbose=0)
    >>> model.sample(2, seed=0).shape
    (2, 8, 8, 1)

    Deviations:
        1. Networks and optimizer (dense 7x7x256, transposed 5x5 convolutions of 128, 64 and 1, discriminator of 64
           and 128 with dropout, Adam at 1e-4, batch 256) are those of the TensorFlow tutorial, which the survey that
           genzoo started from trains; the paper's are for 64x64 with batch 128 and Adam(2e-4, beta_1 = 0.5).
        2. Leaky ReLU in the generator too, slope 0.3, and no batch normalisation in the discriminator (same source).
        3. The generator's step draws fresh noise, as Algorithm 1 does; the tutorial moves both players at once.

    Reference:
        @inproceedings{radford2016unsupervised,
          title={Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks},
          author={Radford, Alec and Metz, Luke and Chintala, Soumith},
          booktitle={International Conference on Learning Representations},
          year={2016}
        }
    """

    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    tags = frozenset({"gan"})
    batch_size = 256

    def __init__(self, latent_dim: int = 100, dropout: float = 0.3, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.dropout = fraction("dropout", dropout)

    def build_networks(self, image_shape):
        self.generator = networks.dcgan_generator(self.latent_dim, image_shape)
        self.discriminator = networks.dcgan_discriminator(image_shape, dropout=self.dropout)

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(1e-4) for player in self.players}

    def step(self, x, y=None):
        batch_size = ops.shape(x)[0]
        real = 2.0 * x - 1.0
        fake = self.generator(self.noise(batch_size))
        self.minimize(
            lambda: losses.discriminator_cross_entropy(self.discriminator(real), self.discriminator(fake)),
            "discriminator",
        )
        z = self.noise(batch_size)
        self.minimize(lambda: losses.generator_cross_entropy(self.discriminator(self.generator(z))), "generator")

    def decode_step(self, z):
        return (self.generator(z) + 1.0) / 2.0
