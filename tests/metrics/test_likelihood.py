"""``log_likelihood`` and the bounds of the VAE family, against brute-force integration over one latent."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, stats

import genzoo
from genzoo import registry, variational
from genzoo.metrics import annealed_importance_sampling, parzen_log_likelihood, parzen_sigma
from genzoo.models.vae import VAE

LIKELIHOODS = [{"likelihood": "bernoulli"}, {"likelihood": "continuous-bernoulli"}, {"likelihood": "gaussian"}]
WITH_LIKELIHOOD = genzoo.list_models(tags="likelihood")


def small(name, **config):
    options = registry.spec(name).load().options()
    sizes = {"hidden_dim": 16, "latent_dim": 1, "num_samples": 5}
    return genzoo.get(name, **{**{k: v for k, v in sizes.items() if k in options}, "seed": 0, **config})


def log_density_of_pixels(model, x, output):
    """log p(x | z) in NumPy."""
    output = output.astype("float64")
    mean = 1 / (1 + np.exp(-output))
    if model.likelihood == "gaussian":
        sigma = np.exp(0.5 * float(ops.convert_to_numpy(model.pixels.log_variance)))
        return stats.norm(mean, sigma).logpdf(x).sum(axis=(1, 2, 3))
    log_p = -(np.logaddexp(0, output) - x * output).sum(axis=(1, 2, 3))
    if model.likelihood == "continuous-bernoulli":
        log_p += np.log(np.where(np.abs(output) < 1e-6, 2.0, output / np.tanh(output / 2))).sum(axis=(1, 2, 3))
    return log_p


def by_integration(model, image, label):
    grid = np.linspace(-9, 9, 4001)
    z, labels = grid[:, None].astype("float32"), np.full(len(grid), label)
    output = ops.convert_to_numpy(model.decoder_output(ops.convert_to_tensor(z), ops.convert_to_tensor(labels)))
    terms = log_density_of_pixels(model, image / 255, output) + stats.norm.logpdf(grid)
    return terms.max() + np.log(integrate.simpson(np.exp(terms - terms.max()), x=grid))


@pytest.mark.parametrize(
    ("name", "config"),
    [*(("vae", config) for config in LIKELIHOODS), *((name, {}) for name in WITH_LIKELIHOOD if name != "vae")],
    ids=str,
)
def test_likelihood_equals_the_integral_over_one_latent(name, config, images):
    model, (x, y) = small(name, **config), images
    model.fit(x, y, epochs=30, batch_size=20, verbose=0)
    labels = {"labels": y[:4]} if "conditional" in model.tags else {}
    found = model.log_likelihood(x[:4], 5000, seed=0, **labels)
    expected = [by_integration(model, *pair) for pair in zip(x[:4], y[:4], strict=True)]
    np.testing.assert_allclose(found, expected, atol=0.05)
    assert (found.shape, found.dtype) == ((4,), np.float64)


def test_the_elbo_is_below_the_likelihood_by_the_gap_of_the_posterior(images):
    """ELBO = log p(x) - KL[q(z | x) || p(z | x)], every term by integration over one latent."""
    model, x = small("vae"), images[0]
    model.fit(x, epochs=30, batch_size=20, verbose=0)
    mean, log_variance = (ops.convert_to_numpy(t)[0, 0] for t in model.encoder(x[:1].astype("float32") / 255))
    grid = np.linspace(-9, 9, 4001)
    output = ops.convert_to_numpy(model.decoder(ops.convert_to_tensor(grid[:, None].astype("float32"))))
    q = stats.norm(mean, np.exp(log_variance / 2))
    joint = log_density_of_pixels(model, x[0] / 255, output) + stats.norm.logpdf(grid)
    elbo = integrate.simpson(q.pdf(grid) * (joint - q.logpdf(grid)), x=grid)
    weights = model.log_weights(
        ops.convert_to_tensor(x[:1].astype("float32") / 255),
        ops.convert_to_tensor(np.random.default_rng(0).standard_normal((1, 20_000, 1)).astype("float32")),
    )
    assert float(np.mean(ops.convert_to_numpy(weights))) == pytest.approx(elbo, abs=0.05)
    assert elbo <= by_integration(model, x[0], 0) + 1e-6


def test_likelihood_depends_on_its_seed_and_not_on_the_batch_size(images):
    model, x = small("vae", latent_dim=4), images[0]
    model.fit(x, batch_size=20, verbose=0)
    found = model.log_likelihood(x, 50, seed=1)
    for batch_size in (7, 50, 130):
        np.testing.assert_allclose(model.log_likelihood(x, 50, seed=1, batch_size=batch_size), found, atol=1e-3)
    assert not np.array_equal(found, model.log_likelihood(x, 50, seed=2))
    assert not np.array_equal(model.log_likelihood(x, 5), model.log_likelihood(x, 5))


def test_the_bound_tightens_with_the_number_of_samples(images):
    model, x = small("iwae", latent_dim=8), images[0]
    model.fit(x, epochs=40, batch_size=20, verbose=0)
    repeated = np.repeat(x, 50, axis=0)  # noise of the estimate, over many draws for every image
    bounds = [model.log_likelihood(repeated, k, seed=0).mean() for k in (1, 5, 50)]
    assert all(looser < tighter for looser, tighter in itertools.pairwise(bounds)), bounds


def test_iwae_trains_on_the_bound_that_log_likelihood_reports(images):
    model, x = small("iwae", latent_dim=2, num_samples=5), images[0]
    model.fit(x, epochs=5, batch_size=20, verbose=0)
    scores = model.evaluate(x, batch_size=20, verbose=0, return_dict=True)
    again = np.mean([model.log_likelihood(x, 5, seed=s).mean() for s in range(40)])
    assert -scores["loss"] == pytest.approx(again, abs=0.3)
    assert scores["loss"] < scores["negative_elbo"]


def test_models_without_a_likelihood_say_so(images):
    model = genzoo.get("gan", hidden_dim=16, seed=0)
    with pytest.raises(NotImplementedError, match="GAN has no likelihood, so it cannot compute a likelihood"):
        model.log_likelihood(images[0])
    with pytest.raises(ValueError, match="`num_samples` must be an integer of at least 1"):
        built(small("vae")).log_likelihood(images[0], 0)


def built(model):
    model.build((None, 8, 8, 1))
    return model


def test_sigma_goes_with_gaussian_pixels_and_is_learned_without_it(images):
    with pytest.raises(ValueError, match=r"`sigma` goes with likelihood='gaussian'.*sigma=0.1"):
        genzoo.get("vae", sigma=0.1)
    with pytest.raises(ValueError, match=r"Unknown `likelihood`.*'gausian'.*Did you mean 'gaussian'"):
        genzoo.get("vae", likelihood="gausian")
    learned, fixed = small("vae", likelihood="gaussian"), small("vae", likelihood="gaussian", sigma=0.5)
    for model in (learned, fixed):
        model.fit(images[0] // 4, epochs=20, batch_size=20, verbose=0)
    variances = [float(ops.convert_to_numpy(model.pixels.log_variance)) for model in (learned, fixed)]
    assert variances[0] < -0.01
    assert variances[1] == pytest.approx(2 * np.log(0.5))


def test_parzen_equals_a_sum_over_samples():
    rng = np.random.default_rng(0)
    samples, x = rng.random((30, 4, 4, 1)), rng.random((7, 4, 4, 1))
    densities = stats.norm(samples.reshape(30, -1), 0.3).logpdf(x.reshape(7, 1, -1)).sum(-1)
    expected = np.logaddexp.reduce(densities, axis=1) - np.log(30)
    np.testing.assert_allclose(parzen_log_likelihood(samples, x, 0.3, batch_size=3), expected)
    with pytest.raises(ValueError, match=r"one size. Received: 16 and 4"):
        parzen_log_likelihood(samples, x[:, :2, :2], 0.3)
    with pytest.raises(ValueError, match="`sigma` must be above 0"):
        parzen_log_likelihood(samples, x, 0)


@pytest.fixture
def spread():
    """One point, three hundred times, and Gaussians of width 0.05 around it: the best bandwidth is their width."""
    return np.full((300, 16), 0.5), 0.5 + 0.05 * np.random.default_rng(0).standard_normal((200, 16))


def test_the_bandwidth_is_that_of_the_best_mean_density(spread):
    rng = np.random.default_rng(0)
    samples, validation = rng.random((30, 4, 4, 1)), rng.random((7, 4, 4, 1))
    sigmas = [0.7, 0.1, 0.2, 0.4]
    densities = [stats.norm(samples.reshape(30, -1), s).logpdf(validation.reshape(7, 1, -1)).sum(-1) for s in sigmas]
    means = [np.logaddexp.reduce(d, axis=1).mean() for d in densities]
    assert parzen_sigma(samples, validation, sigmas, batch_size=3) == sigmas[int(np.argmax(means))] == 0.4
    found = parzen_sigma(samples, validation)
    best = parzen_log_likelihood(samples, validation, found).mean()
    assert all(best >= parzen_log_likelihood(samples, validation, found * s).mean() for s in (0.94, 1.06))
    samples, validation = spread
    assert parzen_sigma(samples, validation) == pytest.approx(np.std(validation - 0.5), rel=0.03)
    assert parzen_sigma(np.round(255 * samples).astype("uint8"), validation) == pytest.approx(0.05, rel=0.05)
    assert parzen_sigma(np.zeros((3, 4)), np.ones((2, 4))) == 1.0


def test_a_bandwidth_at_the_edge_warns(spread):
    samples, validation = spread
    with pytest.warns(UserWarning, match=r"The best bandwidth, 0.2, is the smallest tried"):
        assert parzen_sigma(samples, validation, [0.2, 0.3, 0.4]) == 0.2
    with pytest.warns(UserWarning, match=r"The best bandwidth, 0.03, is the largest tried"):
        assert parzen_sigma(samples, validation, [0.03, 0.02, 0.01]) == 0.03
    with pytest.warns(
        UserWarning, match=r"The best bandwidth, 0.001, is .* the validation images are among the samples"
    ):
        parzen_sigma(validation, validation[:5])
    with pytest.raises(ValueError, match=r"`sigmas` must be numbers above 0. Received: sigmas=\[0.0, 1.0\]"):
        parzen_sigma(samples, validation, [1, 0])


def test_the_gradient_of_the_conditional_is_its_slope(images):
    model, x = built(small("iwae", latent_dim=3)), images[0]
    z = np.random.default_rng(0).standard_normal((20, 2, 3))
    log_p, gradient = model.conditional_gradient(x, z, batch_size=6)
    assert (log_p.shape, gradient.shape, gradient.dtype) == ((20, 2), (20, 2, 3), np.float32)
    output = model_output(model, z.reshape(-1, 3))
    expected = log_density_of_pixels(model, np.repeat(x, 2, axis=0) / 255, output).reshape(20, 2)
    np.testing.assert_allclose(log_p, expected, rtol=1e-5)
    ahead, behind = ([model.conditional_gradient(x, z + h * axis)[0] for axis in np.eye(3)] for h in (0.02, -0.02))
    np.testing.assert_allclose(gradient, np.stack(np.subtract(ahead, behind), axis=-1) / 0.04, atol=0.02)
    with pytest.raises(ValueError, match=r"latents of shape \(20, K, 3\). Received: shape \(20, 3\)"):
        model.conditional_gradient(x, z[:, 0])


class Identity(variational.Gaussian):
    def mean(self, output):
        return output


class FactorAnalysis(VAE):
    """A linear decoder, with which log p(x) has a closed form."""

    def build_networks(self, image_shape):
        super().build_networks(image_shape)
        layers = [keras.Input((self.latent_dim,)), keras.layers.Dense(16), keras.layers.Reshape(image_shape)]
        self.decoder, self.pixels = keras.Sequential(layers), Identity(0.2, name="pixels")


def test_annealing_equals_the_closed_form_of_factor_analysis():
    """Three latents, of which draws from the prior hardly ever hit the posterior."""
    model, rng = FactorAnalysis(latent_dim=3, seed=0), np.random.default_rng(0)
    model.build((None, 4, 4, 1))
    loadings, offsets = rng.standard_normal((3, 16)) / 3, np.full(16, 0.5)
    model.decoder.layers[0].set_weights([loadings, offsets])
    x = rng.random((6, 4, 4, 1), dtype="float32")
    normal = stats.multivariate_normal(offsets, loadings.T @ loadings + 0.2**2 * np.eye(16))
    expected = normal.logpdf(x.reshape(6, -1))
    options = {"chains": 64, "seed": 0, "batch_size": 256}  # four images at a time
    found = annealed_importance_sampling(model, x, temperatures=150, **options)
    np.testing.assert_allclose(found, expected, atol=0.4)
    assert (found.shape, found.dtype) == ((6,), np.float64)
    assert found.mean() == pytest.approx(expected.mean(), abs=0.15)
    from_prior = annealed_importance_sampling(model, x, temperatures=2, **options)
    assert np.abs(from_prior - expected).max() > 1


def by_integration_over_two(model, image):
    grid = np.linspace(-6, 6, 241)
    z = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    terms = log_density_of_pixels(model, image / 255, model_output(model, z)) + stats.norm.logpdf(z).sum(axis=1)
    inside = np.exp(terms - terms.max()).reshape(241, 241)
    return terms.max() + np.log(integrate.simpson(integrate.simpson(inside, x=grid), x=grid))


def model_output(model, z):
    return ops.convert_to_numpy(model.decoder_output(ops.convert_to_tensor(z.astype("float32"))))


def test_annealing_equals_the_integral_and_importance_sampling(images):
    model, x = small("vae", latent_dim=2, likelihood="gaussian", sigma=0.2), images[0]
    model.fit(x, epochs=60, batch_size=20, verbose=0)
    expected = [by_integration_over_two(model, image) for image in x[:4]]
    found = annealed_importance_sampling(model, x[:4], temperatures=100, seed=0)
    np.testing.assert_allclose(found, expected, atol=0.3)
    np.testing.assert_allclose(model.log_likelihood(x[:4], 5000, seed=0), expected, atol=0.3)


def test_annealing_of_a_conditional_model_takes_labels_and_a_seed(images):
    model, (x, y) = small("cvae"), images
    model.fit(x, y, epochs=30, batch_size=20, verbose=0)
    found = annealed_importance_sampling(model, x[:4], temperatures=20, labels=y[:4], seed=0)
    np.testing.assert_allclose(
        found, [by_integration(model, *pair) for pair in zip(x[:4], y[:4], strict=True)], atol=0.2
    )
    again, other = (annealed_importance_sampling(model, x[:4], temperatures=20, labels=y[:4], seed=s) for s in (0, 1))
    np.testing.assert_array_equal(again, found)
    assert not np.array_equal(other, found)


def test_with_two_temperatures_annealing_weighs_draws_from_the_prior(images):
    model, x = built(small("vae", latent_dim=2)), images[0]
    found = annealed_importance_sampling(model, x, chains=50, temperatures=2, seed=3)
    for i in (0, 19):
        rng = np.random.default_rng([3, i])
        rng.standard_normal((12, 2))  # the chains that find the step sizes
        weights = log_density_of_pixels(model, x[i] / 255, model_output(model, rng.standard_normal((50, 2))))
        assert found[i] == pytest.approx(np.logaddexp.reduce(weights) - np.log(50), abs=1e-3)


def test_what_annealing_cannot_do_says_so(images):
    model = built(small("vae"))
    for options in ({"temperatures": 1}, {"chains": 0}, {"leapfrog_steps": 0}, {"seed": -1}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
            annealed_importance_sampling(model, images[0], **options)
    with pytest.raises(NotImplementedError, match="GAN has no likelihood"):
        annealed_importance_sampling(genzoo.get("gan", hidden_dim=16), images[0])
    with pytest.raises(NotImplementedError, match="AAE has no standard normal prior"):
        annealed_importance_sampling(genzoo.get("aae", prior="swiss-roll", latent_dim=2), images[0])
