"""The example of posterior collapse: a causal decoder, and latents that annealing keeps."""

import keras
import numpy as np
import pytest
from keras import ops
from places import example

import genzoo
from genzoo.metrics import active_units


@pytest.fixture(scope="module", name="example")
def module():
    return example("posterior_collapse")


@pytest.fixture
def binary():
    return np.random.default_rng(0).random((8, 5, 4, 1)) < 0.5


@pytest.fixture
def model(example, binary):
    model = example.StrongDecoderVAE(latent_dim=3, hidden_dim=16, seed=0)
    model.fit(binary, verbose=0)
    return model


def logits(model, z, x):
    return ops.convert_to_numpy(model.decoder_output(ops.convert_to_tensor(z), None, ops.convert_to_tensor(x)))


def test_a_pixel_changes_the_logits_of_later_pixels_alone(model, binary):
    x, z = binary.astype("float32"), np.zeros((8, 3), "float32")
    before = logits(model, z, x).reshape(8, -1)
    for i in range(20):
        changed = x.reshape(8, -1).copy()
        changed[:, i] = 1 - changed[:, i]
        difference = np.abs(logits(model, z, changed.reshape(x.shape)).reshape(8, -1) - before).max(axis=0)
        assert difference[: i + 1].max() == 0
        assert i == 19 or difference[i + 1 :].max() > 1e-4


def test_every_pixel_hears_the_latents(model, binary):
    x = binary.astype("float32")
    difference = np.abs(logits(model, np.ones((8, 3), "float32"), x) - logits(model, np.zeros((8, 3), "float32"), x))
    assert (difference.max(axis=0) > 0).all()


def test_decoding_takes_each_pixel_at_its_likelier_value_given_those_before(model):
    z = np.random.default_rng(1).standard_normal((2, 3), dtype="float32")
    x = np.zeros((2, 5, 4, 1), "float32")
    for i in range(20):
        x.reshape(2, -1)[:, i] = logits(model, z, x).reshape(2, -1)[:, i] > 0
    images = model.decode(z)
    assert images.shape == (2, 5, 4, 1)
    np.testing.assert_allclose(images, 1 / (1 + np.exp(-logits(model, z, x))), atol=1e-5)


def test_it_loads_as_it_was_saved(model, binary, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = genzoo.load(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    np.testing.assert_allclose(loaded.encode(binary), model.encode(binary), atol=1e-6)
    np.testing.assert_allclose(loaded.reconstruct(binary), model.reconstruct(binary), atol=1e-6)
    np.testing.assert_allclose(
        loaded.log_likelihood(binary, 5, seed=0), model.log_likelihood(binary, 5, seed=0), atol=1e-4
    )


@pytest.mark.slow
def test_annealing_keeps_latents_that_a_constant_weight_loses(example, mnist_dir):
    train, test = (example.binary_mnist(split, mnist_dir) for split in ("train[:20000]", "test"))
    active, kl = {}, {}
    for schedule in ("constant", "linear"):
        model, _ = example.trained(schedule, train, epochs=12, seed=0)
        scores = model.evaluate(test, verbose=0, return_dict=True)
        active[schedule], kl[schedule] = active_units(model.encode(test)), scores["kl_loss"]
        elbo = -scores["kl_loss"] - scores["reconstruction_loss"]
        print(f"{keras.config.backend()}, {schedule}: {active[schedule]} of 8 active, {kl[schedule]=:.2f}, {elbo=:.2f}")
    assert active["constant"] <= 1
    assert kl["constant"] < 0.3
    assert active["linear"] >= 2
    assert kl["linear"] > 1.5
