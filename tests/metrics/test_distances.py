"""Distances in features against SciPy, loops, closed forms and torchmetrics, on random and on degenerate features."""

import itertools

import keras
import numpy as np
import pytest
from scipy import linalg, special

from genzoo.metrics import (
    density_coverage,
    distances,
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_recall,
)


def correlated(seed, n=300, d=12, scale=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    return scale * rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + shift


def frechet_by_sqrtm(real, fake, ridge=0.0):
    (m1, s1), (m2, s2) = ((x.mean(axis=0), np.cov(x, rowvar=False) + ridge * np.eye(x.shape[1])) for x in (real, fake))
    return np.sum((m1 - m2) ** 2) + np.trace(s1 + s2 - 2 * linalg.sqrtm(s1 @ s2).real)


def with_moments(mean, variances, n=50):
    """Features of just this mean and these uncorrelated variances."""
    x = np.random.default_rng(0).standard_normal((n, len(mean)))
    q, _ = np.linalg.qr(x - x.mean(axis=0))
    return np.sqrt(n - 1) * q * np.sqrt(variances) + mean


@pytest.mark.once
@pytest.mark.parametrize(
    ("real", "fake"),
    [
        (correlated(0), correlated(1, n=200)),
        (correlated(0), correlated(1, scale=1e-3)),
        (1e4 * correlated(0), 1e4 * correlated(1)),
        (correlated(0, shift=100.0), correlated(0, shift=100.0)[:150]),
        (correlated(0, d=64), correlated(0, d=64, shift=0.1)),
    ],
    ids=["random", "narrow", "large", "far from 0", "wide"],
)
def test_frechet_equals_scipys_root(real, fake):
    assert frechet_distance(real, fake) == pytest.approx(frechet_by_sqrtm(real, fake), rel=1e-8)
    assert frechet_distance(fake, real) == pytest.approx(frechet_distance(real, fake), rel=1e-10)


@pytest.mark.once
def test_frechet_of_gaussians_with_known_moments():
    real, fake = with_moments([0, 1, 2], [4, 9, 1]), with_moments([1, 1, 0], [1, 16, 1], n=80)
    assert frechet_distance(real, fake) == pytest.approx(1 + 4 + (2 - 1) ** 2 + (3 - 4) ** 2)
    assert frechet_distance(with_moments([0.0], [9]), with_moments([2.0], [1])) == pytest.approx(4 + (3 - 1) ** 2)


@pytest.mark.once
def test_frechet_without_full_rank():
    """Point masses, constant features, and fewer images than features."""
    points = [np.tile([[1.0, 2.0, 3.0]], (5, 1)), np.tile([[1.0, 0.0, 2.0]], (9, 1))]
    assert frechet_distance(*points) == 5
    assert frechet_distance(points[0], with_moments([1, 2, 5], [2, 3, 4])) == pytest.approx(4 + 2 + 3 + 4)
    a, b = np.random.default_rng(0).standard_normal((2, 7))  # two images each: variance along one line
    along = (np.stack([a, -a]), np.stack([b, -b]))
    assert frechet_distance(*along) == pytest.approx(2 * (a @ a + b @ b - 2 * abs(a @ b)))
    real, fake = correlated(0, d=4), correlated(1, d=4)
    rotation = np.linalg.qr(np.random.default_rng(2).standard_normal((400, 400)))[0][:4]  # 400 features of 300 images
    assert frechet_distance(real @ rotation, fake @ rotation) == pytest.approx(frechet_by_sqrtm(real, fake))
    few = correlated(0, n=5, d=30), correlated(1, n=8, d=30)
    assert frechet_distance(*few) == pytest.approx(frechet_by_sqrtm(*few, ridge=1e-9), rel=1e-5)
    assert frechet_distance(few[0], few[0]) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(few[0][::-1], few[0]) >= 0


def kernel_distance_by_loop(x, y, degree=3, gamma=None, coef0=1.0):
    def k(a, b):
        return (np.sum(a * b) * (1 / len(a) if gamma is None else gamma) + coef0) ** degree

    def within(points):
        return np.mean([k(a, b) for a, b in itertools.permutations(points, 2)])

    return within(x) + within(y) - 2 * np.mean([k(a, b) for a, b in itertools.product(x, y)])


@pytest.mark.once
@pytest.mark.parametrize(
    "kernel", [{}, {"degree": 1, "gamma": 0.5, "coef0": 0.0}, {"degree": 2, "gamma": 2.0, "coef0": 3.0}], ids=str
)
def test_kernel_distance_equals_a_loop(kernel):
    x, y = correlated(0, n=20, d=5), correlated(1, n=20, d=5)
    found = kernel_distance(x, y, subset_size=20, subsets=3, **kernel)
    assert found.value == pytest.approx(kernel_distance_by_loop(x, y, **kernel), rel=1e-10)
    assert found.standard_error == pytest.approx(0, abs=1e-9 * abs(found.value))  # every subset is all images


@pytest.mark.once
def test_kernel_distance_of_equal_and_of_constant_features():
    x = correlated(0, n=15, d=5)
    same = kernel_distance(x, x, subset_size=15, subsets=2)
    assert same.value == pytest.approx(kernel_distance_by_loop(x, x))
    assert same.value < 0  # no bias: an image is compared with itself only across
    ones, twos = np.full((2, 10, 4), [[[1.0]], [[2.0]]])
    assert kernel_distance(ones, ones, subset_size=10, subsets=2) == (0, 0)
    found = kernel_distance(ones, twos, subset_size=10, subsets=2)
    assert found.value == pytest.approx((1 + 1) ** 3 + (4 + 1) ** 3 - 2 * (2 + 1) ** 3)


@pytest.mark.once
def test_the_standard_error_is_the_spread_of_other_seeds():
    x, y = correlated(0, n=1500, d=4), correlated(1, n=1500, d=4)
    found = [kernel_distance(x, y, subset_size=20, subsets=30, seed=seed) for seed in range(60)]
    spread = np.std([f.value for f in found], ddof=1)
    assert np.mean([f.standard_error for f in found]) == pytest.approx(spread, rel=0.3)
    whole = kernel_distance(x, y, subset_size=1500, subsets=2).value
    assert np.mean([f.value for f in found]) == pytest.approx(whole, abs=3 * spread / np.sqrt(60))
    assert kernel_distance(x, y, subset_size=20, subsets=30, seed=7) == found[7]


@pytest.mark.once
def test_kernel_distance_of_one_distribution_is_zero_on_average():
    rng = np.random.default_rng(0)
    pairs = (rng.standard_normal((2, 10, 6)) for _ in range(1500))
    found = [kernel_distance(x, y, subset_size=10, subsets=2).value for x, y in pairs]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))


@pytest.mark.once
def test_inception_score_equals_a_loop():
    p = special.softmax(3 * np.random.default_rng(0).standard_normal((90, 7)), axis=1)
    kl = [sum(q * np.log(q / m) for q, m in zip(row, p.mean(axis=0), strict=True)) for row in p]
    whole = inception_score(p, splits=1)
    assert (whole.mean, whole.std) == (pytest.approx(np.exp(np.mean(kl))), 0)
    assert inception_score(p[np.random.default_rng(1).permutation(90)], splits=1).mean == pytest.approx(whole.mean)
    parts = inception_score(p, splits=3)
    assert 1 < parts.mean < 7
    assert parts.std > 0


@pytest.mark.once
def test_inception_score_where_it_is_known():
    certain = np.eye(5)[np.arange(100) % 5]  # with zeros, of which 0 log 0 = 0
    assert inception_score(certain, splits=1).mean == pytest.approx(5)
    assert inception_score(certain[:1].repeat(50, axis=0)) == (1, 0)  # one class
    assert inception_score(np.full((50, 5), 0.2)) == pytest.approx((1, 0))
    assert inception_score(certain, splits=100) == (1, 0)  # one sample per part
    for wrong in (np.ones((4, 3)), np.array([[1.5, -0.5]]), np.ones(3) / 3, np.zeros((0, 3)), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match=r"Expected probabilities \(n, classes\)"):
            inception_score(wrong)
    with pytest.raises(ValueError, match=r"at most the number of samples, 4. Received: splits=10"):
        inception_score(certain[:4])


def radius(points, i, k):
    return sorted(np.sum((points[i] - p) ** 2) for j, p in enumerate(points) if j != i)[k - 1]


def inside(a, b, k):
    """Whether point j of ``a`` is in the ball of point i of ``b``, ``(len(a), len(b))``."""
    radii = [radius(b, i, k) for i in range(len(b))]
    return np.array([[np.sum((x - y) ** 2) <= r for y, r in zip(b, radii, strict=True)] for x in a])


def gaussians(seed, n, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, 3)) + shift


GRID = np.stack(np.meshgrid([0.0, 0.1, 0.2, 0.3], [0.0, 0.1, 0.2], [0.7, 0.8, 0.9]), axis=-1).reshape(-1, 3)
NEIGHBOURS = {
    "random": (gaussians(0, 60), gaussians(1, 45, shift=0.7)),
    "the same": (gaussians(0, 40), gaussians(0, 40)),
    "a part": (gaussians(0, 40), gaussians(0, 40)[::3]),
    "apart": (gaussians(0, 20), gaussians(1, 20, shift=50.0)),
    "far from 0": (gaussians(0, 40, shift=1e6), gaussians(1, 30, shift=1e6)),
    "one point": (np.full((9, 3), 0.1), np.full((8, 3), 0.1)),
    "two points": (np.full((9, 3), 0.1), np.full((8, 3), 0.3)),
    "each thrice": (gaussians(0, 12).repeat(3, axis=0), gaussians(0, 24).repeat(2, axis=0)),
    "one column": (gaussians(0, 30) * [1, 0, 0], gaussians(1, 30) * [1, 0, 0]),
}


@pytest.mark.once
@pytest.mark.parametrize("rows", [7, 1024])
@pytest.mark.parametrize(("real", "fake"), NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_neighbourhoods_equal_loops(real, fake, rows, monkeypatch):
    monkeypatch.setattr(distances, "ROWS", rows)
    for k in (1, 3, 5):
        found = precision_recall(real, fake, k=k)
        assert found.precision == inside(fake, real, k).any(axis=1).mean()
        assert found.recall == inside(real, fake, k).any(axis=1).mean()
        balls = inside(fake, real, k)
        assert density_coverage(real, fake, k=k) == pytest.approx((balls.sum() / (k * len(fake)), balls.any(0).mean()))


@pytest.mark.once
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_a_point_on_the_border_of_a_ball_is_inside(shift):
    """A grid in decimals, whose equal distances differ by rounding errors; the same grid in whole numbers is exact."""
    exact = np.round(10 * GRID)
    for k in (1, 3, 5):
        within = inside(exact[:20], exact, k)
        found = density_coverage(exact + shift, exact[:20] + shift, k=k)
        assert found == pytest.approx((within.sum() / (20 * k), within.any(axis=0).mean()))
        if shift == 0:
            assert density_coverage(GRID, GRID[:20], k=k) == found
            step = np.array([0.1, 0, 0])
            assert precision_recall(GRID, GRID + step, k=k) == precision_recall(exact, exact + 10 * step, k=k)


@pytest.mark.once
@pytest.mark.parametrize("width", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("d", [1, 3, 64])
def test_the_border_is_inside_in_clusters_far_from_each_other(width, d):
    """Samples that are images of one of two narrow clusters: on the border of balls, far from the mean."""
    rng = np.random.default_rng(0)
    centres, around = rng.standard_normal(d), width * rng.standard_normal((2, 20, d))
    real, fake = np.concatenate([around[0] + centres, around[1] - centres]), around[0][::2] + centres
    for k in (1, 3, 5):
        balls = inside(fake, real, k)
        found = density_coverage(real, fake, k=k)
        assert found == pytest.approx((balls.sum() / (k * len(fake)), balls.any(axis=0).mean()))
        assert precision_recall(real, fake, k=k) == (1, inside(real, fake, k).any(axis=1).mean())


@pytest.mark.once
def test_neighbourhoods_where_they_are_known():
    real = gaussians(0, 1500)
    collapsed = np.repeat(real[:1], 1500, axis=0)
    assert precision_recall(real, collapsed) == (1, 1 / 1500)
    assert density_coverage(real, collapsed).coverage < 0.02
    assert density_coverage(real, real).coverage == 1
    other = gaussians(1, 1500)
    density, coverage = density_coverage(real, other)
    assert density == pytest.approx(1, abs=0.1)  # Naeem et al.: of equal distributions the expectation is 1,
    assert coverage == pytest.approx(1 - 0.5**5, abs=0.02)  # and of as many samples as data about 1 - 2^-k


@pytest.mark.once
@pytest.mark.parametrize("metric", [frechet_distance, kernel_distance, precision_recall, density_coverage])
def test_features_that_cannot_be_compared(metric):
    options, good = ({"subset_size": 5} if metric is kernel_distance else {}), gaussians(0, 20)
    for wrong in (good[:, :2], good[:, 0], good[None], good[:0]):
        with pytest.raises(ValueError, match=r"Expected features \(n, d\) of one d, n at least \d. Received: real"):
            metric(good, wrong, **options)
        with pytest.raises(ValueError, match=r"Expected features \(n, d\) of one d"):
            metric(wrong, good, **options)
    broken = good.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"Expected finite features. Received: NaN or infinity in `fake`"):
        metric(good, broken, **options)


@pytest.mark.once
def test_more_neighbours_or_images_than_there_are():
    few = gaussians(0, 5)
    with pytest.raises(ValueError, match=r"more points than k=5. Received: 5"):
        density_coverage(few, few, k=5)
    with pytest.raises(ValueError, match=r"n at least 6"):
        precision_recall(few, few, k=5)
    for options in ({"subset_size": 6}, {"subset_size": 1}, {"subset_size": 5, "subsets": 1}):
        with pytest.raises(
            ValueError, match=r"`subset_size` from 2 to 5, the number of images, and at least 2 subsets"
        ):
            kernel_distance(few, few, **options)
    for metric in (precision_recall, density_coverage):
        with pytest.raises(ValueError, match="`k` must be an integer of at least 1"):
            metric(few, few, k=0)
    for seed in (None, -1):
        with pytest.raises(ValueError, match=f"`seed` must be an integer of at least 0. Received: seed={seed}"):
            kernel_distance(few, few, subset_size=5, seed=seed)
        with pytest.raises(ValueError, match=f"`seed` must be an integer of at least 0. Received: seed={seed}"):
            inception_score(np.eye(3), splits=1, seed=seed)


@pytest.mark.once
def test_features_are_neither_changed_nor_need_float64():
    real, fake = (gaussians(seed, 30).astype("float32") for seed in (0, 1))
    before = real.copy(), fake.copy()
    assert frechet_distance(real, fake) == frechet_distance(real.astype("float64"), fake.astype("float64"))
    kernel_distance(real, fake, subset_size=9)
    precision_recall(real, fake)
    density_coverage(real, fake)
    np.testing.assert_array_equal((real, fake), before)


@pytest.mark.once
def test_frechet_of_one_gaussian_shrinks_with_the_number_of_samples():
    rng = np.random.default_rng(0)
    bias = [frechet_distance(*rng.standard_normal((2, n, 12))) for n in (50, 500, 5000)]
    assert bias[0] > 5 * bias[1] > 25 * bias[2] > 0


@pytest.mark.skipif(keras.config.backend() != "torch", reason="torchmetrics needs torch")
@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all:UserWarning")
def test_torchmetrics_finds_the_same():
    pytest.importorskip("torchmetrics", reason="needs torchmetrics: pip install 'genzoo[reference]'")
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    class Flat(torch.nn.Module):
        num_features = 20

        def forward(self, images):
            return images.flatten(1)

    real, fake = correlated(0, n=150, d=20), correlated(1, n=150, d=20, shift=0.5)
    fid = FrechetInceptionDistance(feature=Flat()).set_dtype(torch.float64)
    kid = KernelInceptionDistance(feature=Flat(), subsets=2, subset_size=150).set_dtype(torch.float64)
    for metric in (fid, kid):
        metric.update(torch.as_tensor(real).reshape(-1, 5, 2, 2), real=True)
        metric.update(torch.as_tensor(fake).reshape(-1, 5, 2, 2), real=False)
    assert frechet_distance(real, fake) == pytest.approx(float(fid.compute()), rel=1e-8)
    found = kernel_distance(real, fake, subset_size=150, subsets=2)
    assert found.value == pytest.approx(float(kid.compute()[0]), rel=1e-8)
