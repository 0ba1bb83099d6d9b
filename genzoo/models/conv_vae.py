"""The variational autoencoder with convolutional networks."""

from collections.abc import Mapping
from typing import Any

import keras

from genzoo import networks
from genzoo.annotations import ImageShape
from genzoo.models.vae import VAE


@keras.saving.register_keras_serializable("genzoo")
class ConvVAE(VAE):
    r"""Variational autoencoder with convolutional networks, for images of any size.

    The bound and the options are those of ``vae``; the networks are strided 4x4 convolutions of 32 channels until
    the shorter side is at most 4, dense layers, and their mirror image.

    Args:
        hidden_dim: width of the dense layers of each network.
        num_layers: how many dense layers.
        latent_dim, likelihood, sigma, kl_schedule, kl_steps, free_bits: as for ``vae``.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("conv-vae", likelihood="gaussian", seed=0)
    >>> history = model.fit(np.zeros((4, 32, 32, 3), "uint8"), verbose=0)
    >>> model.sample(2, seed=0).shape
    (2, 32, 32, 3)

    Deviations:
        1. The networks, and Adam at 5e-4 with batches of 64, are those of Burgess et al. (2018), appendix A.1. The
           paper that introduced the model is fully connected. Theirs has 10 latents; here 20, as ``vae``.
        2. As in ``vae``: grey values enter the Bernoulli likelihood as they are, and Gaussian pixels share one
           standard deviation.

    Reference:
        @inproceedings{kingma2014auto,
          title={Auto-Encoding Variational Bayes},
          author={Kingma, Diederik P. and Welling, Max},
          booktitle={International Conference on Learning Representations},
          year={2014}
        }
    """

    batch_size = 64

    def __init__(self, hidden_dim: int = 256, num_layers: int = 2, **kwargs: Any):
        super().__init__(hidden_dim=hidden_dim, num_layers=num_layers, **kwargs)

    def build_encoder(self, image_shape: ImageShape) -> keras.Model:
        return networks.conv_encoder(image_shape, self.hidden_dim, self.latent_dim, num_layers=self.num_layers)

    def build_decoder(self, image_shape: ImageShape) -> keras.Model:
        return networks.conv_decoder(self.latent_dim, self.hidden_dim, image_shape, num_layers=self.num_layers)

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        return {"autoencoder": keras.optimizers.Adam(5e-4)}
