"""Likelihood of images under a model that can only sample."""

import numpy as np


def parzen_log_likelihood(samples, x, sigma: float, *, batch_size: int = 500) -> np.ndarray:
    r"""Log-density of images under Gaussians around samples of a model.

    $$\log p(x) = \log \frac1n \sum_{i=1}^n N(x; s_i, \sigma^2 I)$$

    The measure that the first papers on GANs report. It is kept for comparison with them: it says little about sample
    quality, and samples of k-means centres score better than the data (Theis et al. 2016). Choose ``sigma`` on
    validation images, never on those that are reported.

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
    samples, x = (_flat(np.asarray(a)) for a in (samples, x))
    if samples.shape[1] != x.shape[1]:
        raise ValueError(f"Expected images of one size. Received: {samples.shape[1]} and {x.shape[1]} pixels.")
    if not sigma > 0:
        raise ValueError(f"`sigma` must be above 0. Received: sigma={sigma}")
    squares = np.sum(samples**2, axis=1)
    found = []
    for start in range(0, len(x), batch_size):
        part = x[start : start + batch_size]
        distances = squares + np.sum(part**2, axis=1)[:, None] - 2.0 * part @ samples.T
        exponents = -distances / (2.0 * sigma**2)
        largest = exponents.max(axis=1)
        found.append(largest + np.log(np.mean(np.exp(exponents - largest[:, None]), axis=1)))
    return np.concatenate(found) - 0.5 * x.shape[1] * np.log(2.0 * np.pi * sigma**2)


def _flat(images):
    if len(images) == 0 or (images.dtype != np.uint8 and not (images.min() >= 0 and images.max() <= 1)):
        raise ValueError(f"Expected images, uint8 or float in [0, 1]. Received: {images.dtype} of shape {images.shape}")
    return images.reshape(len(images), -1) / (255.0 if images.dtype == np.uint8 else 1.0)
