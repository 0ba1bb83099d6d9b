"""Auto-Encoding Variational Bayes (Kingma and Welling, 2014)."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from genzoo import losses, networks, schedules
from genzoo.annotations import ImageShape, Tensor
from genzoo.validation import choice, needs, non_negative, positive_int
from genzoo.variational import VariationalModel


@keras.saving.register_keras_serializable("genzoo")
class VAE(VariationalModel):
    r"""Variational autoencoder with fully connected networks.

    The encoder maps an image to a Gaussian $q(z \mid x) = N(\mu, \operatorname{diag} \sigma^2)$, a sample of it is
    drawn as $z = \mu + \sigma \epsilon$ so that gradients pass, and the decoder gives every pixel's distribution.
    Training maximises the evidence lower bound on $\log p(x)$:

    $$\mathrm{ELBO} = E_{q(z \mid x)} \log p(x \mid z) - D_{KL}[q(z \mid x) \,\|\, N(0, I)]$$

    A decoder strong enough to do without $z$ may let the KL term collapse to 0. Against it the term's weight can rise
    with the training steps (``kl_schedule``), or its first nats can be free (``free_bits``).

    Metrics, in nats per image: ``loss``, ``reconstruction_loss``, ``kl_loss``. The sum of the last two is the negative
    ELBO, and so is ``loss`` without a schedule and free bits.

    Args:
        hidden_dim: width of the hidden layers of each network.
        num_layers: hidden layers of each network.
        kl_schedule: how the weight of the KL term rises to 1: ``"constant"``, ``"linear"``, ``"sigmoid"`` or
            ``"cyclical"``. It counts training steps, and goes on where a saved model was.
        kl_steps: length of the schedule, in steps; of one cycle if it is cyclical.
        free_bits: nats of KL per latent that cost nothing (Kingma et al. 2016).
        latent_dim, likelihood, sigma: size of $z$; ``"bernoulli"``, ``"continuous-bernoulli"`` or ``"gaussian"``
            pixels; standard deviation of the Gaussian, None to learn it.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("vae", seed=0)
    >>> x = np.zeros((4, 28, 28, 1), "uint8")
    >>> history = model.fit(x, verbose=0)
    >>> model.sample(2, seed=0).shape, model.encode(x).shape, model.log_likelihood(x, 10).shape
    ((2, 28, 28, 1), (4, 20), (4,))

    Deviations:
        1. Architecture, initial weights and optimizer (784-400-20, ReLU, uniform in 1 / sqrt(fan in), Adam at 1e-3,
           batch 128) are those of the widespread PyTorch example, which the survey that genzoo started from trains;
           the paper has tanh units, weights from N(0, 0.01) and Adagrad.
        2. Grey values enter the Bernoulli likelihood as they are, as in that example; ``"continuous-bernoulli"``
           normalises it.
        3. Gaussian pixels share one standard deviation; in the paper the decoder gives one for each.

    Reference:
        @inproceedings{kingma2014auto,
          title={Auto-Encoding Variational Bayes},
          author={Kingma, Diederik P. and Welling, Max},
          booktitle={International Conference on Learning Representations},
          year={2014}
        }
    """

    logs = {
        "reconstruction_loss": "-log p(x | z), nats per image",
        "kl_loss": "KL of q(z | x) from the prior, nats per image",
    }

    def __init__(
        self,
        hidden_dim: int = 400,
        num_layers: int = 1,
        kl_schedule: str = "constant",
        kl_steps: int = 10_000,
        free_bits: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.hidden_dim = positive_int("hidden_dim", hidden_dim)
        self.num_layers = positive_int("num_layers", num_layers)
        self.kl_schedule = choice("kl_schedule", kl_schedule, schedules.SCHEDULES)
        self.kl_steps = positive_int("kl_steps", kl_steps)
        needs("kl_steps", kl_steps, default=10_000, what="a kl_schedule", given=kl_schedule != "constant")
        if kl_schedule == "cyclical" and kl_steps < 2:
            raise ValueError(f"`kl_steps` must be at least 2 for a cycle that leaves 0. Received: {kl_steps=}")
        self.free_bits = non_negative("free_bits", free_bits)

    def build_encoder(self, image_shape: ImageShape) -> keras.Model:
        return networks.dense_encoder(image_shape, self._hidden_dims, self.latent_dim)

    def build_decoder(self, image_shape: ImageShape) -> keras.Model:
        return networks.dense_decoder(self.latent_dim, self._hidden_dims, image_shape)

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        return {"autoencoder": keras.optimizers.Adam(1e-3)}

    def compute_loss(self, x: Tensor | None = None, y: Tensor | None = None) -> Tensor:
        mean, log_variance = self.posterior(x, y)
        z = mean + ops.exp(0.5 * log_variance) * self.noise(ops.shape(x)[0])
        reconstruction = self.pixels.nll(x, self.decoder_output(z, y, x))
        kl = losses.standard_normal_kl(mean, log_variance)
        self.log("reconstruction_loss", reconstruction)
        self.log("kl_loss", ops.sum(kl, axis=1))
        return ops.mean(reconstruction) + self.kl_cost(kl)

    def kl_cost(self, kl: Tensor) -> Tensor:
        """What the KL ``(batch, latent_dim)`` adds to the loss: a scalar, in nats per image."""
        weight = schedules.SCHEDULES[self.kl_schedule](self.optimizer.iterations, self.kl_steps)
        return weight * losses.free_bits(kl, self.free_bits)

    @property
    def _hidden_dims(self):
        return (self.hidden_dim,) * self.num_layers
