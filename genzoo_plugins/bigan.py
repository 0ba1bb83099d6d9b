"""Bidirectional GAN (Donahue, Krähenbühl and Darrell, 2017), and the game that it shares with ``ali``."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from genzoo import losses
from genzoo.annotations import ImageShape, Tensor
from genzoo.layers import BatchNormalization, Dense, LeakyReLU
from genzoo.model import GenerativeModel
from genzoo.validation import positive_int


class JointGame(GenerativeModel):
    """A discriminator of pairs against an encoder, which adds codes to images, and a generator, which adds images.

    A subclass builds ``encoder``, ``generator`` and ``discriminator``, the last of ``[images, codes]``.
    """

    players = {"discriminator": ("discriminator",), "generator": ("generator", "encoder")}
    tags = frozenset({"gan", "encoder"})

    def infer(self, x: Tensor) -> Tensor:
        """Codes of images, as training draws them."""
        return self.encode_step(x)

    def judge(self, x: Tensor, code: Tensor, fake: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Logits for the encoder's pairs, (x, E(x)), and for the generator's, (G(z), z)."""
        return self.discriminator([x, code]), self.discriminator([fake, z])

    def step(self, x: Tensor, y: Tensor | None = None) -> None:
        z = self.noise(ops.shape(x)[0])
        made = self.record(lambda: (self.infer(x), self.generator(z)), "generator")
        judged = self.record(lambda code, fake: self.judge(x, code, fake, z), "discriminator", made.outputs)
        # The generator first: the way back leads through the discriminator's weights as they are.
        self.minimize(self.generator_loss, "generator", through=(judged, made))
        self.minimize(self.discriminator_loss, "discriminator", through=(judged,))

    def discriminator_loss(self, encoded: Tensor, generated: Tensor) -> Tensor:
        """That encoded pairs are real and generated ones are not."""
        return losses.discriminator_cross_entropy(encoded, generated)

    def generator_loss(self, encoded: Tensor, generated: Tensor) -> Tensor:
        """The same with the labels swapped."""
        return losses.discriminator_cross_entropy(generated, encoded)

    def encode_step(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.encoder(x)

    def decode_step(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generator(z)


@keras.saving.register_keras_serializable("genzoo_plugins")
class BiGAN(JointGame):
    r"""Generative adversarial network that learns to encode images too.

    The encoder $E$ pairs an image with its code, the generator $G$ pairs a code with its image, and the discriminator
    tells $(x, E(x))$ from $(G(z), z)$. It is fooled only where $E$ inverts $G$. Both sides move at once, encoder and
    generator on the loss with swapped labels:

    $$L_D = -E_x \log D(x, E(x)) - E_z \log(1 - D(G(z), z)), \quad
      L_{EG} = -E_x \log(1 - D(x, E(x))) - E_z \log D(G(z), z)$$

    These are the paper's networks for permutation-invariant MNIST, without a convolution: ``features`` gives the hidden
    layer before the code, whose nearest neighbours it classifies by.

    Metrics: ``discriminator_loss`` and ``generator_loss``; both 1.39 where $D = 1/2$ everywhere.

    Args:
        latent_dim: size of the code, whose prior is uniform in (-1, 1).
        hidden_dim: width of the two hidden layers of each network.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("bigan", latent_dim=8, hidden_dim=32, seed=0)
    >>> x = np.zeros((4, 28, 28, 1), "uint8")
    >>> history = model.fit(x, verbose=0)
    >>> model.sample(2, seed=0).shape, model.encode(x).shape
    ((2, 28, 28, 1), (4, 8))

    Deviations:
        1. The discriminator's last layer starts as the others do; the authors' code has it start at zero.
        2. The learning rate stays at 2e-4 and no weight decays. The paper lowers the rate a hundredfold over the second
           half of 400 epochs, and decays weights by 2.5e-5, as the claim ``bigan-1nn`` does. Adam's epsilon is
           Keras' 1e-7, the authors' 1e-8; gradients are small enough here to feel it.
        3. Encoding takes batch normalisation's moving averages; the authors' code measures its statistics anew.

    Reference:
        @inproceedings{donahue2017adversarial,
          title={Adversarial Feature Learning},
          author={Donahue, Jeff and Kr{\"a}henb{\"u}hl, Philipp and Darrell, Trevor},
          booktitle={International Conference on Learning Representations},
          year={2017}
        }
    """

    gaussian_prior = False

    def __init__(self, latent_dim: int = 50, hidden_dim: int = 1024, **kwargs: Any):
        super().__init__(**kwargs)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.hidden_dim = positive_int("hidden_dim", hidden_dim)

    def build_networks(self, image_shape: ImageShape) -> None:
        x, z = keras.Input(image_shape), keras.Input((self.latent_dim,))
        flat, pixels, leaky = layers.Flatten()(x), math.prod(image_shape), LeakyReLU(0.2)

        hidden = leaky(self._normalised(self._linear(leaky(self._linear(flat)))))
        self.encoder = keras.Model(x, self._linear(hidden, self.latent_dim, "float32"), name="encoder")

        hidden = layers.ReLU()(self._normalised(self._linear(z)))
        hidden = layers.ReLU()(self._normalised(self._linear(layers.Concatenate()([hidden, z]))))
        image = ops.sigmoid(self._linear(hidden, pixels, "float32"))
        self.generator = keras.Model(z, layers.Reshape(image_shape, dtype="float32")(image), name="generator")

        hidden = layers.Concatenate()([leaky(self._linear(flat)), z])
        hidden = leaky(self._normalised(self._linear(hidden)))
        self.discriminator = keras.Model([x, z], self._linear(hidden, 1, "float32"), name="discriminator")

    def _linear(self, x, units=None, dtype=None):
        start = keras.initializers.RandomNormal(stddev=0.02)
        return Dense(units or self.hidden_dim, use_bias=False, kernel_initializer=start, dtype=dtype)(x)

    def _normalised(self, x):
        return BatchNormalization(center=False, scale=False, epsilon=1e-8)(x)

    def features_step(self, x: Tensor) -> Tensor:
        """The layer before the code, by which the paper classifies."""
        return keras.Model(self.encoder.inputs, self.encoder.layers[-1].input)(x)

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5) for player in self.players}

    def noise(self, batch_size: Tensor) -> Tensor:
        return 2.0 * self.uniform((batch_size, self.latent_dim)) - 1.0

    def latents(self, n: int, rng: np.random.Generator, labels: Tensor | None = None) -> np.ndarray:
        return rng.uniform(-1.0, 1.0, (n, self.latent_dim)).astype("float32")
