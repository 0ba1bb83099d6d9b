"""What codes tell of labels, against loops and SciPy."""

import numpy as np
import pytest
from scipy import optimize, special

from genzoo.metrics import active_units, knn_accuracy, linear_probe

pytestmark = pytest.mark.once


@pytest.fixture
def blobs():
    """Codes around one centre per class, not quite apart: to learn from, and to classify."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    codes = rng.standard_normal((3, 4))[labels] * [1, 10, 0.1, 1] + rng.standard_normal((300, 4)) * [1, 10, 0.1, 1]
    return codes[:200], labels[:200] + 5, codes[200:], labels[200:] + 5


@pytest.mark.parametrize("k", [1, 5])
def test_neighbours_vote_as_in_a_loop(blobs, k):
    train, train_labels, codes, labels = blobs
    right = 0
    for z, label in zip(codes, labels, strict=True):
        nearest = np.argsort(np.sum((train - z) ** 2, axis=1))[:k]
        right += np.bincount(train_labels[nearest]).argmax() == label
    assert knn_accuracy(*blobs, k=k) == right / 100
    assert knn_accuracy(train, train_labels, train, train_labels) == 1.0


def test_the_probe_is_the_minimum_of_its_objective(blobs):
    train, train_labels, codes, labels = blobs
    mean, std = train.mean(axis=0), train.std(axis=0)
    z, targets = (train - mean) / std, np.eye(3)[train_labels - 5]

    def objective(weights):
        logits = z @ weights[:12].reshape(4, 3) + weights[12:]
        return -np.sum(targets * special.log_softmax(logits, axis=1)) + 0.5 * np.sum(weights[:12] ** 2)

    best = optimize.minimize(objective, np.zeros(15), method="BFGS", options={"gtol": 1e-3}).x
    predicted = ((codes - mean) / std @ best[:12].reshape(4, 3) + best[12:]).argmax(axis=1) + 5
    assert linear_probe(*blobs) == np.mean(predicted == labels)
    assert 1 / 3 < linear_probe(*blobs) < 1


def test_the_probe_does_not_depend_on_units(blobs):
    train, train_labels, codes, labels = blobs
    scale = np.array([1e3, 1e-3, 1, 1])
    assert linear_probe(train * scale + 7, train_labels, codes * scale + 7, labels) == linear_probe(*blobs)
    assert linear_probe(train, train_labels.astype(str), codes, labels.astype(str)) == linear_probe(*blobs)


def test_codes_that_say_nothing_and_codes_that_say_all():
    rng = np.random.default_rng(0)
    labels = np.arange(1000) % 10
    noise = rng.standard_normal((1000, 5))
    assert linear_probe(noise[:500], labels[:500], noise[500:], labels[500:]) == pytest.approx(0.1, abs=0.05)
    assert knn_accuracy(noise[:500], labels[:500], noise[500:], labels[500:]) == pytest.approx(0.1, abs=0.05)
    exact = np.column_stack([np.eye(10)[labels], np.zeros(1000)])  # a latent that is constant is no trouble
    assert linear_probe(exact[:500], labels[:500], exact[500:], labels[500:]) == 1.0
    circle = np.stack([np.cos(labels), np.sin(labels)], axis=1) * (1 + labels[:, None] % 2)
    assert knn_accuracy(circle[:500], labels[:500], circle[500:], labels[500:]) == 1.0


def test_what_does_not_fit_says_so(blobs):
    train, train_labels, codes, labels = blobs
    for measure in (knn_accuracy, linear_probe):
        with pytest.raises(ValueError, match=r"Received: shapes \(200, 4\), \(200,\), \(100, 3\) and \(100,\)"):
            measure(train, train_labels, codes[:, :3], labels)
        with pytest.raises(ValueError, match=r"Received: shapes \(200, 4\), \(7,\)"):
            measure(train, train_labels[:7], codes, labels)
        with pytest.raises(ValueError, match="Codes must be finite"):
            measure(train * np.inf, train_labels, codes, labels)
    with pytest.raises(ValueError, match=r"`k` must be at most the number of training codes, 200. Received: k=201"):
        knn_accuracy(*blobs, k=201)
    with pytest.raises(ValueError, match=r"at least two classes. Received: training labels 5 alone"):
        linear_probe(train[:3], np.array([5, 5, 5]), codes, labels)


def test_active_units_are_those_that_vary():
    codes = np.random.default_rng(0).standard_normal((1000, 4)) * [1, 0.2, 0.05, 0]
    assert active_units(codes) == 2
    assert active_units(codes, threshold=0.001) == 3
    with pytest.raises(ValueError, match=r"n at least 2. Received: shape \(1, 4\)"):
        active_units(codes[:1])
