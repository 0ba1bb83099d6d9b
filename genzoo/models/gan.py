"""Generative Adversarial Nets (Goodfellow et al. 2014)."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from genzoo import networks
from genzoo.adversarial import AdversarialModel
from genzoo.annotations import ImageShape
from genzoo.layers import Dropout
from genzoo.validation import choice, fraction, positive_int


@keras.saving.register_keras_serializable("genzoo")
class GAN(AdversarialModel):
    r"""Generative adversarial network, fully connected.

    The generator $G$ turns noise $z \sim N(0, I)$ into images; the discriminator $D$ tells them from real ones. They
    play

    $$\min_G \max_D \; E_x \log D(x) + E_z \log(1 - D(G(z)))$$

    in turns (Algorithm 1, ``AdversarialModel.step``), the generator by default on the non-saturating loss
    $-E_z \log D(G(z))$ of section 3. At the optimum $D = p / (p + p_G)$ and the value is
    $-\log 4 + 2 \, \mathrm{JSD}(p, p_G)$, least where $p_G = p$.

    Metrics: ``discriminator_loss`` and ``generator_loss``; 1.39 and 0.69 where $D = 1/2$ everywhere.

    Args:
        hidden_dim: width of the hidden layers.
        num_layers: hidden layers of each network.
        activation: the discriminator's: ``"maxout"`` of 5 linear units each, or ``"leaky-relu"``, which learns curves
            over a few dimensions better. The generator's is ReLU.
        dropout: rate in the discriminator; on its input 0.4 times that, before maxouts.
        latent_dim: size of $z$.
        objective, discriminator_steps, penalty, penalty_weight, label_smoothing, spectral_norm, updates, ema_decay:
            as for ``AdversarialModel``, later papers' changes to the step.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("gan", objective="hinge", spectral_norm=True, seed=0)
    >>> history = model.fit(np.zeros((4, 28, 28, 1), "uint8"), verbose=0)
    >>> model.sample(2, seed=0).shape
    (2, 28, 28, 1)

    Deviations:
        1. Sizes, initial weights and optimizer are those of the authors' code for MNIST, which the paper does not give.
           There momentum rises to 0.7 and the learning rate falls slowly, the discriminator's loss is halved, noise is
           uniform with variance 1, and the generator's last bias starts at the pixels' means. None of that here.
        2. The ``discriminator_steps`` share the batch of real images; Algorithm 1 draws another for each.
        3. Objectives, penalties, smoothing, spectral normalisation and averaging are later papers'. All are off.

    Reference:
        @inproceedings{goodfellow2014generative,
          title={Generative Adversarial Nets},
          author={Goodfellow, Ian and Pouget-Abadie, Jean and Mirza, Mehdi and Xu, Bing and Warde-Farley, David and
                  Ozair, Sherjil and Courville, Aaron and Bengio, Yoshua},
          booktitle={Advances in Neural Information Processing Systems},
          year={2014}
        }
    """

    batch_size = 100

    def __init__(
        self,
        hidden_dim: int = 1200,
        num_layers: int = 2,
        activation: str = "maxout",
        dropout: float = 0.5,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.hidden_dim = positive_int("hidden_dim", hidden_dim)
        self.num_layers = positive_int("num_layers", num_layers)
        self.activation = choice("activation", activation, ("maxout", "leaky-relu"))
        self.dropout = fraction("dropout", dropout)

    def build_generator(self, image_shape: ImageShape) -> keras.Model:
        initializer = networks.uniform_weights(0.05) if self.activation == "maxout" else "he_uniform"
        return networks.dense_generator(self.latent_dim, self._hidden_dims, image_shape, initializer)

    def build_discriminator(self, image_shape: ImageShape) -> keras.Model:
        if self.activation == "leaky-relu":
            return networks.dense_discriminator(image_shape, self._hidden_dims, self.dropout, self.spectral_norm)
        images = keras.Input(image_shape)
        x = Dropout(0.4 * self.dropout)(layers.Flatten()(images))
        for units in self._hidden_dims:
            x = networks.maxout(x, max(1, units // 5), spectral_norm=self.spectral_norm)
            x = Dropout(self.dropout)(x)
        return keras.Model(
            images, networks.logit(x, self.spectral_norm, networks.uniform_weights(0.005)), name="discriminator"
        )

    judge = AdversarialModel.judge_as_one

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        return {player: keras.optimizers.SGD(0.1, momentum=0.5) for player in self.players}

    @property
    def _hidden_dims(self):
        return (self.hidden_dim,) * self.num_layers
