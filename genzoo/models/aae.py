"""Adversarial Autoencoders (Makhzani et al. 2016)."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from genzoo import losses, priors
from genzoo.annotations import ImageShape, Tensor
from genzoo.layers import Dense
from genzoo.model import GenerativeModel
from genzoo.validation import choice, needs, positive, positive_int


@keras.saving.register_keras_serializable("genzoo")
class AAE(GenerativeModel):
    r"""Autoencoder whose codes a discriminator on latents drives to a prior of one's choice.

    Each step has two phases. Reconstruction moves encoder and decoder; regularisation moves the discriminator, which
    tells samples of the prior from codes $f(x)$, and then the encoder, which is its generator:

    $$L_{AE} = \tfrac12 \|x - \hat x\|^2, \quad L_D = -E \log D(z) - E \log(1 - D(f(x))), \quad L_G = -E \log D(f(x))$$

    With ``num_classes`` the discriminator sees the label too, one-hot, with one more class for images without a label
    (-1): each class gets its part of the prior (section 2.3), and ``sample(n, labels=...)`` draws from it.

    Metrics: ``autoencoder_loss`` per image, ``discriminator_loss`` and ``generator_loss``; the last two 1.39 and 0.69
    where codes look like the prior.

    Args:
        latent_dim: size of the code; 2 for the priors with a shape.
        hidden_dim: width of the two layers of each network.
        prior: ``"gaussian"``, ``"gaussian-mixture"`` (one per class, or 10) or ``"swiss-roll"``, see ``priors``.
        prior_std: standard deviation of the Gaussian prior.
        num_classes: how many, if labels shape the prior, else None.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("aae", latent_dim=2, prior="swiss-roll", seed=0)
    >>> x = np.zeros((4, 28, 28, 1), "uint8")
    >>> history = model.fit(x, verbose=0)
    >>> model.sample(2, seed=0).shape, model.encode(x).shape
    ((2, 28, 28, 1), (4, 2))

    Deviations:
        1. Constant learning rates; the paper lowers them tenfold after 50 and 1000 of 5000 epochs. Where labels shape
           the prior, start the autoencoder at 0.001: at 0.01 it pins classes before they find their parts.
        2. The encoder is deterministic, the paper's first kind. Mixture and roll are sized as in ``priors``.

    Reference:
        @inproceedings{makhzani2016adversarial,
          title={Adversarial Autoencoders},
          author={Makhzani, Alireza and Shlens, Jonathon and Jaitly, Navdeep and Goodfellow, Ian and Frey, Brendan},
          booktitle={International Conference on Learning Representations, workshop},
          year={2016}
        }
    """

    players = {"autoencoder": ("encoder", "decoder"), "discriminator": ("discriminator",), "generator": ("encoder",)}
    tags = frozenset({"aae", "encoder"})
    gaussian_prior = False
    batch_size = 100

    def __init__(
        self, latent_dim: int = 8, hidden_dim: int = 1000, prior: str = "gaussian", prior_std: float = 5.0,
        num_classes: int | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.hidden_dim = positive_int("hidden_dim", hidden_dim)
        self.prior = choice("prior", prior, ("gaussian", "gaussian-mixture", "swiss-roll"))
        self.prior_std = positive("prior_std", prior_std)
        self.num_classes = None if num_classes is None else positive_int("num_classes", num_classes)
        if prior != "gaussian" and latent_dim != 2:
            raise ValueError(f"The {prior!r} prior lies in the plane. Received: {latent_dim=}. Set latent_dim=2.")
        if prior == "gaussian" and num_classes is not None:
            raise ValueError(f"Labels shape a prior that has parts. Received: {prior=}, {num_classes=}")
        needs("prior_std", prior_std, default=5.0, what="prior='gaussian'", given=prior == "gaussian")

    @property
    def label_ids(self) -> range | None:
        return None if self.num_classes is None else range(-1, self.num_classes)

    def build_networks(self, image_shape: ImageShape) -> None:
        size, labels = math.prod(image_shape), 0 if self.num_classes is None else self.num_classes + 1
        self.encoder = self._network("encoder", image_shape, self.latent_dim)
        self.decoder = self._network("decoder", (self.latent_dim,), size, layers.Reshape(image_shape, dtype="float32"))
        self.discriminator = self._network("discriminator", (self.latent_dim + labels,), 1)

    def _network(self, name, input_shape, outputs, *last):
        sizes = [(self.hidden_dim, "relu", None)] * 2 + [(outputs, None, "float32")]
        normal = keras.initializers.RandomNormal
        dense = [Dense(n, a, kernel_initializer=normal(stddev=0.01), dtype=d) for n, a, d in sizes]
        return keras.Sequential([keras.Input(input_shape), layers.Flatten(), *dense, *last], name=name)

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        return {
            "autoencoder": keras.optimizers.SGD(0.01, momentum=0.9),
            "discriminator": keras.optimizers.SGD(0.1, momentum=0.1),
            "generator": keras.optimizers.SGD(0.1, momentum=0.1),
        }

    def step(self, x: Tensor, y: Tensor | None = None) -> None:
        self.minimize(lambda: self.reconstruction_loss(x), "autoencoder")
        prior, code = self.noise(ops.shape(x)[0], y), self.encoder(x)
        self.minimize(lambda: self.discriminator_loss(prior, code, y), "discriminator")
        self.minimize(lambda: losses.generator_cross_entropy(self.discriminate(self.encoder(x), y)), "generator")

    def reconstruction_loss(self, x: Tensor) -> Tensor:
        return 0.5 * ops.sum(ops.square(x - self.decode_step(self.encoder(x))), axis=(1, 2, 3))

    def discriminator_loss(self, prior: Tensor, code: Tensor, y: Tensor | None = None) -> Tensor:
        both, y = ops.concatenate([prior, code]), None if y is None else ops.concatenate([y, y])
        return losses.discriminator_cross_entropy(*ops.split(self.discriminate(both, y), 2))

    def discriminate(self, z: Tensor, y: Tensor = None) -> Tensor:
        """Logits for codes: does this come from the prior, or from its part for this label?"""
        if self.num_classes is None:
            return self.discriminator(z)
        label = self.one_hot(ops.where(y < 0, self.num_classes, y), self.num_classes + 1)
        return self.discriminator(ops.concatenate([z, label], axis=1))

    def noise(self, batch_size: Tensor, y: Tensor | None = None) -> Tensor:
        return self._from_prior(self.normal((batch_size, self.latent_dim)), self.uniform((2, batch_size)), y)

    def latents(self, n: int, rng: np.random.Generator, labels: Tensor | None = None) -> np.ndarray:
        normal, uniform = rng.standard_normal((n, self.latent_dim), "float32"), rng.random((2, n), "float32")
        z = self._from_prior(ops.convert_to_tensor(normal), ops.convert_to_tensor(uniform), labels)
        return ops.convert_to_numpy(z)

    def _from_prior(self, normal, uniform, y):
        """Standard normal and uniform numbers to samples of the prior, of the part of a label where there is one."""
        if self.prior == "gaussian":
            return self.prior_std * normal
        parts = self.num_classes or 10
        part = ops.floor(uniform[0] * parts)
        part = part if y is None or self.num_classes is None else ops.where(y < 0, part, ops.cast(y, "float32"))
        if self.prior == "gaussian-mixture":
            return priors.gaussian_mixture(normal, part, parts)
        return priors.swiss_roll(uniform[1], part, parts)

    def encode_step(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.encoder(x)

    def decode_step(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return ops.sigmoid(self.decoder(z))
