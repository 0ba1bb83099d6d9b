"""Losses against closed forms, brute-force numerics and other libraries."""

import keras
import numpy as np
import pytest
from backends import pytorch
from keras import ops
from scipy import integrate, stats

from genzoo import losses

rng = np.random.default_rng(0)


def value(tensor):
    return ops.convert_to_numpy(tensor)


def tensor(array):
    return ops.convert_to_tensor(np.asarray(array, "float32"))


def sigmoid(t):
    return 1 / (1 + np.exp(-np.float64(t)))


# Likelihoods and divergences.


def test_bernoulli_nll_equals_torch_and_stays_finite():
    torch = pytorch()
    x = rng.random((5, 4, 4, 1)).astype("float32")
    logits = (10 * rng.standard_normal(x.shape)).astype("float32")
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(logits), torch.tensor(x), reduction="none"
    )
    np.testing.assert_allclose(
        value(losses.bernoulli_nll(tensor(x), tensor(logits))), expected.sum((1, 2, 3)).numpy(), rtol=1e-5
    )
    extreme = losses.bernoulli_nll(tensor([[1.0, 0.0]]), tensor([[-1e4, 1e4]]))
    np.testing.assert_allclose(value(extreme), [2e4])


@pytest.mark.parametrize("logit", [-60.0, -4.0, -0.11, -0.09, 0.0, 1e-4, 0.09, 0.11, 3.0, 60.0])
def test_continuous_bernoulli_is_a_density_with_its_mean(logit):
    grid = np.linspace(0, 1, 20_001)
    nll = value(losses.continuous_bernoulli_nll(tensor(grid[:, None]), tensor(np.full((len(grid), 1), logit))))
    density = np.exp(-nll.astype("float64"))
    assert integrate.simpson(density, x=grid) == pytest.approx(1, abs=2e-4)
    mean = value(losses.continuous_bernoulli_mean(tensor([logit])))[0]
    assert integrate.simpson(grid * density, x=grid) == pytest.approx(mean, abs=2e-4)


def test_continuous_bernoulli_equals_torch():
    torch = pytorch()
    x, logits = rng.random((6, 9)).astype("float32"), (3 * rng.standard_normal((6, 9))).astype("float32")
    theirs = torch.distributions.ContinuousBernoulli(logits=torch.tensor(logits))
    expected = -theirs.log_prob(torch.tensor(x)).sum(1).numpy()
    np.testing.assert_allclose(value(losses.continuous_bernoulli_nll(tensor(x), tensor(logits))), expected, rtol=1e-4)
    np.testing.assert_allclose(
        value(losses.continuous_bernoulli_mean(tensor(logits))), theirs.mean.numpy(), atol=5e-4
    )  # theirs cancels


def test_gaussian_nll_equals_scipy():
    x, mean, log_variance = rng.standard_normal((3, 4, 5))
    expected = -stats.norm(mean, np.exp(log_variance / 2)).logpdf(x).sum(1)
    found = losses.gaussian_nll(tensor(x), tensor(mean), tensor(log_variance))
    np.testing.assert_allclose(value(found), expected, rtol=1e-5)


def test_standard_normal_kl_equals_the_integral_of_every_latent():
    means, log_variances = rng.standard_normal(3), rng.standard_normal(3)

    def integrand(z, mean, scale):
        q = stats.norm(mean, scale)
        return q.pdf(z) * (q.logpdf(z) - stats.norm.logpdf(z))

    expected = [
        integrate.quad(integrand, m - 12 * s, m + 12 * s, args=(m, s))[0]
        for m, s in zip(means, np.exp(log_variances / 2), strict=True)
    ]
    mine = losses.standard_normal_kl(tensor(means[None]), tensor(log_variances[None]))
    np.testing.assert_allclose(value(mine), [expected], rtol=1e-4)
    np.testing.assert_array_equal(value(losses.standard_normal_kl(ops.zeros((2, 3)), ops.zeros((2, 3)))), 0)


def test_free_bits_charge_only_what_exceeds_them():
    kl = np.array([[0.2, 1.0, 3.0], [0.0, 0.4, 5.0]])
    np.testing.assert_allclose(value(losses.free_bits(tensor(kl), 0.0)), kl.sum(1).mean(), rtol=1e-6)
    np.testing.assert_allclose(value(losses.free_bits(tensor(kl), 0.5)), 0.5 + 0.7 + 4.0, rtol=1e-6)


def test_log_mean_exp_stays_finite_and_rises_with_jensen():
    weights = np.array([[-1000.0, -1001.0], [0.0, 0.0]])
    found = value(losses.log_mean_exp(tensor(weights)))
    np.testing.assert_allclose(found, [-1000 + np.log((1 + np.exp(-1)) / 2), 0], rtol=1e-6)
    assert found[0] > weights[0].mean()


# Adversarial games.


@pytest.mark.parametrize(("real", "fake"), [(0.0, 0.0), (2.0, -1.0), (-3.0, 4.0), (-30.0, 30.0)])
def test_adversarial_losses_equal_their_definition(real, fake):
    d_real, d_fake = sigmoid(real), sigmoid(fake)
    cross_entropy = -np.log(d_real) - np.log(sigmoid(-fake))
    expected = {
        "minimax": (cross_entropy, np.log(sigmoid(-fake))),
        "non-saturating": (cross_entropy, -np.log(d_fake)),
        "least-squares": (0.5 * (real - 1) ** 2 + 0.5 * fake**2, 0.5 * (fake - 1) ** 2),
        "hinge": (max(0, 1 - real) + max(0, 1 + fake), -fake),
        "wasserstein": (fake - real, -fake),
    }
    assert set(expected) == set(losses.OBJECTIVES)
    for name, (discriminator, generator) in expected.items():
        objective = losses.OBJECTIVES[name]
        found = objective.discriminator(tensor([[real]]), tensor([[fake]])), objective.generator(tensor([[fake]]))
        np.testing.assert_allclose([value(f) for f in found], [discriminator, generator], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", losses.OBJECTIVES)
def test_one_sided_smoothing_moves_the_target_of_real_images_only(name):
    objective, real, fake = losses.OBJECTIVES[name], 1.5, -0.7
    if not objective.smooths:
        with pytest.raises(TypeError, match="real_target"):
            objective.discriminator(tensor([[real]]), tensor([[fake]]), real_target=0.9)
        return
    found = value(objective.discriminator(tensor([[real]]), tensor([[fake]]), real_target=0.9))
    if name == "least-squares":
        expected = 0.5 * (real - 0.9) ** 2 + 0.5 * fake**2
    else:
        expected = -0.9 * np.log(sigmoid(real)) - 0.1 * np.log(1 - sigmoid(real)) - np.log(1 - sigmoid(fake))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_optimal_discriminator_and_the_value_of_the_game_on_discrete_distributions():
    """Goodfellow et al. (2014), proposition 1 and theorem 1: D* = p / (p + q) and C(G) = -log 4 + 2 JSD(p, q)."""
    p, q = rng.dirichlet(np.ones(6), 2)
    optimal = p / (p + q)

    def loss(d):
        """The discriminator's loss where x is drawn from p and G(z) from q."""
        logits = np.log(d) - np.log1p(-d)
        terms = [losses.discriminator_cross_entropy(tensor([[t]]), tensor([[-1e4]])) for t in logits]
        fakes = [losses.discriminator_cross_entropy(tensor([[1e4]]), tensor([[t]])) for t in logits]
        return float(p @ [float(value(t)) for t in terms] + q @ [float(value(t)) for t in fakes])

    mixture = (p + q) / 2
    divergence = (stats.entropy(p, mixture) + stats.entropy(q, mixture)) / 2
    assert -loss(optimal) == pytest.approx(-np.log(4) + 2 * divergence, abs=1e-5)
    for _ in range(20):
        other = np.clip(optimal + 0.05 * rng.standard_normal(6), 0.01, 0.99)
        assert loss(other) > loss(optimal) - 1e-6


# Penalties, on a critic whose slope NumPy knows.


@pytest.fixture
def critic():
    model = keras.Sequential([keras.Input((3, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(5, "tanh")])
    model.add(keras.layers.Dense(1))
    return model


def slopes_by_differences(critic, x, step=1e-2):
    """Norms of the gradients of every image, from central differences."""
    flat = x.reshape(len(x), -1)
    columns = []
    for j in range(flat.shape[1]):
        shift = step * np.eye(flat.shape[1])[j]
        up, down = (value(critic(tensor((flat + s).reshape(x.shape))))[:, 0] for s in (shift, -shift))
        columns.append((up.astype("float64") - down) / (2 * step))
    return np.linalg.norm(np.stack(columns, 1), axis=1)


def test_penalties_equal_finite_differences(critic):
    real, fake, noise = rng.random((3, 4, 3, 2, 1))
    mix = rng.random((4, 1, 1, 1))
    between, around = mix * real + (1 - mix) * fake, real + 0.5 * mix * real.std() * noise
    found = [
        losses.gradient_penalty(critic, tensor(real), tensor(fake), tensor(mix)),
        losses.r1_penalty(critic, tensor(real)),
        losses.dragan_penalty(critic, tensor(real), tensor(noise), tensor(mix)),
    ]
    expected = [
        np.mean((slopes_by_differences(critic, between) - 1) ** 2),
        0.5 * np.mean(slopes_by_differences(critic, real) ** 2),
        np.mean((slopes_by_differences(critic, around) - 1) ** 2),
    ]
    np.testing.assert_allclose([float(value(ops.stop_gradient(f))) for f in found], expected, rtol=1e-3)


def test_a_flat_critic_has_a_finite_penalty():
    def flat(x):
        return 0.0 * ops.sum(x, axis=(1, 2, 3))[:, None]

    x = tensor(rng.random((2, 2, 2, 1)))
    found = losses.gradient_penalty(flat, x, x, ops.ones((2, 1, 1, 1)))
    assert float(value(ops.stop_gradient(found))) == pytest.approx(1, abs=1e-4)
