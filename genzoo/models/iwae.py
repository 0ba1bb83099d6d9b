"""Importance Weighted Autoencoders (Burda, Grosse and Salakhutdinov, 2016)."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from genzoo import losses, networks
from genzoo.annotations import ImageShape, Tensor
from genzoo.validation import positive_int
from genzoo.variational import VariationalModel


@keras.saving.register_keras_serializable("genzoo")
class IWAE(VariationalModel):
    r"""Variational autoencoder that maximises a tighter bound on the likelihood, of several samples of the code.

    $$L_K = E_{z_1, \dots, z_K \sim q(z \mid x)} \log \frac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k \mid x)}$$

    $L_1$ is the ELBO, and $L_K$ rises with $K$ towards $\log p(x)$. ``log_likelihood`` is the same bound with the $K$
    that one asks for.

    Metrics, in nats per image: ``loss``, which is $-L_K$, and ``negative_elbo``, of the same samples.

    Args:
        num_samples: $K$, samples of $z$ per image in training.
        hidden_dim: width of the hidden layers of each network.
        num_layers: hidden layers of each network.
        latent_dim, likelihood, sigma: as for ``vae``.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("iwae", num_samples=5, seed=0)
    >>> x = np.zeros((4, 28, 28, 1), "uint8")
    >>> history = model.fit(x, verbose=0)
    >>> model.log_likelihood(x, num_samples=100, seed=0).shape
    (4,)

    Deviations:
        1. Adam at a constant 1e-3; the paper lowers its rate in eight stages, to 1e-4 over 3280 epochs.
        2. Grey values enter the Bernoulli likelihood as they are; the paper binarises at random in every epoch. Pass
           bool images for a binary model.
        3. Initial weights are uniform in 1 / sqrt(fan in), as in ``vae``; the paper's are Glorot and Bengio's. The
           output's biases do not start at the data's mean.

    Reference:
        @inproceedings{burda2016importance,
          title={Importance Weighted Autoencoders},
          author={Burda, Yuri and Grosse, Roger and Salakhutdinov, Ruslan},
          booktitle={International Conference on Learning Representations},
          year={2016}
        }
    """

    logs = {"negative_elbo": "what `loss` would be with one sample, nats per image"}
    batch_size = 20

    def __init__(
        self, num_samples: int = 50, hidden_dim: int = 200, num_layers: int = 2, latent_dim: int = 50, **kwargs: Any
    ):
        super().__init__(latent_dim=latent_dim, **kwargs)
        self.num_samples = positive_int("num_samples", num_samples)
        self.hidden_dim = positive_int("hidden_dim", hidden_dim)
        self.num_layers = positive_int("num_layers", num_layers)

    def build_encoder(self, image_shape: ImageShape) -> keras.Model:
        return networks.dense_encoder(image_shape, (self.hidden_dim,) * self.num_layers, self.latent_dim, "tanh")

    def build_decoder(self, image_shape: ImageShape) -> keras.Model:
        return networks.dense_decoder(self.latent_dim, (self.hidden_dim,) * self.num_layers, image_shape, "tanh")

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        return {"autoencoder": keras.optimizers.Adam(1e-3, epsilon=1e-4)}

    def compute_loss(self, x: Tensor | None = None, y: Tensor | None = None) -> Tensor:
        shape = (ops.shape(x)[0], self.num_samples, self.latent_dim)
        log_weights = self.log_weights(x, self.normal(shape))
        self.log("negative_elbo", -ops.mean(log_weights, axis=1))
        return -losses.log_mean_exp(log_weights)
