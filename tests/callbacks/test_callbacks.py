"""Callbacks in a real ``fit``, with real signals."""

import signal

import keras
import numpy as np
import pytest
from interrupting import Interrupting, send
from PIL import Image

import genzoo
from genzoo.callbacks import SampleGrid, StopOnSignal


class AtBatch(keras.callbacks.Callback):
    """Calls a function after the given batch of the first epoch."""

    def __init__(self, batch, function):
        super().__init__()
        self.batch, self.function = batch, function

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.batch:
            self.function()


def tiny_vae(learning_rate=0.01):
    model = genzoo.get("vae", latent_dim=2, hidden_dim=4, seed=0)
    model.compile(keras.optimizers.SGD(learning_rate))
    return model


@pytest.fixture
def handlers():
    """The handlers of the two signals, which must be there again after the test."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        signal.signal(number, handler)
    assert after == before


@pytest.mark.parametrize(("learning_rate", "equal"), [(0.0, True), (0.1, False)])
def test_sample_grid_shows_the_same_noise_after_every_epoch(tmp_path, images, learning_rate, equal):
    model, (x, _) = tiny_vae(learning_rate), images
    model.fit(x, epochs=3, verbose=0, callbacks=[SampleGrid(tmp_path / "samples", n=4, seed=1)])
    files = sorted((tmp_path / "samples").iterdir())
    assert [file.name for file in files] == ["epoch-001.png", "epoch-002.png", "epoch-003.png"]
    pictures = [np.asarray(Image.open(file)) for file in files]
    assert pictures[0].std() > 0
    assert all(np.array_equal(pictures[0], other) is equal for other in pictures[1:])
    np.testing.assert_array_equal(pictures[2], genzoo.viz.image_grid(model.sample(4, seed=1)))


def test_sample_grid_changes_nothing_in_training(tmp_path, images):
    with_grid, without = tiny_vae(), tiny_vae()
    with_grid.fit(images[0], epochs=2, verbose=0, callbacks=[SampleGrid(tmp_path, n=4)])
    without.fit(images[0], epochs=2, verbose=0)
    for one, other in zip(with_grid.get_weights(), without.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_signal_ends_fit_after_the_batch(images, handlers, number):
    model, stop = tiny_vae(), StopOnSignal()
    history = model.fit(images[0], batch_size=4, epochs=9, verbose=0, callbacks=[AtBatch(2, send(number)), stop])
    assert stop.received == number
    assert int(model.optimizer.iterations) == 3
    assert len(history.history["loss"]) == 1
    assert np.isfinite(model.sample(3, seed=0)).all()
    model.fit(images[0], batch_size=4, verbose=0, callbacks=[stop])  # usable again, and so is the callback
    assert stop.received is None
    assert int(model.optimizer.iterations) == 3 + 5


def test_signal_in_the_middle_of_a_step_costs_no_weights(images, handlers):
    model, stop = tiny_vae(), StopOnSignal()
    data = Interrupting(images[0], signal.SIGINT)  # on JAX the weights are with the step and not in the model then
    model.fit(data, shuffle=False, epochs=2, verbose=0, callbacks=[stop])
    assert stop.received == signal.SIGINT
    assert 1 <= int(model.optimizer.iterations) < 5
    assert np.isfinite(model.sample(3, seed=0)).all()
    model.fit(images[0], verbose=0)


def test_second_signal_interrupts_at_once(images, handlers):
    def twice():
        send(signal.SIGINT)()
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)()

    stop = StopOnSignal()
    model = tiny_vae()
    model.fit(images[0], batch_size=4, epochs=9, verbose=0, callbacks=[AtBatch(0, twice), stop])
    assert stop.received == signal.SIGINT
    assert int(model.optimizer.iterations) == 1


def test_handlers_come_back_even_after_a_fit_that_raised(images, handlers):
    def fail():
        raise RuntimeError("on purpose")

    stop = StopOnSignal()
    with pytest.raises(RuntimeError, match="on purpose"):
        tiny_vae().fit(images[0], verbose=0, callbacks=[AtBatch(0, fail), stop])
    assert signal.getsignal(signal.SIGINT) == stop._note
    tiny_vae().fit(images[0], verbose=0, callbacks=[stop])


def test_without_a_signal_nothing_happens(images, handlers):
    stop = StopOnSignal()
    history = tiny_vae().fit(images[0], epochs=2, verbose=0, callbacks=[stop])
    assert stop.received is None
    assert len(history.history["loss"]) == 2
