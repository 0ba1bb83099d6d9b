"""Disentanglement scores against closed forms, loops, SciPy and exhaustive search."""

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import normalized_mutual_info_score

from genzoo.data.sprites import factors as sprite_factors
from genzoo.metrics import dci, mig, sap
from genzoo.metrics.disentanglement import _concentration

pytestmark = pytest.mark.once
SCORES = [mig, sap, lambda codes, factors: dci(codes, factors, trees=10).disentanglement]
NAMES = ["mig", "sap", "dci"]


@pytest.fixture(scope="module")
def truth():
    """Factors of a thousand sprites."""
    chosen = np.random.default_rng(0).choice(5184, 1000, replace=False)
    return {name: values[chosen] for name, values in sprite_factors("test").items()}


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(1).standard_normal((1000, 2))


def grid(size=6):
    x, y = np.indices((size, size)).reshape(2, -1)
    return np.stack([x, y], axis=1).astype("float64"), {"x": x, "y": y}


def rotated(codes, degrees):
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (codes - codes.mean(axis=0)) @ np.array([[cosine, sine], [-sine, cosine]])


@pytest.mark.parametrize("score", SCORES, ids=NAMES)
def test_a_latent_of_its_own_for_each_factor_is_best_whatever_its_place_sign_and_scale(score, truth, noise):
    aligned = np.column_stack([*truth.values(), noise])
    found = score(aligned, truth)
    assert found > {0: 0.95, 1: 0.6, 2: 0.95}[SCORES.index(score)]
    assert score(-3.0 * aligned[:, ::-1], truth) == pytest.approx(found, abs=0.02)


@pytest.mark.parametrize("score", SCORES, ids=NAMES)
def test_the_more_two_factors_mix_the_lower(score):
    codes, factors = grid(16)
    factors = {name: values // 4 for name, values in factors.items()}
    found = [score(rotated(codes, degrees), factors) for degrees in (0, 15, 45)]
    assert found[0] > found[1] + 0.1 > found[2] + 0.2, found


@pytest.mark.parametrize("score", SCORES, ids=NAMES)
def test_latents_that_know_the_same_score_nothing(score):
    codes, factors = grid(16)
    twice = np.repeat(codes.sum(axis=1, keepdims=True), 2, axis=1)
    assert score(twice, factors) == pytest.approx(0.0, abs=0.02)


def test_mig_of_exact_codes_is_one_and_its_information_is_that_of_counts(truth, noise):
    codes = np.column_stack([*truth.values()])
    independent = {name: truth[name] for name in ("x", "y")}
    assert mig(grid()[0], grid()[1]) == pytest.approx(1.0)
    codes = np.column_stack([codes[:, 3] + 0.2 * noise[:, 0], codes[:, 4] + 0.4 * noise[:, 1], codes[:, 0]])
    gaps = []
    for values in independent.values():
        found = []
        for z in codes.T:
            edges = np.linspace(z.min(), z.max(), 11)
            counts = np.histogram2d(z, np.unique(values, return_inverse=True)[1], [edges, np.arange(13) - 0.5])[0]
            p = counts / counts.sum()
            product = p.sum(1, keepdims=True) * p.sum(0)
            found.append(np.sum(p[p > 0] * np.log(p[p > 0] / product[p > 0])))
        entropy = stats.entropy(np.unique(values, return_counts=True)[1])
        gaps.append((sorted(found)[-1] - sorted(found)[-2]) / entropy)
    assert mig(codes, independent, bins=10) == pytest.approx(np.mean(gaps))


def test_mig_halves_where_half_of_the_factor_is_seen():
    factor = np.arange(16) % 4
    codes = np.stack([factor // 2, np.zeros(16)], axis=1)  # one bit of two
    expected = normalized_mutual_info_score(factor, factor // 2, average_method="max")
    assert mig(codes, {"factor": factor}) == pytest.approx(expected) == pytest.approx(0.5)


def best_by_search(z, classes):
    """Balanced accuracy of the best thresholds and labels, tried one by one."""
    count, cuts = classes.max() + 1, np.unique(z)[1:]
    share = (classes == np.arange(count)[:, None]) / (
        count * np.bincount(classes)[:, None]
    )  # of each class, by example
    found = 0.0
    for number in range(min(count - 1, len(cuts)) + 1):
        for chosen in itertools.combinations(cuts, number):
            intervals = np.searchsorted(chosen, z, side="right")
            for labels in itertools.product(range(count), repeat=number + 1):
                found = max(found, share[np.array(labels)[intervals], np.arange(len(z))].sum())
    return found


@pytest.mark.parametrize("count", [2, 3])
def test_sap_equals_an_exhaustive_search_for_thresholds(count):
    rng = np.random.default_rng(count)
    for _ in range(3):
        classes = rng.permutation(np.arange(12) % count * (rng.random(12) < 0.8))
        classes[:count] = np.arange(count)
        codes = np.column_stack([classes + rng.standard_normal(12), rng.integers(0, 4, 12), rng.standard_normal(12)])
        scores = sorted(best_by_search(z, classes) for z in codes.T)
        assert sap(codes, {"factor": 10.0 * classes}) == pytest.approx(scores[-1] - scores[-2])


def test_sap_of_continuous_factors_is_the_gap_of_squared_correlations(truth, noise):
    codes = np.column_stack([truth["x"] + noise[:, 0], truth["y"], truth["x"] - 0.3 * noise[:, 1], np.ones(1000)])
    gaps = []
    for name in ("x", "y"):
        scores = sorted(stats.linregress(z, truth[name]).rvalue ** 2 for z in codes[:, :3].T)
        gaps.append(scores[-1] - scores[-2])
    chosen = {name: truth[name] for name in ("x", "y")}
    assert sap(codes, chosen, continuous=["x", "y"]) == pytest.approx(np.mean(gaps))
    mixed = sap(codes, chosen, continuous=["y"])
    assert 2 * mixed - sap(codes, {"x": truth["x"]}) == pytest.approx(gaps[1])


def test_concentration_of_importances_has_closed_forms():
    assert _concentration(np.eye(3)) == pytest.approx((1.0, 1.0))
    assert _concentration(np.ones((4, 3))) == pytest.approx((0.0, 0.0))
    assert _concentration(np.zeros((4, 3))) == (0.0, 0.0)
    importance = np.random.default_rng(0).random((5, 3))
    rows = [1 - stats.entropy(row, base=3) for row in importance]
    columns = [1 - stats.entropy(column, base=5) for column in importance.T]
    expected = (np.sum(rows * importance.sum(axis=1)) / importance.sum(), np.mean(columns))
    assert _concentration(importance) == pytest.approx(expected)
    # Two latents for every factor: nothing is entangled, but nothing is in one place.
    assert _concentration(np.repeat(np.eye(2), 2, axis=0)) == pytest.approx((1.0, 0.5))


def test_dci_of_exact_codes_of_two_latents_per_factor_and_of_noise(truth, noise):
    factors = {name: truth[name] for name in ("shape", "scale")}
    exact = dci(np.column_stack([*factors.values(), noise]), factors, trees=10)
    assert exact == pytest.approx((1.0, 1.0, 1.0), abs=0.02)
    assert dci(np.column_stack([*factors.values(), noise]), factors, trees=10) == exact
    nothing = dci(noise, factors, trees=10)
    assert nothing.informativeness == pytest.approx((1 / 3 + 1 / 6) / 2, abs=0.1)
    assert dci(np.zeros((1000, 2)), factors, trees=2)[:2] == (0.0, 0.0)


def test_constant_latents_know_nothing():
    codes, factors = grid()
    with_constant = np.column_stack([codes, np.full(len(codes), 7.0)])
    assert mig(with_constant, factors) == pytest.approx(1.0)
    assert sap(with_constant, factors) == pytest.approx(1 - 1 / 6)
    assert sap(with_constant[:, [0, 2]], {"x": factors["x"]}) == pytest.approx(1.0)
    assert sap(with_constant[:, [2, 2]], factors) == mig(with_constant[:, [2, 2]], factors) == 0.0


@pytest.mark.parametrize("score", SCORES, ids=NAMES)
def test_what_cannot_be_scored_says_why(score):
    codes, factors = grid()
    with pytest.raises(ValueError, match="The factor 'z' is constant"):
        score(codes, {**factors, "z": np.ones(36)})
    with pytest.raises(ValueError, match=r"one value per code, \(36,\). Received: factor 'y' of shape \(5,\)"):
        score(codes, {"x": factors["x"], "y": np.arange(5)})
    with pytest.raises(ValueError, match=r"2 latents or more. Received: shape \(36, 1\)"):
        score(codes[:, :1], factors)
    with pytest.raises(ValueError, match="Expected finite codes"):
        score(np.where(codes == 2, np.nan, codes), factors)
    with pytest.raises(ValueError, match="at least one factor"):
        score(codes, {})


def test_options_are_checked():
    codes, factors = grid()
    with pytest.raises(ValueError, match=r"`continuous` must be names of factors.*Received: \['z'\]"):
        sap(codes, factors, continuous=["z"])
    with pytest.raises(ValueError, match="`bins` must be an integer of at least 1"):
        mig(codes, factors, bins=0)
    with pytest.raises(ValueError, match=r"at least 2 factors and 16 codes. Received: \['x'\]"):
        dci(codes, {"x": factors["x"]})
