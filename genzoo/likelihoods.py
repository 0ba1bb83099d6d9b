r"""What a decoder's output says about pixels: layers with $-\log p(x \mid z)$ and the mean image.

A layer, because a Gaussian may learn its standard deviation with the networks.
"""

import math

import keras
from keras import ops

from genzoo import losses

LIKELIHOODS = ("bernoulli", "continuous-bernoulli", "gaussian")


class _Pixels(keras.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True  # nothing depends on a shape


class Bernoulli(_Pixels):
    """Black and white pixels; the decoder gives logits."""

    def nll(self, x, output):
        """Negative log-likelihood ``(batch,)`` of images, in nats."""
        return losses.bernoulli_nll(x, output)

    def mean(self, output):
        """The mean image, in [0, 1]."""
        return ops.sigmoid(output)


class ContinuousBernoulli(_Pixels):
    """Grey pixels in [0, 1]; the decoder gives logits."""

    def nll(self, x, output):
        """Negative log-density ``(batch,)`` of images, in nats."""
        return losses.continuous_bernoulli_nll(x, output)

    def mean(self, output):
        """The mean image, in [0, 1]."""
        return losses.continuous_bernoulli_mean(output)


class Gaussian(_Pixels):
    r"""Real pixels around the sigmoid of the decoder's output, as in section 5 of Kingma and Welling (2014).

    Args:
        sigma: standard deviation of every pixel, or None to learn one for all (Rybkin et al. 2021), from 1 on.
    """

    def __init__(self, sigma: float | None = None, **kwargs):
        super().__init__(**kwargs)
        start = keras.initializers.Constant(2.0 * math.log(sigma or 1.0))
        self.log_variance = self.add_weight(shape=(), initializer=start, trainable=sigma is None, name="log_variance")

    def nll(self, x, output):
        """Negative log-density ``(batch,)`` of images, in nats."""
        return losses.gaussian_nll(x, self.mean(output), self.log_variance)

    def mean(self, output):
        """The mean image, in [0, 1]."""
        return ops.sigmoid(output)


def layer_for(likelihood: str, sigma: float | None = None) -> keras.Layer:
    """The layer of a likelihood's name; ``sigma`` is for ``"gaussian"``."""
    if likelihood == "gaussian":
        return Gaussian(sigma, name="pixels")
    return {"bernoulli": Bernoulli, "continuous-bernoulli": ContinuousBernoulli}[likelihood](name="pixels")
