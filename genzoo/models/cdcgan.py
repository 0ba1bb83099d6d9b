"""Conditional deep convolutional GAN (Radford et al. 2016; Miyato and Koyama, 2018)."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from genzoo import networks
from genzoo.annotations import ImageShape, Tensor
from genzoo.layers import Dense, SpectralDense
from genzoo.models.dcgan import DCGAN
from genzoo.validation import choice, number_of_classes


@keras.saving.register_keras_serializable("genzoo")
class CDCGAN(DCGAN):
    r"""Convolutional GAN that takes labels, as one more input in each network.

    The generator has the one-hot label beside its noise. The discriminator has it either in an inner product with the
    features $\phi(x)$, the projection of Miyato and Koyama,

    $$\operatorname{logit} D(x, y) = y^T V \phi(x) + \psi(\phi(x))$$

    or, with ``conditioning="concatenation"``, as one constant map per class beside the image's channels.

    Metrics: ``discriminator_loss`` and ``generator_loss``; 1.39 and 0.69 where $D = 1/2$ everywhere.

    Args:
        num_classes: how many; labels are class ids from 0 to ``num_classes - 1``. By default as many as the data have.
        conditioning: how the discriminator sees the label: ``"projection"`` or ``"concatenation"``.
        filters, dropout, latent_dim, objective, discriminator_steps, penalty, penalty_weight, label_smoothing,
            spectral_norm, updates, ema_decay: as for ``dcgan``.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Raises:
        ValueError: at the first batch, if the images' height or width is not divisible by 4.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("cdcgan", latent_dim=8, seed=0)
    >>> history = model.fit(np.zeros((4, 8, 8, 1), "uint8"), np.array([0, 1, 2, 3]), verbose=0)
    >>> model.sample(2, labels=[2, 3], seed=0).shape
    (2, 8, 8, 1)

    Deviations:
        1. Networks are those of ``dcgan``, with its deviations; batch size and optimizer are Radford et al.'s. The
           projection's paper has residual networks, features summed over places (here flat, so that V is larger),
           conditional batch normalisation, spectral normalisation and the hinge objective (the last two are options).
        2. The generator's one-hot label is multiplied by 3. As it is, it has a hundredth of the noise's variance, and
           digits go by it many epochs later; multiplied by 10, each class becomes a single image.

    Reference:
        @inproceedings{miyato2018cgans,
          title={{cGAN}s with Projection Discriminator},
          author={Miyato, Takeru and Koyama, Masanori},
          booktitle={International Conference on Learning Representations},
          year={2018}
        }
        @inproceedings{radford2016unsupervised,
          title={Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks},
          author={Radford, Alec and Metz, Luke and Chintala, Soumith},
          booktitle={International Conference on Learning Representations},
          year={2016}
        }
    """

    tags = DCGAN.tags | {"conditional"}
    batch_size = 128

    def __init__(self, num_classes: int | None = None, conditioning: str = "projection", **kwargs: Any):
        super().__init__(**kwargs)
        self.num_classes = number_of_classes(num_classes)
        self.conditioning = choice("conditioning", conditioning, ("projection", "concatenation"))

    def build_generator(self, image_shape: ImageShape) -> keras.Model:
        return networks.dcgan_generator(self.latent_dim, image_shape, self.filters, self.num_classes)

    def build_discriminator(self, image_shape: ImageShape) -> keras.Model:
        images, labels = keras.Input(image_shape), keras.Input((self.num_classes,))
        options = self.filters, self.dropout, self.spectral_norm
        if self.conditioning == "concatenation":
            features = networks.dcgan_features(networks.with_label_maps(images, labels), *options)
            return keras.Model([images, labels], networks.logit(features, self.spectral_norm), name="discriminator")
        features = networks.dcgan_features(images, *options)
        dense = SpectralDense if self.spectral_norm else Dense
        embedded = dense(features.shape[-1], use_bias=False, dtype="float32")(labels)
        projection = ops.sum(embedded * ops.cast(features, "float32"), axis=-1, keepdims=True)
        return keras.Model(
            [images, labels], projection + networks.logit(features, self.spectral_norm), name="discriminator"
        )

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5) for player in self.players}

    def generate(self, z: Tensor, y: Tensor | None = None, generator: keras.Model | None = None) -> Tensor:
        return (generator or self.generator)([z, self.one_hot(y)])

    def discriminate(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.discriminator([x, self.one_hot(y)])
