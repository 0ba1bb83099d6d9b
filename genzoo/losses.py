"""Pure functions on ``keras.ops``: likelihoods, divergences, adversarial losses and penalties.

All take tensors and return float32 tensors; logarithms are natural, so likelihoods and divergences are in nats.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from keras import ops

from genzoo import engine
from genzoo.annotations import Tensor
from genzoo.validation import non_negative, positive


def bernoulli_nll(x: Tensor, logits: Tensor) -> Tensor:
    r"""Negative log-likelihood of images under independent Bernoulli pixels.

    $$-\log p(x \mid z) = \sum_i \operatorname{softplus}(\ell_i) - x_i \ell_i$$

    For grey values between 0 and 1 this is the usual cross-entropy, and not a normalised likelihood; that is
    ``continuous_bernoulli_nll``.

    Args:
        x: tensor ``(batch, ...)`` in [0, 1].
        logits: tensor of the same shape.

    Returns:
        Tensor ``(batch,)``, in nats per image.
    """
    _check_sizes(x, logits)
    x, logits = _flat(x), _flat(ops.cast(logits, "float32"))  # pixels in a row: XLA vectorises no axis of length 1
    return ops.sum(ops.softplus(logits) - x * logits, axis=1)


def continuous_bernoulli_nll(x: Tensor, logits: Tensor) -> Tensor:
    r"""Negative log-density under continuous Bernoulli pixels (Loaiza-Ganem and Cunningham, 2019).

    The Bernoulli's cross-entropy, normalised over [0, 1]. In logits $\ell$ its constant is
    $C = \ell / \tanh(\ell / 2)$, which is 2 at $\ell = 0$:

    $$-\log p(x \mid z) = \sum_i \operatorname{softplus}(\ell_i) - x_i \ell_i - \log C(\ell_i)$$

    Args:
        x: tensor ``(batch, ...)`` in [0, 1].
        logits: tensor of the same shape.

    Returns:
        Tensor ``(batch,)``, in nats per image; densities, so it may be negative.
    """
    logits = ops.cast(logits, "float32")
    # Near 0 the quotient is 0 / 0; there three terms of its Taylor series are exact to rounding.
    near = ops.abs(logits) < 0.1
    safe, squared = ops.where(near, 1.0, logits), ops.square(logits)
    log_constant = ops.where(
        near, math.log(2.0) + squared / 12.0 - 7.0 * squared**2 / 1440.0, ops.log(safe / ops.tanh(safe / 2.0))
    )
    return bernoulli_nll(x, logits) - _sum_per_example(log_constant)


def continuous_bernoulli_mean(logits: Tensor) -> Tensor:
    r"""Mean of the continuous Bernoulli, $1 / (1 - e^{-\ell}) - 1 / \ell$, which is 1/2 at $\ell = 0$.

    Args:
        logits: tensor of any shape.

    Returns:
        Tensor of the same shape, in (0, 1).
    """
    logits = ops.cast(logits, "float32")
    near = ops.abs(logits) < 0.1
    safe = ops.where(near, 1.0, logits)
    return ops.where(near, 0.5 + logits / 12.0, 0.5 + 0.5 / ops.tanh(safe / 2.0) - 1.0 / safe)


def gaussian_nll(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""Negative log-density under independent Gaussians.

    $$-\log p(x) = \frac12 \sum_i \frac{(x_i - \mu_i)^2}{\sigma_i^2} + \log \sigma_i^2 + \log 2\pi$$

    Args:
        x: tensor ``(batch, ...)``.
        mean: tensor of the same shape.
        log_variance: $\log \sigma^2$, a tensor that broadcasts to it.

    Returns:
        Tensor ``(batch,)``, in nats per example.
    """
    _check_sizes(x, mean)
    mean, log_variance = ops.cast(mean, "float32"), ops.cast(log_variance, "float32")
    squares = ops.square(x - mean) * ops.exp(-log_variance)
    return 0.5 * _sum_per_example(squares + log_variance + math.log(2.0 * math.pi))


def standard_normal_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""$D_{KL}[N(\mu, \sigma^2) \,\|\, N(0, 1)] = \frac12 (\mu^2 + \sigma^2 - 1 - \log \sigma^2)$ of every latent.

    Args:
        mean: tensor ``(batch, latent_dim)``.
        log_variance: tensor of the same shape, $\log \sigma^2$.

    Returns:
        Tensor of the same shape, in nats; its sum over the latents is the divergence of the whole.
    """
    _check_sizes(mean, log_variance)
    mean, log_variance = ops.cast(mean, "float32"), ops.cast(log_variance, "float32")
    return 0.5 * (ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance)


def free_bits(kl: Tensor, minimum: float) -> Tensor:
    r"""KL of which ``minimum`` nats per latent cost nothing extra (Kingma et al. 2016, equation 15).

    $$\sum_j \max(\lambda, E_x D_{KL}[q(z_j \mid x) \,\|\, p(z_j)])$$

    Args:
        kl: tensor ``(batch, latent_dim)``, as ``standard_normal_kl`` gives it.
        minimum: $\lambda$, in nats per latent; 0 for the plain KL.

    Returns:
        Scalar tensor, in nats per image.
    """
    return ops.sum(ops.maximum(ops.mean(kl, axis=0), non_negative("minimum", minimum)))


def log_mean_exp(log_weights: Tensor) -> Tensor:
    r"""$\log \frac1K \sum_k w_k$, the importance-weighted bound of Burda et al. (2016), equation 8.

    Args:
        log_weights: tensor ``(batch, K)`` of $\log w_k = \log p(x, z_k) - \log q(z_k \mid x)$.

    Returns:
        Tensor ``(batch,)``.
    """
    return ops.logsumexp(log_weights, axis=1) - math.log(log_weights.shape[1])


def discriminator_cross_entropy(real_logits: Tensor, fake_logits: Tensor, real_target: float = 1.0) -> Tensor:
    r"""The discriminator's loss of Goodfellow et al. (2014), $-\log D(x) - \log(1 - D(G(z)))$, averaged.

    Args:
        real_logits: tensor ``(batch, 1)``, the logits of $D(x)$.
        fake_logits: tensor ``(batch, 1)``, the logits of $D(G(z))$.
        real_target: what $D(x)$ shall be; below 1 for one-sided label smoothing (Salimans et al. 2016).

    Returns:
        Scalar tensor; 2 log 2 where the discriminator knows nothing.
    """
    real_logits, fake_logits = ops.cast(real_logits, "float32"), ops.cast(fake_logits, "float32")
    real = ops.softplus(-real_logits)
    _check_target(real_target)
    if real_target != 1.0:
        real = real + (1.0 - real_target) * real_logits
    return ops.mean(real) + ops.mean(ops.softplus(fake_logits))


def generator_minimax(fake_logits: Tensor) -> Tensor:
    r"""The generator's side of the minimax game, $\log(1 - D(G(z)))$, averaged; its gradient fades where D wins."""
    return -ops.mean(ops.softplus(ops.cast(fake_logits, "float32")))


def generator_cross_entropy(fake_logits: Tensor) -> Tensor:
    r"""The generator's non-saturating loss, $-\log D(G(z))$, averaged.

    Args:
        fake_logits: tensor ``(batch, 1)``, the logits of $D(G(z))$.

    Returns:
        Scalar tensor; log 2 where the discriminator knows nothing.
    """
    return ops.mean(ops.softplus(-ops.cast(fake_logits, "float32")))


def discriminator_least_squares(real_logits: Tensor, fake_logits: Tensor, real_target: float = 1.0) -> Tensor:
    r"""$\frac12 (D(x) - b)^2 + \frac12 D(G(z))^2$ with $b$ = ``real_target``, averaged (Mao et al. 2017)."""
    real_logits, fake_logits = ops.cast(real_logits, "float32"), ops.cast(fake_logits, "float32")
    _check_target(real_target)
    return 0.5 * (ops.mean(ops.square(real_logits - real_target)) + ops.mean(ops.square(fake_logits)))


def generator_least_squares(fake_logits: Tensor) -> Tensor:
    r"""$\frac12 (D(G(z)) - 1)^2$, averaged (Mao et al. 2017)."""
    return 0.5 * ops.mean(ops.square(ops.cast(fake_logits, "float32") - 1.0))


def discriminator_hinge(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    r"""$\max(0, 1 - D(x)) + \max(0, 1 + D(G(z)))$, averaged (Lim and Ye 2017, Miyato et al. 2018)."""
    real_logits, fake_logits = ops.cast(real_logits, "float32"), ops.cast(fake_logits, "float32")
    return ops.mean(ops.relu(1.0 - real_logits)) + ops.mean(ops.relu(1.0 + fake_logits))


def discriminator_wasserstein(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    r"""$D(G(z)) - D(x)$, averaged: minus the critic's estimate of the Wasserstein distance (Arjovsky et al. 2017)."""
    return ops.mean(ops.cast(fake_logits, "float32")) - ops.mean(ops.cast(real_logits, "float32"))


def generator_wasserstein(fake_logits: Tensor) -> Tensor:
    r"""$-D(G(z))$, averaged; the generator's loss of the hinge objective too."""
    return -ops.mean(ops.cast(fake_logits, "float32"))


class Objective(NamedTuple):
    """The two sides of an adversarial game.

    Attributes:
        discriminator: function of real and fake logits, and of ``real_target`` where ``smooths`` is true.
        generator: function of fake logits.
        smooths: whether the discriminator has a target for real images that can be smoothed.
    """

    discriminator: Callable
    generator: Callable
    smooths: bool


OBJECTIVES = {
    "minimax": Objective(discriminator_cross_entropy, generator_minimax, True),
    "non-saturating": Objective(discriminator_cross_entropy, generator_cross_entropy, True),
    "least-squares": Objective(discriminator_least_squares, generator_least_squares, True),
    "hinge": Objective(discriminator_hinge, generator_wasserstein, False),
    "wasserstein": Objective(discriminator_wasserstein, generator_wasserstein, False),
}


def gradient_penalty(critic: Callable, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    r"""$E (\|\nabla D(\hat x)\|_2 - 1)^2$ at $\hat x = u x + (1 - u) G(z)$ (Gulrajani et al. 2017).

    Args:
        critic: function from images to ``(batch, 1)``, without batch normalisation: one slope per image.
        real: tensor of images, ``(batch, ...)``.
        fake: tensor of the same shape.
        mix: $u$, tensor ``(batch, 1, ..., 1)`` of uniform random numbers in [0, 1].

    Returns:
        Scalar tensor.
    """
    return ops.mean(ops.square(_slope(critic, mix * real + (1.0 - mix) * fake) - 1.0))


def r1_penalty(critic: Callable, real: Tensor) -> Tensor:
    r"""$\frac12 E \|\nabla D(x)\|_2^2$ at real images (Mescheder et al. 2018, equation 9)."""
    return 0.5 * ops.mean(_sum_per_example(ops.square(engine.input_gradient(critic, real))))


def dragan_penalty(critic: Callable, real: Tensor, noise: Tensor, mix: Tensor) -> Tensor:
    r"""$E (\|\nabla D(x + \delta)\|_2 - 1)^2$ around real images (Kodali et al. 2017).

    $\delta$ is as in the authors' code, somewhere on the way to half the data's standard deviation times uniform noise;
    the paper's is normal.

    Args:
        critic: function from images to ``(batch, 1)``.
        real: tensor of images, ``(batch, ...)``.
        noise: tensor of the same shape, uniform in [0, 1].
        mix: tensor ``(batch, 1, ...)``, uniform in [0, 1]: how far on the way.

    Returns:
        Scalar tensor.
    """
    return ops.mean(ops.square(_slope(critic, real + 0.5 * mix * ops.std(real) * noise) - 1.0))


def _check_target(real_target):
    if positive("real_target", real_target) > 1:
        raise ValueError(f"`real_target` must be at most 1. Received: {real_target=}")


def _check_sizes(x, other):
    """Refuses examples of another size, which would be broadcast to a sum over other numbers."""
    sizes = [math.prod(tensor.shape[1:]) for tensor in (x, other) if None not in tensor.shape[1:]]
    if len(set(sizes)) > 1:
        raise ValueError(f"Expected tensors of one shape. Received: {tuple(x.shape)} and {tuple(other.shape)}")


def _slope(critic, x):
    # A root of exactly 0 would have an infinite gradient.
    return ops.sqrt(_sum_per_example(ops.square(engine.input_gradient(critic, x))) + 1e-12)


def _sum_per_example(x):
    return ops.sum(_flat(x), axis=1)


def _flat(x):
    return ops.reshape(x, (ops.shape(x)[0], -1))
