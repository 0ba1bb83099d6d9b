r"""``VariationalModel``: an encoder q(z | x), a decoder p(x | z), a standard normal prior, and importance weights.

A likelihood says what the decoder's output means for pixels: $-\log p(x \mid z)$ and the mean image. It is a layer,
because a Gaussian may learn its standard deviation with the networks.
"""

import math
from typing import Any

import keras
from keras import ops

from genzoo import losses
from genzoo.annotations import ImageShape, Tensor
from genzoo.model import GenerativeModel
from genzoo.validation import choice, positive, positive_int

LIKELIHOODS = ("bernoulli", "continuous-bernoulli", "gaussian")


class _Pixels(keras.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True  # nothing depends on a shape


class Bernoulli(_Pixels):
    """Black and white pixels; the decoder gives logits."""

    def nll(self, x: Tensor, output: Tensor) -> Tensor:
        """Negative log-likelihood ``(batch,)`` of images, in nats."""
        return losses.bernoulli_nll(x, output)

    def mean(self, output: Tensor) -> Tensor:
        """The mean image, in [0, 1]."""
        return ops.sigmoid(output)


class ContinuousBernoulli(_Pixels):
    """Grey pixels in [0, 1]; the decoder gives logits."""

    def nll(self, x: Tensor, output: Tensor) -> Tensor:
        """Negative log-density ``(batch,)`` of images, in nats."""
        return losses.continuous_bernoulli_nll(x, output)

    def mean(self, output: Tensor) -> Tensor:
        """The mean image, in [0, 1]."""
        return losses.continuous_bernoulli_mean(output)


class Gaussian(_Pixels):
    r"""Real pixels around the sigmoid of the decoder's output, as in section 5 of Kingma and Welling (2014).

    Args:
        sigma: standard deviation of every pixel, or None to learn one for all (Rybkin et al. 2021), from 1 on.
    """

    def __init__(self, sigma: float | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        start = keras.initializers.Constant(2.0 * math.log(sigma or 1.0))
        self.log_variance = self.add_weight(shape=(), initializer=start, trainable=sigma is None, name="log_variance")

    def nll(self, x: Tensor, output: Tensor) -> Tensor:
        """Negative log-density ``(batch,)`` of images, in nats."""
        return losses.gaussian_nll(x, self.mean(output), self.log_variance)

    def mean(self, output: Tensor) -> Tensor:
        """The mean image, in [0, 1]."""
        return ops.sigmoid(output)


def likelihood_layer(likelihood: str, sigma: float | None = None) -> keras.Layer:
    """The layer of a likelihood's name; ``sigma`` is for ``"gaussian"``."""
    if likelihood == "gaussian":
        return Gaussian(sigma, name="pixels")
    return {"bernoulli": Bernoulli, "continuous-bernoulli": ContinuousBernoulli}[likelihood](name="pixels")


class VariationalModel(GenerativeModel):
    """What variational autoencoders share; a subclass adds the networks and the bound that it maximises.

    Args:
        latent_dim: size of z.
        likelihood: of pixels given z: ``"bernoulli"``, ``"continuous-bernoulli"`` or ``"gaussian"``.
        sigma: standard deviation of Gaussian pixels, or None to learn one for all pixels.
        **kwargs: ``seed``, ``name``, ``dtype``.
    """

    players = {"autoencoder": ("encoder", "decoder", "pixels")}
    tags = frozenset({"vae", "encoder", "likelihood"})

    def __init__(self, latent_dim: int = 20, likelihood: str = "bernoulli", sigma: float | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.likelihood = choice("likelihood", likelihood, LIKELIHOODS)
        self.sigma = None if sigma is None else positive("sigma", sigma)
        if sigma is not None and likelihood != "gaussian":
            raise ValueError(f"`sigma` goes with likelihood='gaussian'. Received: {likelihood=!r}, {sigma=}")

    def build_encoder(self, image_shape: ImageShape) -> keras.Model:
        """The network from images to ``(mean, log_variance)`` of q(z | x)."""
        raise NotImplementedError(f"{type(self).__name__} must define build_encoder(image_shape).")

    def build_decoder(self, image_shape: ImageShape) -> keras.Model:
        """The network from latents to one number per pixel."""
        raise NotImplementedError(f"{type(self).__name__} must define build_decoder(image_shape).")

    def build_networks(self, image_shape: ImageShape) -> None:
        self.encoder, self.decoder = self.build_encoder(image_shape), self.build_decoder(image_shape)
        self.pixels = likelihood_layer(self.likelihood, self.sigma)

    def posterior(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``(mean, log_variance)`` of q(z | x), each ``(batch, latent_dim)``."""
        return self.encoder(x)

    def decoder_output(self, z: Tensor, y: Tensor | None = None, x: Tensor | None = None) -> Tensor:
        """One number per pixel for latents; ``x`` are the images, for decoders that see what they predict."""
        return self.decoder(z)

    def log_conditional(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        r"""$\log p(x \mid z)$ of images in [0, 1] and latents, ``(batch,)``."""
        return -self.pixels.nll(x, self.decoder_output(z, y, x))

    def log_weights(self, x: Tensor, epsilon: Tensor, y: Tensor | None = None) -> Tensor:
        r"""$\log w = \log p(x \mid z) + \log p(z) - \log q(z \mid x)$ at $z = \mu + \sigma \epsilon$.

        Args:
            x: images in [0, 1].
            epsilon: standard normal noise, ``(batch, K, latent_dim)``.
            y: labels ``(batch,)``, for a conditional model.

        Returns:
            Tensor ``(batch, K)``.
        """
        mean, log_variance = (ops.expand_dims(t, 1) for t in self.posterior(x, y))
        z = mean + ops.exp(0.5 * log_variance) * epsilon
        log_ratio = 0.5 * ops.sum(ops.square(epsilon) + log_variance - ops.square(z), axis=2)
        k = epsilon.shape[1]
        x, y = (None if t is None else ops.repeat(t, k, axis=0) for t in (x, y))
        log_p = self.log_conditional(x, ops.reshape(z, (-1, self.latent_dim)), y)
        return log_ratio + ops.reshape(log_p, (-1, k))

    def encode_step(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.posterior(x, y)[0]

    def posterior_step(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.posterior(x, y)
        return mean, ops.exp(0.5 * log_variance)

    def decode_step(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.pixels.mean(self.decoder_output(z, y))
