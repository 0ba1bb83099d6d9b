"""Conditional variational autoencoder (Kingma et al. 2014; Sohn, Lee and Yan, 2015)."""

from typing import Any

import keras

from genzoo import networks
from genzoo.annotations import ImageShape, Tensor
from genzoo.models.vae import VAE
from genzoo.validation import number_of_classes


@keras.saving.register_keras_serializable("genzoo")
class CVAE(VAE):
    r"""Variational autoencoder whose encoder and decoder take the image's label, so that one can ask for a class.

    $$\log p(x \mid y) \ge E_{q(z \mid x, y)} \log p(x \mid z, y) - D_{KL}[q(z \mid x, y) \,\|\, N(0, I)]$$

    What the label says need not be in $z$, which holds the rest: the style.

    Metrics: as for ``vae``.

    Args:
        num_classes: how many; labels are class ids from 0 to ``num_classes - 1``. By default as many as the data have.
        hidden_dim, num_layers, latent_dim, likelihood, sigma, kl_schedule, kl_steps, free_bits: as for ``vae``.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("cvae", seed=0)
    >>> x, y = np.zeros((4, 28, 28, 1), "uint8"), np.array([0, 1, 2, 3])
    >>> history = model.fit(x, y, verbose=0)
    >>> model.sample(3, labels=2).shape, model.encode(x, y).shape
    ((3, 28, 28, 1), (4, 20))

    Deviations:
        1. The model is M2 of Kingma et al. (2014) with all labels known. Sohn et al. condition on images, predict
           labels from them, and learn the prior p(z | x); here the condition is the label and the prior is N(0, I).
        2. Optimizer and latents are those of ``vae``; the networks have a second hidden layer, with which labels and
           pixels can interact, and one-hot labels beside the pixels and beside $z$.

    Reference:
        @inproceedings{sohn2015learning,
          title={Learning Structured Output Representation using Deep Conditional Generative Models},
          author={Sohn, Kihyuk and Lee, Honglak and Yan, Xinchen},
          booktitle={Advances in Neural Information Processing Systems},
          year={2015}
        }
        @inproceedings{kingma2014semi,
          title={Semi-supervised Learning with Deep Generative Models},
          author={Kingma, Diederik P. and Rezende, Danilo J. and Mohamed, Shakir and Welling, Max},
          booktitle={Advances in Neural Information Processing Systems},
          year={2014}
        }
    """

    tags = VAE.tags | {"conditional"}

    def __init__(self, num_classes: int | None = None, num_layers: int = 2, **kwargs: Any):
        super().__init__(num_layers=num_layers, **kwargs)
        self.num_classes = number_of_classes(num_classes)

    def build_encoder(self, image_shape: ImageShape) -> keras.Model:
        return networks.dense_encoder(image_shape, self._hidden_dims, self.latent_dim, num_classes=self.num_classes)

    def build_decoder(self, image_shape: ImageShape) -> keras.Model:
        return networks.dense_decoder(self.latent_dim, self._hidden_dims, image_shape, num_classes=self.num_classes)

    def posterior(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.encoder([x, self.one_hot(y)])

    def decoder_output(self, z: Tensor, y: Tensor | None = None, x: Tensor | None = None) -> Tensor:
        return self.decoder([z, self.one_hot(y)])
