"""Deep convolutional GAN (Radford, Metz and Chintala, 2016)."""

from collections.abc import Mapping
from typing import Any

import keras

from genzoo import networks
from genzoo.adversarial import AdversarialModel
from genzoo.annotations import ImageShape
from genzoo.validation import fraction, positive_int


@keras.saving.register_keras_serializable("genzoo")
class DCGAN(AdversarialModel):
    r"""Generative adversarial network of strided and transposed convolutions.

    The generator $G$ turns noise into images; the discriminator $D$ tells them from real ones. They train in turns
    (Goodfellow et al. 2014, Algorithm 1 with $k = 1$), the generator on the non-saturating loss:

    $$L_D = -E_x \log D(x) - E_z \log(1 - D(G(z))), \qquad L_G = -E_z \log D(G(z))$$

    Metrics: ``discriminator_loss`` and ``generator_loss``; 1.39 and 0.69 where $D = 1/2$ everywhere.

    Args:
        filters: channels before the generator's last layer and after the discriminator's first; deeper layers have two
            and four times as many.
        dropout: rate of dropout in the discriminator.
        latent_dim: size of the noise $z$, standard normal.
        objective, discriminator_steps, penalty, penalty_weight, label_smoothing, spectral_norm, updates, ema_decay:
            as for ``AdversarialModel``, later papers' changes to the step. All are off.
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
        3. The generator's step draws fresh noise, as Algorithm 1 does; the tutorial moves both players at once:
           ``updates="simultaneous"``.

    Reference:
        @inproceedings{radford2016unsupervised,
          title={Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks},
          author={Radford, Alec and Metz, Luke and Chintala, Soumith},
          booktitle={International Conference on Learning Representations},
          year={2016}
        }
    """

    batch_size = 256

    def __init__(self, filters: int = 64, dropout: float = 0.3, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = positive_int("filters", filters)
        self.dropout = fraction("dropout", dropout)

    def build_generator(self, image_shape: ImageShape) -> keras.Model:
        return networks.dcgan_generator(self.latent_dim, image_shape, self.filters)

    def build_discriminator(self, image_shape: ImageShape) -> keras.Model:
        return networks.dcgan_discriminator(image_shape, self.filters, self.dropout, self.spectral_norm)

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        return {player: keras.optimizers.Adam(1e-4) for player in self.players}
