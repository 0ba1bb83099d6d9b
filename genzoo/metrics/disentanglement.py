"""Whether each latent is about one true factor of the images, and each factor in one latent.

What a latent knows does not depend on its scale. One that a VAE's KL term has all but turned off still knows a little
of everything: ``codes[:, codes.var(axis=0) > 0.01]`` are the active ones (``active_units``), should others not count.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from genzoo.annotations import Array
from genzoo.extras import sklearn
from genzoo.validation import natural_number, positive_int


def mig(codes: Array, factors: Mapping[str, Any], *, bins: int = 20) -> float:
    r"""Mutual information gap: how much more the best latent knows of a factor than the second best.

    $$\mathrm{MIG} = \frac1K \sum_{k=1}^K \frac{I(z_{j_k}; v_k) - \max_{j \ne j_k} I(z_j; v_k)}{H(v_k)}, \quad
      j_k = \arg\max_j I(z_j; v_k)$$

    Information is estimated from counts, with every latent cut into bins of equal width over its range.

    Args:
        codes: float array ``(n, latent_dim)``, as ``model.encode(x)`` gives them, with at least two latents.
        factors: dict from the name of each factor to its values ``(n,)``, as ``genzoo.data.sprites.factors`` gives it;
            each distinct value is a class. A factor needs at least two.
        bins: per latent.

    Returns:
        From 0 to 1: 1 where every factor is in one latent, completely, and in no other. A latent that is constant
        knows nothing.

    Raises:
        ValueError: codes and factors that do not fit together, a factor that is constant.
        ModuleNotFoundError: scikit-learn is not installed.

    Example:
    >>> import numpy as np
    >>> x, y = np.indices((4, 4)).reshape(2, -1)
    >>> mig(np.stack([x, y], axis=1), {"x": x, "y": y}), mig(np.stack([x, x], axis=1), {"x": x, "y": y})
    (1.0, 0.0)

    Source: Chen, Li, Grosse and Duvenaud, Isolating Sources of Disentanglement in VAEs, NeurIPS 2018, section 4; bins
    as in Locatello et al. (2019). The paper averages over q(z | x) instead.
    """
    codes, factors = _checked(codes, factors)
    information = sklearn("metrics").mutual_info_score
    binned = [_binned(z, positive_int("bins", bins)) for z in codes.T]
    gaps = []
    for classes in factors.values():
        *_, second, first = sorted(information(classes, z) for z in binned)
        gaps.append((first - second) / information(classes, classes))  # what it knows of itself is its entropy
    return float(np.mean(gaps))


def sap(codes: Array, factors: Mapping[str, Any], *, continuous: Iterable[str] = ()) -> float:
    r"""Separated attribute predictability: how much better the best latent predicts a factor than the second best.

    $$\mathrm{SAP} = \frac1K \sum_{k=1}^K \left( S_{j_k k} - \max_{j \ne j_k} S_{jk} \right), \quad
      j_k = \arg\max_j S_{jk}$$

    For a factor with classes $S_{jk}$ is the balanced accuracy, a mean over the classes, of the best classifier by
    thresholds on latent j alone: as many intervals as there are classes, each given to one of them. For a continuous
    factor it is $R^2$ of a line, the squared correlation. For a latent that is constant it is 0.

    Args:
        codes: float array ``(n, latent_dim)``, as ``model.encode(x)`` gives them, with at least two latents.
        factors: dict from the name of each factor to its values ``(n,)``, as ``genzoo.data.sprites.factors`` gives it.
            A factor needs at least two.
        continuous: names of factors to judge by $R^2$; of the others each distinct value is a class.

    Returns:
        From 0 to 1.

    Raises:
        ValueError: codes and factors that do not fit together, a factor that is constant, an unknown name.

    Example:
    >>> import numpy as np
    >>> x, y = np.indices((4, 4)).reshape(2, -1)
    >>> sap(np.stack([x, y], axis=1), {"x": x, "y": y})  # a quarter is right by chance
    0.75

    Source: Kumar, Sattigeri and Balakrishnan, Variational Inference of Disentangled Latent Concepts from Unlabeled
    Observations, ICLR 2018, section 3.
    """
    values = {name: np.asarray(v) for name, v in factors.items()}
    codes, factors = _checked(codes, factors)
    continuous = [continuous] if isinstance(continuous, str) else list(continuous)
    unknown = sorted(set(continuous) - set(factors))
    if unknown:
        raise ValueError(f"`continuous` must be names of factors, {sorted(factors)}. Received: {unknown}")
    varies = np.ptp(codes, axis=0) > 0
    gaps = []
    for name, classes in factors.items():
        scores = np.zeros(codes.shape[1])
        if name in continuous:
            scores[varies] = [np.corrcoef(z, values[name].astype("float64"))[0, 1] ** 2 for z in codes.T[varies]]
        elif varies.any():
            scores[varies] = _accuracy_of_thresholds(codes[:, varies], classes)
        gaps.append(np.ptp(np.sort(scores)[-2:]))
    return float(np.mean(gaps))


class DCI(NamedTuple):
    """Scores from 0 to 1, of latents, of factors, and of the classifiers."""

    disentanglement: float
    completeness: float
    informativeness: float


def dci(codes: Array, factors: Mapping[str, Any], *, trees: int = 50, seed: int = 0) -> DCI:
    r"""Disentanglement, completeness and informativeness, from what forests find important.

    One random forest per factor predicts it from all d latents. Where $R_{ij} \ge 0$ is the importance of latent i for
    factor j, of K factors, and H the entropy:

    $$D = \sum_i \rho_i \left( 1 - \frac{H(P_{i \cdot})}{\log K} \right), \quad
      P_{ij} = \frac{R_{ij}}{\sum_k R_{ik}}, \quad \rho_i = \frac{\sum_j R_{ij}}{\sum_{ij} R_{ij}}$$
    $$C = \frac1K \sum_j \left( 1 - \frac{H(\tilde P_{\cdot j})}{\log d} \right), \quad
      \tilde P_{ij} = \frac{R_{ij}}{\sum_l R_{lj}}$$

    Three quarters of the codes are to learn from, a quarter of them to choose the depth of the trees (2, 4, 8 or 16).
    Informativeness is the accuracy on the last quarter, a mean over the factors.

    Args:
        codes: float array ``(n, latent_dim)``, as ``model.encode(x)`` gives them, with at least two latents, and n at
            least 16.
        factors: dict from the name of each factor to its values ``(n,)``, as ``genzoo.data.sprites.factors`` gives it;
            at least two factors. Each distinct value is a class, of which a factor needs at least two.
        trees: per forest.
        seed: of the split and of the forests.

    Returns:
        ``DCI(disentanglement, completeness, informativeness)``. Latents that are constant have no weight. A factor
        about which no latent is important has completeness 0.

    Raises:
        ValueError: codes and factors that do not fit together, a factor that is constant, a single one.
        ModuleNotFoundError: scikit-learn is not installed.

    Example:
    >>> import numpy as np
    >>> x, y = np.indices((8, 8)).reshape(2, -1)
    >>> dci(np.stack([x, y], axis=1), {"x": x > 3, "y": y > 3})
    DCI(disentanglement=1.0, completeness=1.0, informativeness=1.0)

    Source: Eastwood and Williams, A Framework for the Quantitative Evaluation of Disentangled Representations, ICLR
    2018. Informativeness is accuracy rather than error, as in Locatello et al. (2019).
    """
    codes, factors = _checked(codes, factors)
    if len(factors) < 2 or len(codes) < 16:
        raise ValueError(f"Expected at least 2 factors and 16 codes. Received: {list(factors)} and {len(codes)} codes.")
    positive_int("trees", trees)
    order = np.random.default_rng(natural_number("seed", seed)).permutation(len(codes))
    test, learn = np.split(order, [len(codes) // 4])
    found = [_forest(codes, classes, learn, test, trees, seed) for classes in factors.values()]
    importance = np.stack([weights for weights, _ in found], axis=1)
    return DCI(*_concentration(importance), float(np.mean([accuracy for _, accuracy in found])))


def _forest(codes, classes, learn, test, trees, seed):
    """``(importance of every latent, accuracy)`` of a forest whose depth is chosen on a part of what it learns from."""
    ensemble = sklearn("ensemble")
    choose, fit = np.split(learn, [len(learn) // 4])

    def fitted(depth, part):
        # All latents at every split: of a few, some trees would have to take what they know to be noise.
        forest = ensemble.RandomForestClassifier(trees, max_depth=depth, max_features=None, random_state=seed)
        return forest.fit(codes[part], classes[part])

    depth = max((2, 4, 8, 16), key=lambda depth: fitted(depth, fit).score(codes[choose], classes[choose]))
    forest = fitted(depth, learn)
    return forest.feature_importances_, forest.score(codes[test], classes[test])


def _concentration(importance):
    """Disentanglement and completeness from importances ``(latents, factors)``."""
    of_latents, of_factors = importance.sum(axis=1), importance.sum(axis=0)
    if not importance.any():
        return 0.0, 0.0
    return (
        float(np.average(_focus(importance), weights=of_latents)),
        float(np.mean(np.where(of_factors > 0, _focus(importance.T), 0.0))),
    )


def _focus(rows):
    """One minus the entropy of every row, as a share of the largest possible: 1 where a row has one entry above 0."""
    shares = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-300)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return 1.0 + np.sum(shares * logs, axis=1) / np.log(rows.shape[1])


def _accuracy_of_thresholds(codes, classes):
    """Balanced accuracy ``(latents,)`` of the best labelled intervals of each latent, one for every class at most.

    A scan along the sorted codes: for each number of intervals so far, and each label of the last, the best that the
    codes passed by can score.
    """
    count = classes.max() + 1
    order = np.argsort(codes, axis=0, kind="stable")
    ordered = np.take_along_axis(codes, order, axis=0)
    ties = np.vstack([np.zeros((1, codes.shape[1]), bool), ordered[1:] == ordered[:-1]])
    reward = 1.0 / (count * np.bincount(classes, minlength=count))
    best = np.full((codes.shape[1], count, count), -np.inf)  # latent, intervals - 1, label of the last
    best[:, 0] = 0.0
    latents = np.arange(codes.shape[1])
    for tied, label in zip(ties, classes[order], strict=True):
        switched = best[:, :-1].max(axis=2, keepdims=True)
        best[:, 1:] = np.maximum(best[:, 1:], np.where(tied[:, None, None], -np.inf, switched))
        best[latents, :, label] += reward[label][:, None]
    return best.max(axis=(1, 2))


def _binned(z, bins):
    """The bin of every code, from 0; all in one if they are the same."""
    return np.digitize(z, np.histogram_bin_edges(z, bins)[1:-1])


def _checked(codes, factors):
    """Codes as float64, and every factor as class ids from 0."""
    codes = np.asarray(codes, "float64")
    if codes.ndim != 2 or codes.shape[1] < 2 or len(codes) == 0 or not np.isfinite(codes).all():
        raise ValueError(f"Expected finite codes (n, latent_dim) with 2 latents or more. Received: shape {codes.shape}")
    if not factors:
        raise ValueError("Expected at least one factor, as genzoo.data.sprites.factors() gives them. Received: none.")
    ids = {}
    for name, values in factors.items():
        if np.shape(values) != (len(codes),):
            raise ValueError(
                f"Expected one value per code, ({len(codes)},). Received: factor {name!r} of shape {np.shape(values)}. "
                "factors(split) are those of the whole split, in its order without shuffling."
            )
        distinct, ids[name] = np.unique(values, return_inverse=True)
        if len(distinct) < 2:
            raise ValueError(f"The factor {name!r} is constant, so nothing can be known about it. Leave it out.")
    return codes, ids
