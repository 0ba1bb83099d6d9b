"""Least Squares Generative Adversarial Networks (Mao et al. 2017)."""

from collections.abc import Mapping
from typing import Any

import keras

from genzoo.models.gan import GAN


@keras.saving.register_keras_serializable("genzoo")
class LSGAN(GAN):
    r"""Generative adversarial network whose discriminator regresses: 1 for real images, 0 for generated ones.

    $$L_D = \tfrac12 E_x (D(x) - 1)^2 + \tfrac12 E_z D(G(z))^2, \qquad L_G = \tfrac12 E_z (D(G(z)) - 1)^2$$

    Samples far on the right side of the boundary are pulled towards it, so gradients do not fade (equation 9).

    Metrics: ``discriminator_loss`` and ``generator_loss``; 1/4 and 1/8 where $D = 1/2$ everywhere.

    Args:
        hidden_dim, num_layers, activation, dropout: as for ``gan``.
        latent_dim, objective, discriminator_steps, penalty, penalty_weight, label_smoothing, spectral_norm, updates,
            ema_decay: as for ``gan``.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("lsgan", seed=0)
    >>> history = model.fit(np.zeros((4, 28, 28, 1), "uint8"), verbose=0)
    >>> model.sample(2, seed=0).shape
    (2, 28, 28, 1)

    Deviations:
        1. Fully connected networks: two ReLU layers, and two leaky ReLU layers in the discriminator. The paper's are
           convolutional; that is ``genzoo.get("dcgan", objective="least-squares")``.
        2. Adam at 2e-4 with beta_1 = 0.5, the paper's for handwritten characters, and batches of 64.

    Reference:
        @inproceedings{mao2017least,
          title={Least Squares Generative Adversarial Networks},
          author={Mao, Xudong and Li, Qing and Xie, Haoran and Lau, Raymond Y. K. and Wang, Zhen and
                  Smolley, Stephen Paul},
          booktitle={International Conference on Computer Vision},
          year={2017}
        }
    """

    batch_size = 64

    def __init__(
        self,
        hidden_dim: int = 512,
        activation: str = "leaky-relu",
        dropout: float = 0.0,
        objective: str = "least-squares",
        **kwargs: Any,
    ):
        super().__init__(hidden_dim=hidden_dim, activation=activation, dropout=dropout, objective=objective, **kwargs)

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5) for player in self.players}
