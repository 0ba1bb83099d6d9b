"""``log_likelihood`` and the bounds of the VAE family, against brute-force integration over one latent."""

import itertools

import numpy as np
import pytest
from keras import ops
from scipy import integrate, stats

import genzoo
from genzoo import registry
from genzoo.metrics import parzen_log_likelihood

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
