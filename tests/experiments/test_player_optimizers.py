"""A player's optimizer as data: Keras' class, its options, schedules in epochs; exact on resume; errors that help."""

import dataclasses
import json
import math

import keras
import numpy as np
import pytest
from small_models import CONFIG, train

import genzoo
from genzoo.data.batches import ImageBatches
from genzoo.experiments.optimizers import compile_with
from genzoo.experiments.runs import Run
from genzoo.experiments.training import Training
from genzoo.optimizers import ScheduledSGD

STEPS = 5  # per epoch


def made(name="vae", rate=None, steps=STEPS, **optimizers):
    model = genzoo.get(name, hidden_dim=8, latent_dim=2)
    compile_with(model, optimizers, rate, steps)
    return model.optimizer


def burda(step):
    ends = np.cumsum([3**i for i in range(8)])
    return 1e-3 * 10 ** (-min(np.searchsorted(ends, step // STEPS, side="right"), 7) / 7)


@pytest.mark.parametrize(
    ("schedule", "closed_form"),
    [
        (
            {"schedule": "piecewise", "start": 1e-4, "epochs": [200, 350], "factors": [10**-0.2, 10**-0.4]},
            lambda step: 1e-4 * 10 ** (-0.2 * ((step >= 200 * STEPS) + (step >= 350 * STEPS))),
        ),
        (
            {"schedule": "exponential", "start": 0.1, "factor": 1 / 1.000004, "steps": 1},
            lambda step: 0.1 * math.exp(-step * math.log1p(4e-6)),
        ),
        (
            {"schedule": "exponential", "start": 2.0, "factor": 0.75, "steps": 7},
            lambda step: 2.0 * 0.75 ** (step / 7),
        ),
        (
            {"schedule": "exponential", "start": 2e-4, "factor": 0.01, "epochs": [200, 400]},
            lambda step: 2e-4 * 0.01 ** (max(step / STEPS - 200, 0) / 200),
        ),
        (
            {"schedule": "linear", "start": 0.5, "end": 0.7, "epochs": [1, 250]},
            lambda step: 0.5 + 0.2 * min(max(step / STEPS - 1, 0) / 249, 1),
        ),
        ({"schedule": "burda", "start": 1e-3}, burda),
    ],
    ids=["piecewise", "per step", "per seven steps", "second half", "linear", "burda"],
)
def test_schedules_are_their_closed_forms(schedule, closed_form):
    rate = made(autoencoder={"learning_rate": schedule})["autoencoder"]
    ends = {STEPS * epoch + off for epoch in (0, 1, 4, 13, 200, 250, 350, 400, 3000) for off in (-1, 0, 1)}
    for step in sorted(step for step in ends if step >= 0):
        rate.iterations.assign(step)
        found = float(keras.ops.convert_to_numpy(rate.learning_rate))
        assert found == pytest.approx(closed_form(step), rel=2e-5), step


def test_options_are_keras_own_and_what_is_not_said_stays():
    chosen = {"class": "AdamW", "learning_rate": 0.5, "beta_1": 0.8, "weight_decay": 2.5e-5, "clipvalue": 1}
    players = made("gan", discriminator=chosen, generator={"global_clipnorm": 5.0, "momentum": 0})
    assert isinstance(players["discriminator"], keras.optimizers.AdamW)
    assert players["discriminator"].get_config().items() >= {k: v for k, v in chosen.items() if k != "class"}.items()
    own = genzoo.get("gan").optimizer["generator"].get_config()
    changed = players["generator"].get_config()
    assert changed == {**own, "global_clipnorm": 5.0, "momentum": 0.0, "name": changed["name"]}
    rising = {"schedule": "linear", "start": 0.5, "end": 0.7, "epochs": [1, 250]}
    momentum = made("gan", generator={"momentum": rising})["generator"]
    assert isinstance(momentum, ScheduledSGD)
    assert float(momentum.learning_rate) == pytest.approx(own["learning_rate"])


def test_a_rate_for_every_player_is_where_schedules_start():
    falling = {"schedule": "piecewise", "start": 0.1, "epochs": [1], "factors": [0.5]}
    players = made("gan", rate=0.4, discriminator={"learning_rate": falling})
    for steps, rates in ((0, (0.4, 0.4)), (STEPS, (0.2, 0.4))):
        players["discriminator"].iterations.assign(steps)
        assert [float(players[name].learning_rate) for name in players.names] == pytest.approx(rates)


def test_epochs_of_a_player_that_moves_often_have_more_updates():
    model = genzoo.get("wgan-gp", discriminator_steps=3)
    falling = {"learning_rate": {"schedule": "piecewise", "epochs": [2], "factors": [0.5]}}
    compile_with(model, dict.fromkeys(model.players, falling), None, STEPS)
    ends = {name: model.optimizer[name].get_config()["learning_rate"]["config"] for name in model.players}
    assert {name: end["boundaries"] for name, end in ends.items()} == {
        "discriminator": [3 * 2 * STEPS - 1],
        "generator": [2 * STEPS - 1],
    }


OPTIMIZERS = {
    "autoencoder": {
        "class": "SGD",
        "clipnorm": 1.0,
        "learning_rate": {"schedule": "exponential", "start": 1e-3, "factor": 0.1, "epochs": [1, 2]},
        "momentum": {"schedule": "linear", "start": 0.5, "end": 0.7, "epochs": [0, 2]},
    }
}


def test_a_run_follows_them_and_resumes_exactly(tmp_path, images):
    asked = dataclasses.replace(CONFIG, optimizers=OPTIMIZERS)
    assert Training.from_json(json.loads(json.dumps(asked.to_json()))) == asked
    assert "optimizers" not in CONFIG.to_json()  # as before
    batches = ImageBatches(*images, batch_size=8, seed=0)
    for name, stops in (("whole", [3]), ("halved", [1, 3])):
        run = Run.create(tmp_path / name, asked)
        for epochs in stops:
            run = Run.open(run.directory)
            train(run, run.model(), batches, epochs)
    whole, halved = (genzoo.load(tmp_path / name) for name in ("whole", "halved"))
    for a, b in zip(whole.optimizer.variables, halved.optimizer.variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))
    rate = whole.optimizer["autoencoder"]
    assert float(rate.learning_rate) == pytest.approx(1e-3 * 0.1**2, rel=1e-4)  # an epoch beyond the interval
    assert float(rate.momentum_schedule(rate.iterations)) == pytest.approx(0.7)


RATE = {"schedule": "piecewise", "start": 0.1, "epochs": [1, 2], "factors": [0.5, 0.1]}


@pytest.mark.parametrize(
    ("optimizers", "message"),
    [
        ({"generater": {}}, "Unknown player with an optimizer. Received: 'generater'.*'generator'"),
        ({"generator": {"class": "Adamm"}}, "Unknown class of generator's optimizer.*Did you mean 'Adam'"),
        ({"generator": {"class": "LossScaleOptimizer"}}, "Unknown class of generator's optimizer"),
        ({"generator": {"class": ["Adam"]}}, "Unknown class of generator's optimizer"),
        ({"generator": {"clipnrm": 1}}, "Unknown option of generator's optimizer SGD.*Did you mean 'clipnorm'"),
        ({"generator": {"clipnorm": "a"}}, "`generator.clipnorm` must be a number.*'a'"),
        ({"generator": {"clipnorm": math.nan}}, "`generator.clipnorm` must be a number"),
        ({"generator": {"clipnorm": 1, "clipvalue": 1}}, "The optimizer of 'generator' cannot be made: Only one of"),
        ({"generator": {"clipnorm": RATE}}, "`generator.clipnorm` must be a number"),
        ({"generator": {"learning_rate": -1}}, "`generator.learning_rate` must be a number above 0"),
        ({"generator": {"learning_rate": {**RATE, "schedule": "cosine"}}}, "Unknown schedule of generator.learning_ra"),
        ({"generator": {"learning_rate": {**RATE, "schedule": []}}}, "Unknown schedule of generator.learning_rate"),
        ({"generator": {"learning_rate": {**RATE, "factor": 1}}}, "Unknown field of generator.learning_rate, a sche"),
        ({"generator": {"learning_rate": {**RATE, "epochs": [2, 2]}}}, "must be some epochs, later ones last"),
        ({"generator": {"learning_rate": {**RATE, "epochs": [1, "2"]}}}, "must be an integer of at least 0"),
        ({"generator": {"learning_rate": {**RATE, "factors": [1]}}}, "takes as many factors as epochs"),
        ({"generator": {"learning_rate": {"schedule": "linear"}}}, "a schedule 'linear', lacks end, epochs"),
        ({"generator": {"class": "Adam", "learning_rate": {"schedule": "burda"}}}, "a schedule 'burda', lacks start"),
        (
            {"generator": {"learning_rate": {"schedule": "exponential", "factor": 0.5}}},
            "takes either two epochs or steps",
        ),
        ({"generator": {"class": "Adam", "momentum": RATE}}, "Unknown option of generator's optimizer Adam"),
    ],
)
def test_what_cannot_be_made_is_refused(optimizers, message):
    with pytest.raises(ValueError, match=message):
        made("gan", **optimizers)


def test_epochs_need_data_of_known_length():
    with pytest.raises(ValueError, match=r"`generator.learning_rate` is told in epochs, and nobody knows how many"):
        made("gan", steps=None, generator={"learning_rate": RATE})
