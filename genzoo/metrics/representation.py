"""What latents say about their images."""

import numpy as np

from genzoo.annotations import Array
from genzoo.extras import sklearn
from genzoo.validation import non_negative, positive_int


def active_units(codes: Array, threshold: float = 0.01) -> int:
    r"""Number of latents that say something about x: $\operatorname{Var}_x(E_{q(z \mid x)}[z_u]) > 0.01$.

    Args:
        codes: means of q(z | x), ``(n, latent_dim)``, as ``model.encode(x)`` gives them.
        threshold: on the variance over the images.

    Returns:
        How many of the ``latent_dim`` latents are active.

    Example:
    >>> import numpy as np
    >>> active_units(np.array([[0.0, 3.0], [0.05, -3.0]]))
    1

    Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016, section 5.
    """
    codes = np.asarray(codes, "float64")
    if codes.ndim != 2 or len(codes) < 2:
        raise ValueError(f"Expected codes (n, latent_dim), n at least 2. Received: shape {codes.shape}")
    if not np.isfinite(codes).all():
        raise ValueError("Expected finite codes. Received: NaN or infinity. The model has diverged.")
    return int(np.sum(codes.var(axis=0) > non_negative("threshold", threshold)))


def knn_accuracy(train_codes: Array, train_labels: Array, codes: Array, labels: Array, *, k: int = 1) -> float:
    r"""The share of codes whose label is that of most of their nearest training codes.

    $$\frac1n \sum_{i=1}^n [\hat y_i = y_i], \quad
      \hat y_i = \arg\max_c \, | \{j \in N_k(z_i) : y_j = c\} |$$

    $N_k$ are the k nearest by the Euclidean distance; of labels that are equally frequent among them the smallest wins.

    Args:
        train_codes: float array ``(m, latent_dim)``, as ``model.encode(x)`` gives them.
        train_labels: class ids ``(m,)``.
        codes: float array ``(n, latent_dim)``.
        labels: class ids ``(n,)``.
        k: how many neighbours have a vote, at most m.

    Returns:
        Accuracy in [0, 1].

    Raises:
        ValueError: arrays that do not fit together, codes that are not finite.
        ModuleNotFoundError: scikit-learn is not installed.

    Example:
    >>> import numpy as np
    >>> knn_accuracy(np.array([[0.0], [1.0]]), [3, 8], np.array([[0.2], [0.4], [0.9]]), [3, 8, 8])
    0.6666666666666666

    Source: Donahue, Krähenbühl and Darrell, Adversarial Feature Learning, ICLR 2017, section 4.1 (k = 1).
    """
    train_codes, train_labels, codes, labels = _labelled(train_codes, train_labels, codes, labels)
    if positive_int("k", k) > len(train_codes):
        raise ValueError(f"`k` must be at most the number of training codes, {len(train_codes)}. Received: {k=}")
    classifier = sklearn("neighbors").KNeighborsClassifier(k, algorithm="brute")
    return float(np.mean(classifier.fit(train_codes, train_labels).predict(codes) == labels))


def linear_probe(train_codes: Array, train_labels: Array, codes: Array, labels: Array) -> float:
    r"""The share of codes that a linear classifier of codes gives their label.

    Multinomial logistic regression on training codes brought to mean 0 and variance 1, with scikit-learn's penalty:

    $$\min_{W, b} \sum_{j=1}^m -\log \operatorname{softmax}(W z_j + b)_{y_j} + \frac12 \|W\|^2$$

    Args:
        train_codes: float array ``(m, latent_dim)``, as ``model.encode(x)`` gives them.
        train_labels: class ids ``(m,)``, at least two different ones.
        codes: float array ``(n, latent_dim)``.
        labels: class ids ``(n,)``.

    Returns:
        Accuracy in [0, 1]; the same in every run.

    Raises:
        ValueError: arrays that do not fit together, codes that are not finite, one class.
        ModuleNotFoundError: scikit-learn is not installed.

    Example:
    >>> import numpy as np
    >>> linear_probe(np.array([[-2.0], [-1.0], [1.0], [2.0]]), [0, 0, 7, 7], np.array([[-0.5], [0.3]]), [0, 7])
    1.0

    Source: Alain and Bengio, Understanding intermediate layers using linear classifier probes, 2016.
    """
    train_codes, train_labels, codes, labels = _labelled(train_codes, train_labels, codes, labels)
    if (train_labels == train_labels[0]).all():
        raise ValueError(f"A classifier needs at least two classes. Received: training labels {train_labels[0]} alone.")
    scaler = sklearn("preprocessing").StandardScaler().fit(train_codes)
    classifier = sklearn("linear_model").LogisticRegression(max_iter=10_000)
    classifier.fit(scaler.transform(train_codes), train_labels)
    return float(np.mean(classifier.predict(scaler.transform(codes)) == labels))


def _labelled(train_codes, train_labels, codes, labels):
    """Training codes and labels, and those to classify, as arrays that fit together."""
    train_codes, codes = np.asarray(train_codes, "float64"), np.asarray(codes, "float64")
    train_labels, labels = np.asarray(train_labels), np.asarray(labels)
    for z, y in ((train_codes, train_labels), (codes, labels)):
        if z.ndim != 2 or 0 in z.shape or y.shape != z.shape[:1] or z.shape[1] != codes.shape[-1]:
            raise ValueError(
                "Expected codes (m, latent_dim) with labels (m,) to learn from, and codes (n, latent_dim) with labels "
                f"(n,) to classify. Received: shapes {train_codes.shape}, {train_labels.shape}, {codes.shape} and "
                f"{labels.shape}."
            )
        if not np.isfinite(z).all():
            raise ValueError("Codes must be finite. Received: NaN or infinity.")
    return train_codes, train_labels, codes, labels
