"""Likelihood of images: under a model that can only sample, and under a decoder by annealing, which needs no encoder.

Annealing. The temperatures follow a sigmoid from -4 to 4, as in the code of Wu et al.: they are densest at both ends.
The step size of each image at each temperature is found in a first run with a quarter of the chains, where it grows
while more than 80 % of the moves are accepted and shrinks while fewer are. In the run that counts it is fixed, so that
the estimate of $p(x)$ is unbiased.
"""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from genzoo.annotations import Array
from genzoo.validation import are_numbers, positive_int, seed_or_fresh


def parzen_log_likelihood(samples: Array, x: Array, sigma: float, *, batch_size: int = 500) -> np.ndarray:
    r"""Log-density of images under Gaussians around samples of a model.

    $$\log p(x) = \log \frac1n \sum_{i=1}^n N(x; s_i, \sigma^2 I)$$

    The measure that the first papers on GANs report. It is kept for comparison with them: it says little about sample
    quality, and samples of k-means centres score better than the data (Theis et al. 2016). Choose ``sigma`` on
    validation images, never on those that are reported: ``parzen_sigma`` does.

    Args:
        samples: images of the model, ``(n, ...)``; uint8, or float in [0, 1].
        x: images to judge, ``(m, ...)`` of the same size; uint8, or float in [0, 1].
        sigma: bandwidth, in units of pixel values.
        batch_size: images of ``x`` per matrix product.

    Returns:
        float64 array ``(m,)``, in nats per image.

    Example:
    >>> import numpy as np
    >>> density = parzen_log_likelihood(np.zeros((5, 2)), np.zeros((1, 2)), sigma=1.0)
    >>> bool(np.isclose(density[0], -np.log(2 * np.pi)))
    True

    Source: Breuleux, Bengio and Vincent, Quickly Generating Representative Samples from an RBM-Derived Process,
    Neural Computation, 2011; used by Goodfellow et al. (2014).
    """
    if not sigma > 0:
        raise ValueError(f"`sigma` must be above 0. Received: sigma={sigma}")
    return _log_densities(samples, x, [sigma], batch_size)[0]


def parzen_sigma(
    samples: Array, validation: Array, sigmas: Iterable[float] | None = None, *, batch_size: int = 500
) -> float:
    r"""The bandwidth of ``parzen_log_likelihood`` under which validation images are likeliest on average.

    By default the best of 28 values from 0.001 to 1, the last ten of which are the grid of Goodfellow et al. (2014),
    and then of eleven around it, a factor of 1.05 apart. It is never above 1, as no two pixels differ by more.

    Args:
        samples: images of the model, ``(n, ...)``; uint8, or float in [0, 1].
        validation: images ``(m, ...)`` that are neither trained on nor reported.
        sigmas: bandwidths to choose from, in units of pixel values; None to search as above. A warning says if the best
            is the smallest of them, or the largest of those given.
        batch_size: images of ``validation`` per matrix product.

    Returns:
        The best bandwidth. The smaller of two that are equally good.

    Example:
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> samples, validation = (0.5 + 0.05 * rng.standard_normal((2, 500, 1))).clip(0, 1)
    >>> 0.002 < parzen_sigma(samples, validation) < 0.05
    True

    Source: Goodfellow et al., Generative Adversarial Nets, NeurIPS 2014, section 5 and the authors' code.
    """

    def score(sigmas):
        return _log_densities(samples, validation, sigmas, batch_size).mean(axis=1)

    given = np.logspace(-3, 0, 28) if sigmas is None else np.unique(np.asarray(sigmas, "float64"))
    if len(given) == 0 or not (np.isfinite(given).all() and given[0] > 0):
        raise ValueError(f"`sigmas` must be numbers above 0. Received: sigmas={given.tolist()}")
    best, last = int(np.argmax(score(given))), len(given) - 1
    if last > 1 and (best == 0 or (best == last and sigmas is not None)):
        warnings.warn(
            f"The best bandwidth, {given[best]:g}, is the {'largest' if best else 'smallest'} tried. Pass `sigmas` "
            "beyond it. If smaller ones are ever better, the validation images are among the samples.",
            stacklevel=2,
        )
    if sigmas is not None:
        return float(given[best])
    finer = np.geomspace(given[max(best - 1, 0)], given[min(best + 1, last)], 11)
    return float(finer[np.argmax(score(finer))])


def annealed_importance_sampling(
    model: Any,
    x: Array,
    *,
    chains: int = 16,
    temperatures: int = 500,
    leapfrog_steps: int = 10,
    labels: Array | None = None,
    seed: int | None = None,
    batch_size: int = 2048,
) -> np.ndarray:
    r"""Likelihood of images under a decoder, by annealing from the prior of its latents to their posterior.

    $$\log p(x) \approx \log \frac1K \sum_{k=1}^K \exp \sum_{t=1}^T (\beta_t - \beta_{t-1}) \log p(x \mid z_{t-1}^k),
      \quad z_t \sim p(z) \, p(x \mid z)^{\beta_t}, \quad 0 = \beta_0 < \dots < \beta_T = 1$$

    Every chain starts with a draw from the prior, and between two temperatures one Hamiltonian move brings it nearer to
    the next distribution. In expectation a lower bound, as ``model.log_likelihood`` is, and no encoder is in it:
    where the two agree, neither misses much of the posterior. It takes ``chains * temperatures * leapfrog_steps``
    gradients of the decoder per image and a quarter more: for a hundred images rather than ten thousand.

    Args:
        model: one with the tag ``"likelihood"`` and a standard normal prior.
        x: images.
        chains: K, latents per image.
        temperatures: T + 1, the number of $\beta_t$, both ends included; 2 to weigh draws from the prior.
        leapfrog_steps: gradients per move.
        labels: class ids, for a conditional model: then the likelihood is that of x given its label.
        seed: integer that fixes all random numbers, whatever the backend and the batch size. None draws fresh ones.
        batch_size: decoded latents per compiled call, over images and chains together.

    Returns:
        float64 array ``(n,)`` of log p(x), in nats per image.

    Raises:
        NotImplementedError: the model has no likelihood, or another prior.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("vae", latent_dim=2, hidden_dim=8, seed=0)
    >>> model.build((None, 8, 8, 1))
    >>> annealed_importance_sampling(model, np.zeros((3, 8, 8, 1), "uint8"), temperatures=5, seed=0).shape
    (3,)

    Source: Neal, Annealed Importance Sampling, Statistics and Computing, 2001; Wu, Burda, Salakhutdinov and Grosse, On
    the Quantitative Analysis of Decoder-Based Generative Models, ICLR 2017.
    """
    if not getattr(model, "gaussian_prior", False):
        raise NotImplementedError(f"{type(model).__name__} has no standard normal prior to anneal from.")
    betas = _sigmoid_temperatures(positive_int("temperatures", temperatures))
    moves, size = positive_int("leapfrog_steps", leapfrog_steps), positive_int("batch_size", batch_size)
    size = max(1, size // positive_int("chains", chains))
    entropy = seed_or_fresh(seed)
    x, totals = np.asarray(x), []
    for part in (slice(start, start + size) for start in range(0, len(x), size)):
        own = labels if labels is None or np.ndim(labels) == 0 else labels[part]
        density = _density_of(model, x[part], own, batch_size)
        rngs = [np.random.default_rng([entropy, i]) for i in range(len(x))[part]]
        totals.append(_annealed(density, rngs, chains, model.latent_dim, betas, moves))
    return np.concatenate(totals) - np.log(chains)


def _sigmoid_temperatures(count):
    if count < 2:
        raise ValueError(f"`temperatures` must be at least 2. Received: temperatures={count}")
    sigmoid = 1.0 / (1.0 + np.exp(-np.linspace(-4.0, 4.0, count)))
    return (sigmoid - sigmoid[0]) / (sigmoid[-1] - sigmoid[0])


def _density_of(model, x, labels, batch_size):
    """The function from latents ``(n, chains, latent_dim)`` to ``(latents, log p(x | z), its gradient)``."""

    def density(z):
        log_p, slope = model.conditional_gradient(x, z, labels=labels, batch_size=batch_size)
        return z, log_p.astype("float64"), slope.astype("float64")

    return density


def _annealed(density, rngs, chains, latent_dim, betas, leapfrog_steps):
    """The summed weights of each image's chains, as logarithms; a first run finds the step sizes."""
    _, step_sizes = _anneal(density, rngs, (max(1, chains // 4), latent_dim), betas, leapfrog_steps)
    weights, _ = _anneal(density, rngs, (chains, latent_dim), betas, leapfrog_steps, step_sizes)
    return np.logaddexp.reduce(weights, axis=1)


def _anneal(density, rngs, shape, betas, leapfrog_steps, step_sizes=None):
    """The log-weights ``(n, chains)``, and the step sizes ``(temperatures, n)``: those given, or adapted ones."""
    state = density(np.stack([rng.standard_normal(shape) for rng in rngs]))
    weights = (betas[1] - betas[0]) * state[1]
    step_size, used = np.full(len(rngs), 0.3), []
    for t in range(1, len(betas) - 1):
        step_size = step_size if step_sizes is None else step_sizes[t - 1]
        momentum = np.stack([rng.standard_normal(shape) for rng in rngs])
        uniform = np.stack([rng.random(shape[0]) for rng in rngs])
        state, chance = _move(density, state, betas[t], step_size[:, None, None], momentum, uniform, leapfrog_steps)
        weights += (betas[t + 1] - betas[t]) * state[1]
        used.append(step_size)
        step_size = np.clip(step_size * np.exp(0.2 * (chance.mean(axis=1) - 0.8)), 1e-4, 1.0)
    return weights, used


def _move(density, state, beta, step_size, momentum, uniform, leapfrog_steps):
    """One Hamiltonian move (Neal 2011) that leaves p(z) p(x | z)^beta as it is: ``(state, chance of acceptance)``.

    A state is what ``density`` returns.
    """

    def energy(state, momentum):
        return 0.5 * np.sum(np.square(state[0]) + np.square(momentum), axis=-1) - beta * state[1]

    def force(state):
        return beta * state[2] - state[0]

    before, moved = energy(state, momentum), state
    with np.errstate(over="ignore", invalid="ignore"):  # too long a step may lead beyond all numbers; it is refused
        momentum = momentum + 0.5 * step_size * force(state)
        for i in range(leapfrog_steps):
            moved = density(moved[0] + step_size * momentum)
            momentum = momentum + (0.5 if i == leapfrog_steps - 1 else 1.0) * step_size * force(moved)
        gain = before - energy(moved, momentum)
    chance = np.exp(np.minimum(np.where(np.isnan(gain), -np.inf, gain), 0.0))
    accepted = (uniform < chance)[..., None]
    z, log_p, slope = state
    log_p = np.where(accepted[..., 0], moved[1], log_p)
    return (np.where(accepted, moved[0], z), log_p, np.where(accepted, moved[2], slope)), chance


def _log_densities(samples, x, sigmas, batch_size):
    """Log-densities ``(len(sigmas), m)`` of images under Gaussians of each width around samples."""
    samples, x = (_flat(np.asarray(a)) for a in (samples, x))
    if samples.shape[1] != x.shape[1]:
        raise ValueError(f"Expected images of one size. Received: {samples.shape[1]} and {x.shape[1]} pixels.")
    squares, found = np.sum(samples**2, axis=1), np.empty((len(sigmas), len(x)))
    for start in range(0, len(x), positive_int("batch_size", batch_size)):
        part = x[start : start + batch_size]
        distances = squares + np.sum(part**2, axis=1)[:, None] - 2.0 * part @ samples.T
        distances = np.maximum(distances, 0.0)
        nearest = distances.min(axis=1, keepdims=True)
        distances -= nearest
        for i, sigma in enumerate(sigmas):
            mean = np.mean(np.exp(distances / (-2.0 * sigma**2)), axis=1)
            found[i, start : start + batch_size] = np.log(mean) - nearest[:, 0] / (2.0 * sigma**2)
    return found - 0.5 * x.shape[1] * np.log(2.0 * np.pi * np.square(np.asarray(sigmas, "float64")))[:, None]


def _flat(images):
    if images.ndim < 2 or not are_numbers(images.dtype):
        raise ValueError(f"Expected images (n, ...). Received: {images.dtype} of shape {images.shape}")
    if len(images) == 0 or (images.dtype != np.uint8 and not (images.min() >= 0 and images.max() <= 1)):
        raise ValueError(f"Expected images, uint8 or float in [0, 1]. Received: {images.dtype} of shape {images.shape}")
    return images.reshape(len(images), -1).astype("float64") / (255.0 if images.dtype == np.uint8 else 1.0)
