"""Optimizers per player, behind Keras' one optimizer."""

import keras
import numpy as np
import pytest
from toys import LATENT, ToyGAN, ToyOverlap

import genzoo


def rates(model):
    return {player: round(float(model.optimizer[player].learning_rate), 8) for player in model.optimizer.names}


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (None, {"discriminator": ("SGD", 0.1), "generator": ("SGD", 0.1)}),
        ("adam", {"discriminator": ("Adam", 0.001), "generator": ("Adam", 0.001)}),
        (keras.optimizers.RMSprop(0.02), {"discriminator": ("RMSprop", 0.02), "generator": ("RMSprop", 0.02)}),
        ({"generator": keras.optimizers.Adam(0.25)}, {"discriminator": ("SGD", 0.1), "generator": ("Adam", 0.25)}),
        ({"generator": "adam"}, {"discriminator": ("SGD", 0.1), "generator": ("Adam", 0.001)}),
    ],
    ids=["default", "name", "one-for-all", "dict", "dict-of-names"],
)
def test_compile_gives_every_player_its_optimizer(optimizer, expected):
    model = ToyGAN()
    model.compile(optimizer)
    found = {p: (type(model.optimizer[p]).__name__, rates(model)[p]) for p in model.optimizer.names}
    assert found == expected
    assert model.optimizer["generator"] is not model.optimizer["discriminator"]


def test_compile_refuses_what_it_cannot_mean():
    model, shared = ToyGAN(), keras.optimizers.SGD(0.1)
    with pytest.raises(ValueError, match=r"Unknown player.*'generater'.*Did you mean 'generator'"):
        model.compile({"generater": "adam"})
    with pytest.raises(ValueError, match="same optimizer object"):
        model.compile({"generator": shared, "discriminator": shared})
    with pytest.raises(ValueError, match=r"brings its paper's loss.*Received: loss='mse'.*Pass only an optimizer"):
        model.compile("adam", "mse")


def test_setting_the_learning_rate_keeps_the_ratio_between_players():
    model = ToyOverlap()
    model.compile()
    assert rates(model) == {"autoencoder": 0.01, "prior": 0.1}
    model.optimizer.learning_rate = 0.005
    assert rates(model) == {"autoencoder": 0.005, "prior": 0.05}


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        (keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2), 0.1 / 4),
        (
            keras.callbacks.ReduceLROnPlateau("generator_loss", factor=0.1, patience=0, min_delta=100.0, mode="min"),
            0.01,
        ),
    ],
    ids=["scheduler", "plateau"],
)
def test_learning_rate_callbacks_reach_every_player(callback, expected):
    model = ToyGAN(seed=0)
    x, y = np.ones((4, 2, 2, 1), "float32"), np.ones((4, 2, LATENT), "float32")
    model.fit(x, y, epochs=2, callbacks=[callback], verbose=0)
    assert rates(model) == pytest.approx({"discriminator": expected, "generator": expected}, rel=1e-4)


def test_learning_rate_schedules_count_a_players_own_steps():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=1, decay_rate=0.5)
    model = ToyGAN(seed=0)
    model.compile({"generator": keras.optimizers.SGD(schedule)})
    model.fit(np.ones((8, 2, 2, 1), "float32"), np.ones((8, 2, LATENT), "float32"), batch_size=4, verbose=0)
    assert rates(model)["generator"] == pytest.approx(0.025)
    assert rates(model)["discriminator"] == pytest.approx(0.1)


def test_optimizer_side_averages_are_written_at_the_end_of_fit():
    model = ToyGAN(seed=0)
    model.compile({"generator": keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=1.0)})
    model.build((None, 2, 2, 1))
    model.fit(np.ones((4, 2, 2, 1), "float32"), np.ones((4, 2, LATENT), "float32"), epochs=2, batch_size=4, verbose=0)
    averages = model.optimizer["generator"].variables[-4:]
    for weight, average in zip(model.generator.get_weights(), averages, strict=True):
        np.testing.assert_array_equal(weight, keras.ops.convert_to_numpy(average))


def test_the_optimizer_survives_its_config():
    model = ToyOverlap()
    model.compile({"prior": keras.optimizers.SGD(0.25, momentum=0.5)})
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model.optimizer))
    assert copy.names == model.optimizer.names
    assert copy["prior"].get_config() == model.optimizer["prior"].get_config()


def test_get_compiles_with_the_papers_settings():
    assert rates(genzoo.get("vae")) == {"autoencoder": 0.001}
    assert rates(genzoo.get("dcgan")) == {"discriminator": 0.0001, "generator": 0.0001}
