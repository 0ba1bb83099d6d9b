"""Every callback that Keras ships, through a model with one player and one with two: what it is for, it does."""

import csv
import http.server
import importlib.util
import json
import threading
import warnings

import keras
import numpy as np
import pytest
from small_models import assert_equal, small

import genzoo
from genzoo.testing.subjects import state_of

MODELS = {"vae": ("loss",), "lsgan": ("discriminator_loss", "generator_loss")}
SCORES = [3.0, 1.0, 2.0, 2.5]  # of four epochs; the second is the best
ROWS = {}


def row(test):
    """Adds a test of the callback that it is named after."""
    ROWS[test.__name__] = test
    return test


def needs(*packages):
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")


def compiled(name, make=lambda: keras.optimizers.SGD(0.01), **config):
    """A small model with an optimizer of this kind for every player."""
    model = small(name, **config)
    model.compile({player: make() for player in model.players})
    return model


def fit(model, images, *callbacks, epochs=4, **options):
    return model.fit(images, batch_size=8, epochs=epochs, callbacks=list(callbacks), **{"verbose": 0, **options})


def rates(model):
    return [round(float(model.optimizer[player].learning_rate), 6) for player in model.players]


class Score(keras.callbacks.Callback):
    """Gives every epoch a score for the callbacks after it to watch, and keeps the weights that it had."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        logs["score"] = SCORES[epoch]
        self.weights.append(self.model.get_weights())


class Dies(keras.callbacks.Callback):
    """Breaks training off before a batch of an epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.at, self.epoch = (epoch, batch), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise RuntimeError("power cut")


def assert_close(left, right):
    """Equal but for rounding: on TensorFlow ``SwapEMAWeights`` swaps by adding and subtracting."""
    for a, b in zip(left, right, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def events(folder):
    """The tags of the scalars in the files that TensorBoard reads."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return set(EventAccumulator(str(folder)).Reload().Tags()["tensors"])


@row
def BackupAndRestore(name, images, folder):
    for i, (save_freq, death, left, options) in enumerate(
        [
            ("epoch", (2, 1), 2, {}),
            ("epoch", (1, 1), 3, {"steps_per_epoch": 2}),
            (2, (2, 2), 2, {}),  # from the middle of an epoch
        ]
    ):
        whole, broken, again = (compiled(name, seed=None) for _ in range(3))
        whole.build((None, *images.shape[1:]))
        whole.save(folder / "start.keras")
        broken = genzoo.load(folder / "start.keras")  # and not `again`, whose seed is another
        fit(whole, images, **options)
        backup = [keras.callbacks.BackupAndRestore(folder / f"backup{i}", save_freq=save_freq) for _ in range(2)]
        with pytest.raises(RuntimeError, match="power cut"):
            fit(broken, images, backup[0], Dies(*death), **options)
        history = fit(again, images, backup[1], **options).history
        assert len(history[MODELS[name][0]]) == left
        assert_equal(again.get_weights(), whole.get_weights())
        assert again.steps_made == whole.steps_made


@row
def CSVLogger(name, images, folder):
    history = fit(compiled(name), images, keras.callbacks.CSVLogger(folder / "log.csv")).history
    with open(folder / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(each["epoch"]) for each in rows] == [0, 1, 2, 3]
    for loss in MODELS[name]:
        assert [float(each[loss]) for each in rows] == history[loss]


@row
def Callback(name, images, folder):
    class Watches(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((self.model.get_weights(), set(logs)))

    seen, model = [], compiled(name)
    fit(model, images, Watches(), epochs=1)
    assert len(seen) == 3
    assert all(set(MODELS[name]) <= logs for _, logs in seen)
    assert any((a != b).any() for a, b in zip(seen[0][0], seen[1][0], strict=True))
    assert_equal(seen[-1][0], model.get_weights())


@row
def CallbackList(name, images, folder):
    model, stops = compiled(name, lambda: keras.optimizers.SGD(1e30)), keras.callbacks.TerminateOnNaN()
    callbacks = keras.callbacks.CallbackList([Score(), stops], add_history=True, model=model, epochs=4)
    for _ in range(2):
        model.fit(images, batch_size=8, epochs=4, verbose=0, callbacks=callbacks)
    assert model.steps_made < 8
    companions = [type(callback).__name__ for callback in callbacks.callbacks]
    assert len(companions) == len(set(companions))


@row
def EarlyStopping(name, images, folder):
    model, score = compiled(name), Score()
    stop = keras.callbacks.EarlyStopping("score", mode="min", patience=2, restore_best_weights=True)
    fit(model, images, score, stop)
    assert stop.stopped_epoch == 3
    assert_equal(model.get_weights(), score.weights[1])

    model = compiled(name)
    stop = keras.callbacks.EarlyStopping(f"val_{MODELS[name][-1]}", mode="min", min_delta=1e9)
    assert len(fit(model, images, stop, validation_data=images).epoch) == 2


@row
def History(name, images, folder):
    history = keras.callbacks.History()
    assert fit(compiled(name), images, history) is history
    assert set(MODELS[name]) <= set(history.history)
    assert history.epoch == [0, 1, 2, 3]


@row
def LambdaCallback(name, images, folder):
    told = []
    moments = ["on_train_begin", "on_epoch_begin", "on_train_batch_end", "on_epoch_end", "on_train_end"]
    calls = {moment: lambda *_, moment=moment, **__: told.append(moment) for moment in moments}
    fit(compiled(name), images, keras.callbacks.LambdaCallback(**calls), epochs=2)
    epoch = ["on_epoch_begin", *3 * ["on_train_batch_end"], "on_epoch_end"]
    assert told == ["on_train_begin", *epoch, *epoch, "on_train_end"]


@row
def LearningRateScheduler(name, images, folder):
    model = compiled(name)
    first, *others = model.players
    for player in others:
        model.optimizer[player].learning_rate = 0.04
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else 0.02)
    history = fit(model, images, schedule).history
    assert history["learning_rate"] == pytest.approx([0.02, 0.01, 0.005, 0.0025])
    assert rates(model) == pytest.approx([0.0025] + [0.01] * len(others))  # the ratio stays

    model = compiled(name, lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)))
    with pytest.raises(TypeError, match=f"optimizer of '{first}' follows a schedule"):
        fit(model, images, schedule)


@row
def ModelCheckpoint(name, images, folder):
    model, score = compiled(name), Score()
    make = keras.callbacks.ModelCheckpoint
    fit(
        model,
        images,
        score,
        make(folder / "{epoch}.keras"),
        make(folder / "best.keras", monitor="score", mode="min", save_best_only=True),
        make(folder / "{epoch}-{batch}.weights.h5", save_weights_only=True, save_freq=5),
    )
    for epoch in (1, 4):
        assert_equal(genzoo.load(folder / f"{epoch}.keras").get_weights(), score.weights[epoch - 1])
    best = genzoo.load(folder / "best.keras")
    assert_equal(best.get_weights(), score.weights[1])
    assert best.steps_made == 6
    assert {path.name for path in folder.glob("*.h5")} == {"2-2.weights.h5", "4-1.weights.h5"}
    again = compiled(name)
    again.build((None, *images.shape[1:]))
    again.load_weights(folder / "4-1.weights.h5")
    assert again.steps_made == 10


@row
def OrbaxCheckpoint(name, images, folder):
    needs("orbax")
    model = compiled(name, lambda: keras.optimizers.SGD(0.01, momentum=0.9))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="orbax")
        fit(model, images, keras.callbacks.OrbaxCheckpoint(str(folder / "orbax"), max_to_keep=2), epochs=3)
        again = keras.saving.load_model(folder / "orbax")
    assert {path.name for path in (folder / "orbax").iterdir()} == {"1", "2"}
    assert_equal(state_of(again), state_of(model))


@row
def ProgbarLogger(name, images, folder, capsys):
    fit(compiled(name), images, keras.callbacks.ProgbarLogger(), epochs=2, verbose=1)
    printed = capsys.readouterr().out
    assert "Epoch 2/2" in printed
    assert all(f"{loss}: " in printed for loss in MODELS[name])


@row
def ReduceLROnPlateau(name, images, folder):
    model = compiled(name)
    for player in list(model.players)[1:]:
        model.optimizer[player].learning_rate = 0.04
    plateau = keras.callbacks.ReduceLROnPlateau("score", mode="min", factor=0.1, patience=1, min_lr=0.0005)
    history = fit(model, images, Score(), plateau).history
    assert history["learning_rate"] == pytest.approx([0.01, 0.01, 0.01, 0.001])
    assert rates(model) == pytest.approx([0.0005] + [0.002] * (len(model.players) - 1))


@row
def RemoteMonitor(name, images, folder):
    needs("requests")
    received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Nothing on the screen."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monitor = keras.callbacks.RemoteMonitor(f"http://127.0.0.1:{server.server_port}", send_as_json=True)
        history = fit(compiled(name), images, monitor, epochs=2).history
        server.shutdown()
    assert [each["epoch"] for each in received] == [0, 1]
    for loss in MODELS[name]:
        assert [each[loss] for each in received] == history[loss]


@row
def SwapEMAWeights(name, images, folder):
    def averaging():
        return keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.5)

    class AtTest(keras.callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            tested.append(self.model.get_weights())

        def on_epoch_end(self, epoch, logs=None):
            after.append(self.model.get_weights())

    def run(*callbacks, **options):
        model = compiled(name, averaging)
        return model, fit(model, images, *callbacks, validation_data=images, epochs=2, **options).history

    tested, after = [], []
    plain, _ = run(AtTest())
    plain_after = after
    tested, after = [], []
    swapped, history = run(keras.callbacks.SwapEMAWeights(), AtTest())
    for one, other in zip(after, plain_after, strict=True):
        assert_close(one, other)  # back in training the weights are what they would be
    assert_close(swapped.get_weights(), plain.get_weights())  # at the end of `fit` both have the averages
    assert_close(tested[-1], swapped.get_weights())  # and it was they that the last epoch was validated with
    assert any((a != b).any() for a, b in zip(tested[-1], after[-1], strict=True))
    scores = swapped.evaluate(images, batch_size=8, return_dict=True, verbose=0)
    assert all(history[f"val_{loss}"][-1] == pytest.approx(scores[loss], rel=1e-4) for loss in MODELS[name])

    path = folder / "{epoch}.keras"
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    model, _ = run(swap, keras.callbacks.ModelCheckpoint(path))
    assert_close(genzoo.load(folder / "2.keras").get_weights(), model.get_weights())
    assert_close(model.get_weights(), plain.get_weights())
    model.fit(images, batch_size=8, verbose=0)

    with pytest.raises(ValueError, match=r"must be used when\s+`use_ema=True` is set"):
        fit(compiled(name), images, keras.callbacks.SwapEMAWeights(), validation_data=images)


@row
def TensorBoard(name, images, folder):
    needs("tensorboard", "tensorflow")
    board = keras.callbacks.TensorBoard(folder, histogram_freq=1, update_freq="batch", write_steps_per_second=True)
    fit(compiled(name), images, board, validation_data=images, epochs=2)
    train, validation = events(folder / "train"), events(folder / "validation")
    for loss in MODELS[name]:
        assert {f"epoch_{loss}", f"batch_{loss}"} <= train
        assert f"epoch_{loss}" in validation
    assert "epoch_learning_rate" in train


@row
def TerminateOnNaN(name, images, folder):
    model = compiled(name, lambda: keras.optimizers.SGD(1e30))
    history = fit(model, images, keras.callbacks.TerminateOnNaN(), epochs=9)
    assert len(history.epoch) < 9
    assert not all(np.isfinite(history.history[loss]).all() for loss in MODELS[name])
    model = compiled(name, lambda: keras.optimizers.SGD(1e30))
    with pytest.raises(RuntimeError, match="NaN or Inf loss"):
        fit(model, images, keras.callbacks.TerminateOnNaN(raise_error=True), epochs=9)
    model = compiled(name)
    assert len(fit(model, images, keras.callbacks.TerminateOnNaN(), epochs=2).epoch) == 2


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("callback", ROWS)
def test_a_callback_does_what_it_is_for(callback, name, images, tmp_path, capsys):
    further = {"capsys": capsys} if callback == "ProgbarLogger" else {}
    ROWS[callback](name, images[0], tmp_path, **further)


def test_the_table_has_every_callback_of_keras():
    kinds = {name: kind for name, kind in vars(keras.callbacks).items() if isinstance(kind, type)}
    assert {name for name, kind in kinds.items() if issubclass(kind, keras.callbacks.Callback)} == set(ROWS)


def test_of_two_averages_of_a_shared_network_the_last_is_swapped_in_and_frozen_layers_stay(images):
    model = compiled("aae", lambda: keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.5))
    model.build((None, *images[0].shape[1:]))
    model.decoder.trainable = False
    frozen = model.decoder.get_weights()
    history = fit(model, images[0], keras.callbacks.SwapEMAWeights(), validation_data=images[0], epochs=2).history
    assert_equal(model.decoder.get_weights(), frozen)
    plain = compiled("aae", lambda: keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.5))
    plain.build((None, *images[0].shape[1:]))
    plain.decoder.trainable = False
    fit(plain, images[0], epochs=2)
    assert_close(model.get_weights(), plain.get_weights())
    assert all(np.isfinite(values).all() for values in history.values())
