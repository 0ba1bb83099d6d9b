"""Checks of seeds, files and Keras' callbacks: what makes a run repeatable."""

import contextlib
import importlib.util
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
from keras import ops

import genzoo
from genzoo.testing.checks_training import has_settable_rate
from genzoo.testing.subjects import BATCH, equal, state_of, weights_of
from genzoo.testing.suite import check, expect, skip


@check()
def a_seed_fixes_everything(subject):
    """Two models of one seed train to the same weights, bit for bit; another seed starts elsewhere.

    Mend: draw noise with ``self.normal``, ``self.uniform`` and ``self.noise``, never without a seed; make layers in
    ``build_networks``, where their seeds come from the model's.
    """
    trained, twin = subject.trained(), subject.built()
    before = subject.first_epoch().before
    expect(equal(before, state_of(twin)), f"two models of seed {twin.seed} start with different weights.")
    subject.fit(twin)
    expect(equal(weights_of(trained), weights_of(twin)), "two models of one seed train to different weights.")
    other = subject.built(seed=twin.seed + 1)
    expect(not equal(before, state_of(other)), "another seed gives the same weights.")


@check()
def no_global_random_state(subject):
    """Training neither reads nor moves the random generators that a process shares, Python's and NumPy's.

    Mend: replace ``random`` and ``np.random`` by ``self.normal`` and ``self.uniform``; in ``latents(n, rng)`` draw
    from ``rng``.
    """
    drawn = subject.first_epoch().drew_globally
    expect(not drawn, f"building and training draw from {' and '.join(drawn)}.")


@check(after=("class_is_registered", "config_round_trips"))
def a_file_holds_everything(subject):
    """``save`` and ``genzoo.load`` give back configuration, weights, optimizers and random state, bit for bit.

    Mend: make all layers and variables in ``build_networks`` as attributes of the model, and options that ``__init__``
    stores; then Keras finds and saves them.
    """
    model = subject.trained()
    with _saved(model) as path:
        loaded = genzoo.load(path)
    expect(loaded.get_config() == model.get_config(), f"loaded, the options are {loaded.get_config()}.")
    _expect_same_state(loaded, model, "the loaded model")
    drawn = [subject.images(m, seed=1) for m in (model, loaded)]
    expect(np.array_equal(*drawn), "from one seed the loaded model makes other images.")


@check(after=("a_file_holds_everything",))
def a_run_resumes_exactly(subject):
    """Two epochs equal one, save, load and another one: bit for bit, every optimizer and the noise included.

    Mend: keep what changes while training in variables that the model owns (``self.add_weight(..., trainable=False)``),
    not in Python attributes, which no file holds.
    """
    straight = subject.trained()
    with _saved(straight) as path:
        resumed = genzoo.load(path)
    subject.fit(straight, epochs=2, initial_epoch=1)
    subject.fit(resumed, epochs=2, initial_epoch=1)
    _expect_same_state(resumed, straight, "after one more epoch, the resumed model")


def _expect_same_state(one, other, who):
    names = [v.path for v in (*one.variables, *one.optimizer.variables)]
    pairs = list(zip(names, state_of(one), state_of(other), strict=True))
    differing = [name for name, a, b in pairs if not np.array_equal(a, b)]
    expect(not differing, f"{who} differs in {', '.join(differing[:8])}.")


@check()
def learning_rate_callbacks_work(subject):
    """A callback that sets ``model.optimizer.learning_rate`` reaches every player; at 0 no weight of a player moves.

    Mend: leave all updates to ``self.minimize`` and the optimizers of ``compile``.
    """
    model = subject.untrained()
    if not all(has_settable_rate(model.optimizer[player]) for player in model.players):
        skip("its optimizers have schedules of their own")
    start = [np.array(ops.convert_to_numpy(v)) for v in model.trainable_variables]
    subject.fit(model, callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.0)])
    for variable, value in zip(model.trainable_variables, start, strict=True):
        expect(np.array_equal(value, ops.convert_to_numpy(variable)), f"at a rate of 0 {variable.path} moves.")
    model = subject.untrained()
    before = {player: float(model.optimizer[player].learning_rate) for player in model.players}
    subject.fit(model, callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)])
    for player, rate in before.items():
        now = float(model.optimizer[player].learning_rate)
        expect(np.isclose(now, rate / 2), f"halved from {rate:g}, the rate of {player!r} is {now:g}.")


@check(after=("a_file_holds_everything",))
def model_checkpoints_load(subject):
    """``keras.callbacks.ModelCheckpoint`` writes files that ``genzoo.load`` reads.

    Mend: see ``a_file_holds_everything``; pass ``callbacks`` on if ``fit`` is yours.
    """
    model = subject.trained()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "best.keras"
        metric = model.metrics[0].name
        best = keras.callbacks.ModelCheckpoint(path, monitor=f"val_{metric}", mode="min", save_best_only=True)
        subject.fit(model, callbacks=[best], validation_data=_validation(subject))
        expect(path.exists(), f"no file was written with monitor='val_{metric}'.")
        loaded = genzoo.load(path)
    expect(equal(weights_of(loaded), weights_of(model)), "the file has other weights than the model.")


@check()
def early_stopping_works(subject):
    """``keras.callbacks.EarlyStopping`` ends training and restores the best weights.

    Mend: report the metrics of ``history_has_the_metrics``; pass ``callbacks`` on if ``fit`` is yours.
    """
    model, metric = subject.untrained(), subject.first_epoch().model.metrics[0].name
    stop = keras.callbacks.EarlyStopping(metric, min_delta=1e9, patience=0, mode="min", restore_best_weights=True)
    epochs = len(subject.fit(model, epochs=4, callbacks=[stop]).epoch)
    expect(epochs == 2, f"after an epoch that was no better, training went on for {epochs} epochs.")
    kept = weights_of(model)
    expect(equal(kept, weights_of(subject.trained())), "the weights are not those of the best epoch.")


@check()
def tensorboard_works(subject):
    """``keras.callbacks.TensorBoard`` writes every metric, of training and of validation.

    Mend: report the metrics of ``history_has_the_metrics``; pass ``callbacks`` on if ``fit`` is yours.
    """
    if not _can_write_summaries():
        skip("Keras' TensorBoard needs tensorflow and tensorboard, which are not both installed")
    model = subject.trained()
    with tempfile.TemporaryDirectory() as folder:
        board = keras.callbacks.TensorBoard(folder)
        subject.fit(model, callbacks=[board], validation_data=_validation(subject))
        for part in ("train", "validation"):
            written = b"".join(path.read_bytes() for path in Path(folder).glob(f"{part}/events*"))
            missing = [m.name for m in model.metrics if f"epoch_{m.name}".encode() not in written]
            expect(not missing, f"of {part} nothing is written for {', '.join(missing)}.")


def _can_write_summaries():
    if not all(map(importlib.util.find_spec, ("tensorflow", "tensorboard"))):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if importlib.util.find_spec("torch") is not None:
            importlib.import_module("torch")  # first: TensorFlow and torch in one process crash in the other order
        importlib.import_module("tensorflow")
    return True


def _validation(subject):
    return tuple(part for part in subject.data(BATCH) if part is not None)


@contextlib.contextmanager
def _saved(model):
    """A context in which the model's file lies at a path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        yield path
