"""How far samples are from data, in features: NumPy, float64."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from genzoo.annotations import Array
from genzoo.validation import natural_number, positive_int

ROWS = 1024  # of a matrix of distances, held at once
ROUNDING = 1e-12  # error of squared distances, as a share of the squared lengths


class KernelDistance(NamedTuple):
    """The mean over subsets, and its standard error."""

    value: float
    standard_error: float


class InceptionScore(NamedTuple):
    """Mean and standard deviation over splits."""

    mean: float
    std: float


class PrecisionRecall(NamedTuple):
    """Both in [0, 1]."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Density is at least 0 and may exceed 1; coverage is in [0, 1]."""

    density: float
    coverage: float


def frechet_distance(real: Array, fake: Array) -> float:
    r"""Fréchet distance of two Gaussians with the means and covariances of the features; FID in those of Inception.

    $$d^2 = \|\mu_1 - \mu_2\|^2 + \operatorname{tr}(\Sigma_1 + \Sigma_2 - 2 (\Sigma_1 \Sigma_2)^{1/2})$$

    With $\Sigma_i = R_i^T R_i$ the trace of the root is the sum of the singular values of $R_1 R_2^T$, so nothing is
    squared, and covariances without full rank (constant features, fewer images than features) are no exception.

    Args:
        real: features of real images, ``(n, d)``, n at least 2.
        fake: features of samples, ``(m, d)``, m at least 2. Compare scores of equal n and m only: the fewer the images,
            the larger the distance.

    Returns:
        $d^2$, at least 0.

    Raises:
        ValueError: features of other shapes, or not finite.

    Example:
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((100, 3))
    >>> round(frechet_distance(x, x + 2), 6), round(frechet_distance(x, 3 * x), 6) > 0
    (12.0, True)

    Source: Dowson and Landau, The Fréchet Distance between Multivariate Normal Distributions, 1982; Heusel et al., GANs
    Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, NeurIPS 2017.
    """
    real, fake = _features(real, fake, at_least=2)
    roots, traces = [], 0.0
    for features in (real, fake):
        root = np.linalg.qr(features - features.mean(axis=0), mode="r") / np.sqrt(len(features) - 1)
        roots.append(root)
        traces += np.sum(root**2)
    common = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    shift = np.sum((real.mean(axis=0) - fake.mean(axis=0)) ** 2)
    return float(max(0.0, shift + traces - 2.0 * common))


def kernel_distance(
    real: Array,
    fake: Array,
    *,
    degree: int = 3,
    gamma: float | None = None,
    coef0: float = 1.0,
    subset_size: int = 1000,
    subsets: int = 100,
    seed: int = 0,
) -> KernelDistance:
    r"""Squared maximum mean discrepancy under a polynomial kernel; KID in features of Inception.

    $$\frac{1}{m(m-1)} \sum_{i \ne j} \big(k(x_i, x_j) + k(y_i, y_j)\big) - \frac{2}{m^2} \sum_{i, j} k(x_i, y_j),
      \quad k(x, y) = (\gamma x^T y + c)^\text{degree}$$

    Without bias, so of two equal distributions it is around 0 and may be negative, whatever the number of images.

    Args:
        real: features of real images, ``(n, d)``.
        fake: features of samples, ``(n', d)``.
        degree, gamma, coef0: of the kernel; gamma is 1 / d by default.
        subset_size: m, images of each kind per subset, drawn without replacement; at least 2, at most n and n'.
        subsets: how many, at least 2.
        seed: natural number that chooses them.

    Returns:
        The mean over the subsets, and its standard error: standard deviation by the root of their number. It tells of
        the choice of subsets from these images, not of that of the images, and is 0 where every subset is all of them.

    Raises:
        ValueError: features of other shapes, or not finite; more per subset than there are.

    Example:
    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> near, far = (kernel_distance(x, other, subset_size=100) for other in (y, y + 1))
    >>> abs(near.value) < 0.1 < far.value
    True

    Source: Bińkowski et al., Demystifying MMD GANs, ICLR 2018.
    """
    size, subsets = positive_int("subset_size", subset_size), positive_int("subsets", subsets)
    real, fake = _features(real, fake, at_least=2)
    if not 2 <= size <= min(len(real), len(fake)) or subsets < 2:
        raise ValueError(
            f"Expected `subset_size` from 2 to {min(len(real), len(fake))}, the number of images, and at least 2 "
            f"subsets. Received: subset_size={subset_size}, subsets={subsets}"
        )
    rng, gamma = np.random.default_rng(natural_number("seed", seed)), 1.0 / real.shape[1] if gamma is None else gamma
    found = []
    for _ in range(subsets):
        x, y = (features[rng.choice(len(features), size, replace=False)] for features in (real, fake))
        xx, yy, xy = ((gamma * (a @ b.T) + coef0) ** degree for a, b in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (size * (size - 1))
        found.append(within - 2.0 * xy.mean())
    return KernelDistance(float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(subsets)))


def inception_score(probabilities: Array, *, splits: int = 10, seed: int = 0) -> InceptionScore:
    r"""How sure a classifier is of each sample, and how varied its labels are.

    $$\exp E_x \operatorname{KL}[p(y \mid x) \,\|\, p(y)], \quad p(y) = E_x p(y \mid x)$$

    From 1, where the label says nothing of the image, to the number of classes. It never looks at data: one perfect
    image per class would have the best score.

    Args:
        probabilities: of the classes for each sample, ``(n, classes)``.
        splits: parts that it is computed for, at most n.
        seed: natural number that deals samples to parts.

    Returns:
        Mean and standard deviation over the parts.

    Raises:
        ValueError: rows that are no probabilities; more parts than samples.

    Example:
    >>> import numpy as np
    >>> round(inception_score(np.eye(5)[np.arange(100) % 5], splits=1).mean, 6)
    5.0

    Source: Salimans et al., Improved Techniques for Training GANs, NeurIPS 2016.
    """
    p = checked_probabilities(probabilities)
    if positive_int("splits", splits) > len(p):
        raise ValueError(f"`splits` must be at most the number of samples, {len(p)}. Received: splits={splits}")
    found, rng = [], np.random.default_rng(natural_number("seed", seed))
    for part in np.array_split(rng.permutation(len(p)), splits):
        ratio = np.divide(p[part], p[part].mean(axis=0), out=np.ones_like(p[part]), where=p[part] > 0)
        found.append(np.exp(np.mean(np.sum(p[part] * np.log(ratio), axis=1))))
    return InceptionScore(float(np.mean(found)), float(np.std(found)))


def precision_recall(real: Array, fake: Array, *, k: int = 3) -> PrecisionRecall:
    r"""The share of samples that lie among the data, and of data that lie among the samples.

    A point lies among others if it is in the ball of one of them at least, whose radius reaches its k-th nearest among
    its own:

    $$\text{precision} = \frac1m \sum_j \big[\exists i: \|y_j - x_i\| \le r_k(x_i)\big], \quad
      \text{recall} = \frac1n \sum_i \big[\exists j: \|x_i - y_j\| \le r_k(y_j)\big]$$

    Args:
        real: features of real images, ``(n, d)``, n above k.
        fake: features of samples, ``(m, d)``, m above k.
        k: which neighbour sets the radius.

    Returns:
        Precision and recall, in [0, 1]. What lies on the border of a ball, but for rounding, lies within.

    Raises:
        ValueError: features of other shapes, not finite, or too few.

    Example:
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((200, 2))
    >>> precision, recall = precision_recall(x, 0.1 * x)
    >>> precision > 0.9, recall < 0.2
    (True, True)

    Source: Kynkäänniemi et al., Improved Precision and Recall Metric for Assessing Generative Models, NeurIPS 2019.
    """
    real, fake = _centred(*_features(real, fake, at_least=positive_int("k", k) + 1))
    real_radii, fake_radii = _squared_radii(real, k), _squared_radii(fake, k)
    recalled, precise = [], np.zeros(len(fake), bool)
    for rows, squares in _squared_distances(real, fake, ROUNDING):
        precise |= (squares <= real_radii[rows, None]).any(axis=0)
        recalled.append((squares <= fake_radii).any(axis=1))
    return PrecisionRecall(float(precise.mean()), float(np.concatenate(recalled).mean()))


def density_coverage(real: Array, fake: Array, *, k: int = 5) -> DensityCoverage:
    r"""As precision and recall, and robust to outliers: in how many balls of data a sample lies, and how many have one.

    $$\text{density} = \frac{1}{km} \sum_j \sum_i \big[\|y_j - x_i\| \le r_k(x_i)\big], \quad
      \text{coverage} = \frac1n \sum_i \big[\exists j: \|y_j - x_i\| \le r_k(x_i)\big]$$

    Args:
        real: features of real images, ``(n, d)``, n above k.
        fake: features of samples, ``(m, d)``.
        k: which neighbour sets the radius $r_k$ of a real image's ball.

    Returns:
        Density, about 1 where samples are as dense as the data, and coverage in [0, 1].

    Raises:
        ValueError: features of other shapes, not finite, or too few.

    Example:
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((200, 2))
    >>> density_coverage(x, x[:100]).density > 1, density_coverage(x, x + 9)
    (True, DensityCoverage(density=0.0, coverage=0.0))

    Source: Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models, ICML 2020.
    """
    real, fake = _centred(*_features(real, fake, at_least=1))
    radii, inside, covered = _squared_radii(real, positive_int("k", k)), 0, []
    for rows, squares in _squared_distances(real, fake, ROUNDING):
        within = squares <= radii[rows, None]
        inside += int(np.count_nonzero(within))
        covered.append(within.any(axis=1))
    return DensityCoverage(inside / (k * len(fake)), float(np.concatenate(covered).mean()))


def checked_probabilities(probabilities: Array) -> np.ndarray:
    """``(n, classes)`` as float64, if every row is a distribution."""
    p = np.asarray(probabilities, "float64")
    if p.ndim != 2 or p.size == 0 or not (p.min() >= 0 and np.allclose(p.sum(axis=1), 1.0, atol=1e-3)):
        raise ValueError(
            f"Expected probabilities (n, classes), each row at least 0 with a sum of 1. Received: shape {p.shape}."
        )
    return p


def _features(real, fake, at_least):
    real, fake = (np.asarray(features, "float64") for features in (real, fake))
    for name, features in (("real", real), ("fake", fake)):
        if features.ndim != 2 or features.shape[1] != real.shape[-1] or len(features) < at_least:
            raise ValueError(
                f"Expected features (n, d) of one d, n at least {at_least}. Received: real {real.shape}, "
                f"fake {fake.shape}."
            )
        if not np.isfinite(features).all():
            raise ValueError(f"Expected finite features. Received: NaN or infinity in `{name}`.")
    return real, fake


def _centred(real, fake):
    """Both minus the data's mean, so that numbers are small and a point is rounded alike in all of its distances."""
    centre = real.mean(axis=0)
    return real - centre, fake - centre


def _squared_radii(points, k):
    """The squared distance of each point to its k-th nearest other."""
    if len(points) <= k:
        raise ValueError(f"Expected more points than k={k}. Received: {len(points)}")
    radii = []
    for rows, squares in _squared_distances(points, points):
        squares[np.arange(len(squares)), rows] = np.inf  # itself
        radii.append(np.partition(squares, k - 1, axis=1)[:, k - 1])
    return np.concatenate(radii)


def _squared_distances(a, b, less=0.0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the indices of some rows of ``a`` and their squared distances to all of ``b``, then of the next rows.

    Each distance is reduced by the share ``less`` of both squared lengths.
    """
    lengths_a, lengths_b = np.sum(a**2, axis=1), np.sum(b**2, axis=1)
    for start in range(0, len(a), ROWS):
        rows = np.arange(start, min(start + ROWS, len(a)))
        yield rows, (1.0 - less) * (lengths_a[rows, None] + lengths_b) - 2.0 * a[rows] @ b.T
