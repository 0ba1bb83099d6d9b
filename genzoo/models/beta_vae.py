"""beta-VAE (Higgins et al. 2017) and its controlled capacity (Burgess et al. 2018)."""

from typing import Any

import keras
from keras import ops

from genzoo import schedules
from genzoo.annotations import Tensor
from genzoo.models.conv_vae import ConvVAE
from genzoo.validation import needs, non_negative, positive, positive_int


@keras.saving.register_keras_serializable("genzoo")
class BetaVAE(ConvVAE):
    r"""Variational autoencoder that pays more for information in its code, so that latents become separate factors.

    $$L = -E_{q(z \mid x)} \log p(x \mid z) + \beta \, D_{KL}[q(z \mid x) \,\|\, N(0, I)]$$

    With ``capacity`` the KL is held instead at a value $C$ that rises linearly with the steps (Burgess et al. 2018):

    $$L = -E_{q(z \mid x)} \log p(x \mid z) + \gamma \, | D_{KL}[q(z \mid x) \,\|\, N(0, I)] - C |$$

    Metrics: ``loss``; ``reconstruction_loss`` and ``kl_loss`` without their factors, in nats per image.

    Args:
        beta: factor of the KL term.
        capacity: C in nats per image at the end of its rise, such as 25, or None for the objective with ``beta``.
        capacity_steps: training steps until then.
        gamma: factor of the distance from C.
        latent_dim, hidden_dim, num_layers, likelihood, sigma, kl_schedule, kl_steps, free_bits: as for ``conv-vae``;
            the last three are not for ``capacity``.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("beta-vae", beta=4, seed=0)
    >>> history = model.fit(np.zeros((4, 28, 28, 1), "uint8"), verbose=0)
    >>> model.traverse(dims=[0, 1]).shape
    (2, 7, 28, 28, 1)

    Deviations:
        1. Networks, 10 latents, Adam at 5e-4 and batches of 64 are those of Burgess et al. (2018), appendix A.1, for
           both objectives; Higgins et al. have fully connected networks and Adagrad on dSprites. Images of other sizes
           than 64x64 have as many convolutions as take them to 4x4.
        2. The distance from C is that of the batch's mean KL.

    Reference:
        @inproceedings{higgins2017beta,
          title={beta-{VAE}: Learning Basic Visual Concepts with a Constrained Variational Framework},
          author={Higgins, Irina and Matthey, Loic and Pal, Arka and Burgess, Christopher and Glorot, Xavier and
                  Botvinick, Matthew and Mohamed, Shakir and Lerchner, Alexander},
          booktitle={International Conference on Learning Representations},
          year={2017}
        }
        @article{burgess2018understanding,
          title={Understanding disentangling in {beta-VAE}},
          author={Burgess, Christopher P. and Higgins, Irina and Pal, Arka and Matthey, Loic and Watters, Nick and
                  Desjardins, Guillaume and Lerchner, Alexander},
          journal={arXiv preprint arXiv:1804.03599},
          year={2018}
        }
    """

    def __init__(
        self,
        latent_dim: int = 10,
        beta: float = 4.0,
        capacity: float | None = None,
        capacity_steps: int = 100_000,
        gamma: float = 1000.0,
        **kwargs: Any,
    ):
        super().__init__(latent_dim=latent_dim, **kwargs)
        self.beta = non_negative("beta", beta)
        self.capacity = None if capacity is None else non_negative("capacity", capacity)
        self.capacity_steps = positive_int("capacity_steps", capacity_steps)
        self.gamma = positive("gamma", gamma)
        needs("capacity_steps", capacity_steps, default=100_000, what="a capacity", given=capacity is not None)
        needs("gamma", gamma, default=1000.0, what="a capacity", given=capacity is not None)
        if capacity is not None and beta != 4.0:
            raise ValueError(f"`beta` has no effect beside a capacity, whose weight is `gamma`. Received: {beta=}")
        if capacity is not None and (self.kl_schedule != "constant" or self.free_bits):
            raise ValueError(
                "`capacity` is a schedule of its own and takes neither kl_schedule nor free_bits. "
                f"Received: {capacity=}, kl_schedule={self.kl_schedule!r}, free_bits={self.free_bits}"
            )

    def kl_cost(self, kl: Tensor) -> Tensor:
        if self.capacity is None:
            return self.beta * super().kl_cost(kl)
        capacity = self.capacity * schedules.linear(self.optimizer.iterations, self.capacity_steps)
        return self.gamma * ops.abs(ops.mean(ops.sum(kl, axis=1)) - capacity)
