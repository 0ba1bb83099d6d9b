"""Schedules and momenta that Keras does not have, against closed forms, and in files."""

import keras
import numpy as np
import pytest
from keras.optimizers import schedules

import genzoo
from genzoo.optimizers import Later, ScheduledSGD

RISING = schedules.PolynomialDecay(0.5, decay_steps=4, end_learning_rate=0.9)


def by_hand(gradients, momenta, rate=0.1):
    """The values after each update, from 0."""
    value, velocity, values = np.zeros(2), np.zeros(2), []
    for gradient, momentum in zip(gradients, momenta, strict=True):
        velocity = momentum * velocity - rate * gradient
        value = value + velocity
        values.append(value)
    return np.array(values)


def test_momentum_follows_its_schedule():
    gradients = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
    variable, optimizer, values = keras.Variable(np.zeros(2), dtype="float32"), ScheduledSGD(0.1, RISING), []
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        values.append(keras.ops.convert_to_numpy(variable))
    momenta = [min(0.5 + 0.1 * step, 0.9) for step in range(8)]
    np.testing.assert_allclose(values, by_hand(gradients, momenta), rtol=1e-5, atol=1e-7)


def test_a_model_trains_with_it_and_resumes_exactly(tmp_path, images):
    def fitted(model, epochs):
        model.fit(*images, batch_size=8, epochs=epochs, verbose=0)
        return model

    def new():
        model = genzoo.get("gan", hidden_dim=8, latent_dim=2, seed=0)
        model.compile({"generator": ScheduledSGD(Later(RISING, 3), Later(RISING, 2), weight_decay=1e-3)})
        return model

    whole, halved = fitted(new(), 2), fitted(new(), 1)
    halved.save(tmp_path / "halved.keras")
    halved = genzoo.load(tmp_path / "halved.keras")
    assert type(halved.optimizer["generator"]) is ScheduledSGD
    configs = [model.optimizer["generator"].get_config() for model in (halved, whole)]
    assert configs[0] == {**configs[1], "name": configs[0]["name"]}
    fitted(halved, 1)
    for a, b in zip(whole.get_weights(), halved.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_later_shifts_a_schedule():
    falling = schedules.ExponentialDecay(1.0, decay_steps=10, decay_rate=0.5)
    later = Later.from_config(Later(falling, 7).get_config())
    for step in (0, 6, 7, 12, 40):
        assert float(later(step)) == pytest.approx(0.5 ** (max(step - 7, 0) / 10))


@pytest.mark.parametrize("options", [{"momentum": 0.5}, {"momentum": RISING, "nesterov": True}])
def test_what_it_cannot_do_is_refused(options):
    with pytest.raises(ValueError, match=r"Expected a keras.optimizers.schedules.LearningRateSchedule as momentum"):
        ScheduledSGD(0.1, **options)
