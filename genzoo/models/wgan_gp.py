"""Improved Training of Wasserstein GANs (Gulrajani et al. 2017)."""

from collections.abc import Mapping
from typing import Any

import keras

from genzoo.models.gan import GAN


@keras.saving.register_keras_serializable("genzoo")
class WGANGP(GAN):
    r"""Wasserstein GAN whose critic is held to slope 1 by a gradient penalty.

    $$L_D = E_z D(G(z)) - E_x D(x) + \lambda E_{\hat x} (\|\nabla D(\hat x)\|_2 - 1)^2, \qquad L_G = -E_z D(G(z))$$

    with $\hat x$ at random on the lines between real and generated images. The critic makes ``discriminator_steps``
    updates per generator update (Algorithm 1).

    Metrics: ``discriminator_loss``, minus an estimate of the Wasserstein distance plus the penalty: it rises towards 0
    as samples improve; ``generator_loss``, which has no meaning of its own.

    Args:
        hidden_dim, num_layers, activation, dropout: as for ``gan``.
        discriminator_steps: the critic's updates per generator update.
        penalty_weight: factor of the penalty, lambda in the paper.
        latent_dim, objective, penalty, label_smoothing, spectral_norm, updates, ema_decay: as for ``gan``.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("wgan-gp", seed=0)
    >>> history = model.fit(np.zeros((4, 28, 28, 1), "uint8"), verbose=0)
    >>> model.sample(2, seed=0).shape
    (2, 28, 28, 1)

    Deviations:
        1. Fully connected networks of three layers of 512, the paper's for its toy data and one of its harder
           architectures; for convolutions say ``genzoo.get("dcgan", objective="wasserstein",
           penalty="gradient-penalty", discriminator_steps=5, dropout=0)``.
        2. Leaky ReLU in the critic, so that its slope is not 0 anywhere.
        3. The critic's updates share the batch of real images; Algorithm 1 draws another for each.

    Reference:
        @inproceedings{gulrajani2017improved,
          title={Improved Training of {W}asserstein {GAN}s},
          author={Gulrajani, Ishaan and Ahmed, Faruk and Arjovsky, Martin and Dumoulin, Vincent and Courville, Aaron},
          booktitle={Advances in Neural Information Processing Systems},
          year={2017}
        }
    """

    batch_size = 64
    test_config = {"discriminator_steps": 2}

    def __init__(
        self,
        hidden_dim: int = 512,
        num_layers: int = 3,
        activation: str = "leaky-relu",
        dropout: float = 0.0,
        objective: str = "wasserstein",
        discriminator_steps: int = 5,
        penalty: str | None = "gradient-penalty",
        **kwargs: Any,
    ):
        networks = {"hidden_dim": hidden_dim, "num_layers": num_layers, "activation": activation, "dropout": dropout}
        training = {"objective": objective, "discriminator_steps": discriminator_steps, "penalty": penalty}
        super().__init__(**networks, **training, **kwargs)

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        return {player: keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9) for player in self.players}
