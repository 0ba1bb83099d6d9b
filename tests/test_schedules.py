"""Schedules at hand-computed steps, and inside a training run."""

import numpy as np
import pytest
from keras import ops

import genzoo
from genzoo import schedules


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1, 1]),
        ("linear", [0, 0.25, 0.5, 0.75, 1, 1]),
        ("sigmoid", [1 / (1 + np.exp(6)), 1 / (1 + np.exp(3)), 0.5, 1 / (1 + np.exp(-3)), 1 / (1 + np.exp(-6)), None]),
        ("cyclical", [0, 0.5, 1, 1, 0, 0.5]),
    ],
)
def test_schedules_at_every_quarter(name, expected):
    for step, wanted in zip(range(0, 60, 10), expected, strict=True):
        if wanted is not None:
            found = schedules.SCHEDULES[name](ops.convert_to_tensor(step), 40)
            assert float(ops.convert_to_numpy(found)) == pytest.approx(wanted, abs=1e-6)
    assert {"constant", "linear", "sigmoid", "cyclical"} == set(schedules.SCHEDULES)


def kl_weights(history):
    loss, reconstruction, kl = (np.array(history[k]) for k in ("loss", "reconstruction_loss", "kl_loss"))
    return (loss - reconstruction) / kl


def test_the_weight_rises_with_every_step_in_the_compiled_graph_and_resumes(images, tmp_path):
    x = images[0][:8]
    model = genzoo.get("vae", hidden_dim=16, latent_dim=4, kl_schedule="linear", kl_steps=4, seed=0)
    weights = kl_weights(model.fit(x, epochs=3, verbose=0).history)
    np.testing.assert_allclose(weights, [0, 0.25, 0.5], atol=2e-3)
    model.save(tmp_path / "vae.keras")
    loaded = genzoo.load(tmp_path / "vae.keras")
    np.testing.assert_allclose(kl_weights(loaded.fit(x, epochs=3, verbose=0).history), [0.75, 1, 1], atol=2e-3)


def test_free_bits_bound_the_cost_from_below(images):
    model = genzoo.get("vae", hidden_dim=16, latent_dim=4, free_bits=2.0, seed=0)
    history = model.fit(images[0], batch_size=20, verbose=0).history
    assert history["kl_loss"][0] < 4
    assert history["loss"][0] - history["reconstruction_loss"][0] == pytest.approx(8, rel=1e-4)


def test_capacity_holds_the_kl_at_its_value(images):
    model = genzoo.get("beta-vae", hidden_dim=16, capacity=3.0, capacity_steps=100, gamma=50.0, seed=0)
    model.compile("adam")  # ten times the paper's learning rate, for a tenth of its steps
    history = model.fit(images[0] > 127, batch_size=20, epochs=150, verbose=0).history
    assert history["kl_loss"][0] < 0.5
    assert np.mean(history["kl_loss"][-30:]) == pytest.approx(3, abs=0.5)


def test_beta_is_the_weight_of_the_kl(images):
    model = genzoo.get("beta-vae", hidden_dim=16, beta=4.0, seed=0)
    assert kl_weights(model.fit(images[0], verbose=0).history)[0] == pytest.approx(4, rel=1e-2)
    with pytest.raises(ValueError, match=r"`capacity` is a schedule of its own.*kl_schedule='linear'"):
        genzoo.get("beta-vae", capacity=25, kl_schedule="linear")


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("vae", {"kl_steps": 5}, "`kl_steps` goes with .*Received: kl_steps=5 without it"),
        ("vae", {"kl_schedule": "cyclical", "kl_steps": 1}, "`kl_steps`.*Received: kl_steps=1"),
        ("beta-vae", {"gamma": 10.0}, "`gamma` goes with .*Received: gamma=10.0 without it"),
        ("beta-vae", {"capacity_steps": 10}, "`capacity_steps` goes with .*without it"),
        ("beta-vae", {"capacity": 5.0, "beta": 2.0}, "`beta` has no effect beside a capacity.*Received: beta=2.0"),
    ],
)
def test_an_option_without_what_it_belongs_to_is_refused(name, config, message):
    with pytest.raises(ValueError, match=message):
        genzoo.get(name, **config)


def test_schedules_go_on_after_compiling_anew(images):
    x = images[0][:8]
    model = genzoo.get("vae", hidden_dim=16, latent_dim=4, kl_schedule="linear", kl_steps=4, seed=0)
    model.fit(x, epochs=3, verbose=0)
    model.compile("adam")
    assert int(model.optimizer.iterations) == 3
    np.testing.assert_allclose(kl_weights(model.fit(x, epochs=2, verbose=0).history), [0.75, 1], atol=2e-3)
