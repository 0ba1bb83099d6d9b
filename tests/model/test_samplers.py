"""Latent samplers against scikit-learn and closed forms, and on their way through model, file and other backends."""

import sys

import numpy as np
import pytest
from backends import INSTALLED, OTHERS, beside, needs_another
from processes import run_python
from sklearn.mixture import GaussianMixture
from small_models import small
from typer.testing import CliRunner

import genzoo
from genzoo.cli.app import app
from genzoo.data.batches import ImageBatches
from genzoo.model.samplers import Mixture, fit
from genzoo.testing.subjects import equal, global_random_state, state_of

FITTED = ("gaussian-mixture", "aggregated-posterior")


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype="uint8")


@pytest.fixture(scope="module")
def y():
    return np.arange(40) % 10


@pytest.fixture(scope="module")
def trained(x, y):
    """Models by name that tests leave as they are, but for their samplers."""
    models = {name: small(name) for name in ("vae", "cvae", "aae", "gan")}
    for model in models.values():
        model.fit(x, y, batch_size=8, verbose=0)
    rng = np.random.default_rng(0)  # the paper's initial weights make an image of grey of every code
    models["aae"].set_weights([rng.normal(0, 0.5, weight.shape) for weight in models["aae"].get_weights()])
    return models


def codes_of_three_clusters(n=600):
    rng = np.random.default_rng(1)
    spread = np.array([[1.0, 0.8], [0.0, 0.3]])
    return (np.array([[0, 0], [6, 2], [-5, 4]])[np.arange(n) % 3] + rng.standard_normal((n, 2)) @ spread).astype("f4")


def moments(z):
    return z.mean(axis=0), np.cov(z.T, bias=True)


def assert_moments(z, mean, covariance):
    """The first two moments of 200,000 draws."""
    np.testing.assert_allclose(z.mean(axis=0), mean, atol=0.03)
    np.testing.assert_allclose(np.cov(z.T), covariance, rtol=0.02, atol=0.05)


def test_a_gaussian_mixture_is_that_of_scikit_learn():
    codes = codes_of_three_clusters()
    ours = fit("gaussian-mixture", codes, np.zeros_like(codes), n_components=3, seed=4)
    theirs = GaussianMixture(3, random_state=4, max_iter=500).fit(codes.astype("float64"))
    np.testing.assert_array_equal(ours.means, theirs.means_)
    np.testing.assert_array_equal(ours.weights, theirs.weights_)
    np.testing.assert_allclose(ours.factors @ ours.factors.transpose(0, 2, 1), theirs.covariances_, rtol=1e-12)
    z = ours.draw(200_000, np.random.default_rng(0))
    mean = theirs.weights_ @ theirs.means_
    between = (theirs.means_ - mean).T @ (theirs.weights_[:, None] * (theirs.means_ - mean))
    assert_moments(z, mean, np.tensordot(theirs.weights_, theirs.covariances_, 1) + between)
    share = np.bincount(theirs.predict(z.astype("float64")), minlength=3) / len(z)
    np.testing.assert_allclose(share, theirs.weights_, atol=0.005)


@pytest.mark.parametrize("name", FITTED)
def test_the_noise_of_the_encoder_belongs_to_the_codes(name):
    """Var z = Var E[z | x] + E Var[z | x], for one Gaussian of many images, and for the posterior itself."""
    means = np.repeat(codes_of_three_clusters(), 40, axis=0)
    deviations = np.abs(np.random.default_rng(2).normal(1.0, 0.5, means.shape)).astype("float32")
    options = {"n_components": 1} if name == "gaussian-mixture" else {}
    z = fit(name, means, deviations, **options).draw(200_000, np.random.default_rng(0))
    mean, covariance = moments(means)
    assert_moments(z, mean, covariance + np.diag(np.square(deviations).mean(axis=0)))


def test_the_aggregated_posterior_of_an_encoder_without_noise_is_its_codes(trained, x):
    model = trained["aae"]
    model.fit_sampler("aggregated-posterior", x)
    images, reconstructions = model.sample(200, sampler="aggregated-posterior", seed=0), model.reconstruct(x)
    distances = np.abs(images[:, None] - reconstructions[None]).max(axis=(2, 3, 4))
    assert distances.min(axis=1).max() < 1e-5
    assert len(np.unique(distances.argmin(axis=1))) > 30  # of 40 images


def test_every_label_has_a_sampler_of_its_own():
    labels = np.arange(600) % 3
    for name in FITTED:
        options = {"n_components": 2} if name == "gaussian-mixture" else {}
        codes = codes_of_three_clusters()
        mixture = fit(name, codes, np.zeros_like(codes), labels, **options)
        z, ids = mixture.draw(30_000, np.random.default_rng(0), labels.repeat(50)), labels.repeat(50)
        for label in range(3):
            for one, other in zip(moments(z[ids == label]), moments(codes[labels == label]), strict=True):
                np.testing.assert_allclose(one, other, atol=0.06)
        with pytest.raises(ValueError, match="fitted to no image of label 7"):
            mixture.draw(2, np.random.default_rng(0), np.array([1, 7]))


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize("model", ["vae", "cvae", "aae"])
def test_samples_are_decoded_draws_that_a_seed_fixes(trained, model, name, x, y):
    model = trained[model]
    options, before = ({"n_components": 2} if name == "gaussian-mixture" else {}), global_random_state()
    for _ in range(2):
        model.fit_sampler(name, x, y, **options)
    images = model.sample(20, sampler=name, seed=3)
    assert global_random_state() == before
    labels = {"labels": np.arange(20) % 10} if "conditional" in model.tags else {}
    mixture = model._samplers.get(name, model._checksum())
    z = mixture.draw(20, np.random.default_rng(3), labels.get("labels"))
    np.testing.assert_array_equal(images, model.decode(z, **labels))
    np.testing.assert_array_equal(images, model.sample(20, sampler=name, seed=3))
    assert np.abs(images - model.sample(20, sampler=name, seed=4)).max() > 1e-3
    assert np.abs(images - model.sample(20, seed=3)).max() > 1e-3
    assert name in model.fitted_samplers


def test_standard_normal_is_the_prior(trained):
    model = trained["vae"]
    for options in ({}, {"temperature": 0.5}, {"truncation": 1.0}):
        prior = model.sample(4, seed=1, **options)
        np.testing.assert_array_equal(model.sample(4, sampler="standard-normal", seed=1, **options), prior)
    with pytest.raises(ValueError, match="The prior of AAE is not a standard normal"):
        trained["aae"].sample(4, sampler="standard-normal")


def forms(x, y):
    """The same images in the forms that ``fit`` takes."""
    yield "tuple", ((x, y), None)
    yield "dict", ({"image": x, "label": y[:, None]}, None)
    yield "batches", (ImageBatches(x, y, batch_size=16), None)
    yield "generator", (((x[i : i + 16], y[i : i + 16]) for i in range(0, 40, 16)), None)
    if "torch" in INSTALLED:
        import torch

        tensors = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
        yield "loader", (torch.utils.data.DataLoader(tensors, batch_size=16), None)


def test_images_come_in_every_form_that_fit_takes(trained, x, y):
    model = trained["cvae"]
    model.fit_sampler("aggregated-posterior", x, y)
    expected = model.sample(10, sampler="aggregated-posterior", seed=0)
    for form, (images, labels) in forms(x, y):
        model.fit_sampler("aggregated-posterior", images, labels)
        found = model.sample(10, sampler="aggregated-posterior", seed=0)
        np.testing.assert_array_equal(found, expected, err_msg=form)


def test_no_more_images_than_asked_for_and_none_without_a_label(x, y):
    model = small("aae", latent_dim=2, prior="swiss-roll", num_classes=10)
    some = np.where(np.arange(40) < 20, y, -1)
    model.fit(x, some, batch_size=8, verbose=0)
    for data, labels in ((x, some), (ImageBatches(x, some, batch_size=8), None)):
        model.fit_sampler("aggregated-posterior", data, labels, max_images=15)
        mixture = model._samplers.get("aggregated-posterior", model._checksum())
        assert len(mixture.means) == 15
        codes = model.encode(x[:20])
        assert np.abs(mixture.means[:, None] - codes[None]).max(axis=2).min(axis=1).max() < 1e-5
    model.fit_sampler("aggregated-posterior", ((x[i : i + 8], some[i : i + 8]) for i in range(0, 40, 8)))
    assert len(model._samplers.get("aggregated-posterior", model._checksum()).means) == 20


def test_training_is_the_same_with_a_sampler_and_makes_it_stale(x):
    one, other = small("vae"), small("vae")
    for model in (one, other):
        model.fit(x, batch_size=8, verbose=0)
    for name in FITTED:
        one.fit_sampler(name, x, **({"n_components": 2} if name == "gaussian-mixture" else {}))
    assert equal(state_of(one), state_of(other))
    for model in (one, other):
        model.fit(x, epochs=2, initial_epoch=1, batch_size=8, verbose=0)
    assert equal(state_of(one), state_of(other))
    assert one.fitted_samplers == ()
    for name in FITTED:
        with pytest.raises(ValueError, match=rf"{name}' is stale: .* Call model.fit_sampler\('{name}', x\)"):
            one.sample(2, sampler=name)


def test_what_cannot_be_is_refused(trained, x):
    vae, gan = trained["vae"], trained["gan"]
    with pytest.raises(ValueError, match=r"Unknown sampler. Received: 'gausian-mixture'. Did you mean 'gaussian-mixt"):
        vae.sample(2, sampler="gausian-mixture")
    with pytest.raises(ValueError, match=r"Unknown sampler.*Did you mean 'aggregated-posterior'"):
        vae.fit_sampler("agregated-posterior", x)
    with pytest.raises(ValueError, match=r"'gaussian-mixture' is not fitted. Call model.fit_sampler\("):
        small("vae").sample(2, sampler="gaussian-mixture")
    with pytest.raises(ValueError, match="is the model's prior, which needs no fit"):
        vae.fit_sampler("standard-normal", x)
    with pytest.raises(NotImplementedError, match="GAN has no encoder, so it cannot fit a sampler"):
        gan.fit_sampler("gaussian-mixture", x)
    with pytest.raises(NotImplementedError, match="GAN has no encoder, so it cannot draw from a sampler"):
        gan.sample(2, sampler="standard-normal")
    vae.fit_sampler("aggregated-posterior", x)
    for options in ({"temperature": 0.5}, {"truncation": 1.0}):
        with pytest.raises(ValueError, match="are for latents of the prior"):
            vae.sample(2, sampler="aggregated-posterior", **options)
    with pytest.raises(ValueError, match="`n_components` goes with the sampler 'gaussian-mixture'"):
        vae.fit_sampler("aggregated-posterior", x, n_components=3)
    with pytest.raises(ValueError, match=r"10 components need at least 10 images. Received: 4"):
        vae.fit_sampler("gaussian-mixture", x[:4])
    with pytest.raises(ValueError, match=r"10 components need at least 10 images of label 0. Received: 4"):
        trained["cvae"].fit_sampler("gaussian-mixture", x, np.arange(40) % 10)
    with pytest.raises(ValueError, match="CVAE needs labels"):
        trained["cvae"].fit_sampler("gaussian-mixture", x)
    with pytest.raises(ValueError, match="Float images must lie in"):
        vae.fit_sampler("gaussian-mixture", x.astype("float32"))
    with pytest.raises(ValueError, match="Not a mixture of Gaussians"):
        Mixture(np.zeros((3, 2)), weights=np.ones(4))


def test_a_file_holds_the_samplers(trained, x, y, tmp_path):
    for name in ("vae", "cvae", "aae"):
        model = trained[name]
        model.fit_sampler("gaussian-mixture", x, y, n_components=2)
        model.fit_sampler("aggregated-posterior", x, y)
        model.save(tmp_path / f"{name}.keras")
        for compile in (True, False):
            loaded = genzoo.load(tmp_path / f"{name}.keras", compile=compile)
            assert set(loaded.fitted_samplers) == set(FITTED)
            for sampler in FITTED:
                images = loaded.sample(9, sampler=sampler, seed=5)
                np.testing.assert_array_equal(images, model.sample(9, sampler=sampler, seed=5))
    before, after = small("vae"), small("vae")
    before.fit(x, batch_size=8, verbose=0)
    before.save(tmp_path / "without.keras")
    after = genzoo.load(tmp_path / "without.keras")
    assert after.fitted_samplers == ()


@needs_another
def test_another_backend_draws_the_same(trained, x, y, tmp_path):
    for name in ("vae", "cvae", "aae"):
        for sampler in FITTED:
            options = {"n_components": 2} if sampler == "gaussian-mixture" else {}
            trained[name].fit_sampler(sampler, x, y, **options)
        trained[name].save(tmp_path / f"{name}.keras")
    run_python(
        """
        import numpy as np, genzoo
        for name in ("vae", "cvae", "aae"):
            model = genzoo.load(f"{sys.argv[1]}/{name}.keras")
            images = {s: model.sample(9, sampler=s, seed=5) for s in ("gaussian-mixture", "aggregated-posterior")}
            np.savez(f"{sys.argv[1]}/{name}.npz", **images)
        """,
        tmp_path,
        hidden=beside(OTHERS[0]),
        KERAS_BACKEND=OTHERS[0],
    )
    for name in ("vae", "cvae", "aae"):
        there = np.load(tmp_path / f"{name}.npz")
        for sampler in FITTED:
            np.testing.assert_allclose(there[sampler], trained[name].sample(9, sampler=sampler, seed=5), atol=1e-4)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.mixture", None)  # how Python notes that there is none
    codes = np.zeros((9, 2))
    fit("aggregated-posterior", codes, codes)
    with pytest.raises(ModuleNotFoundError, match=r"fitted by scikit-learn. Install it: pip install genzoo\[metrics\]"):
        fit("gaussian-mixture", codes, codes, n_components=1)


def test_the_command_fits_a_sampler_to_the_runs_data(tmp_path):
    run, picture = tmp_path / "run", tmp_path / "grid.png"
    options = ["--set", "hidden_dim=16", "--set", "latent_dim=2"]
    CliRunner().invoke(app, ["train", "vae", "--epochs", "1", "--out", str(run), *options], catch_exceptions=False)
    arguments = ["sample", str(run), "-n", "4", "--sampler", "gaussian-mixture", "-o", str(picture)]
    CliRunner().invoke(app, arguments, catch_exceptions=False)
    model, digits = genzoo.load(run), genzoo.data.load("digits", batch_size=128)
    model.fit_sampler("gaussian-mixture", digits)
    images = model.sample(4, sampler="gaussian-mixture", seed=0)
    genzoo.viz.save_image(tmp_path / "expected.png", genzoo.viz.image_grid(images))
    assert picture.read_bytes() == (tmp_path / "expected.png").read_bytes()
    result = CliRunner().invoke(app, ["sample", str(run), "--sampler", "gaussian-mixtur"])
    assert "Did you mean 'gaussian-mixture'" in str(result.exception)
