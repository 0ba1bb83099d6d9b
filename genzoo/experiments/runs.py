"""The run directory: what was trained on what, the model, its history and its samples.

RUN/run.json            the model's name and options, data, seed, versions, epochs done
RUN/model.keras         the model after the last epoch, whole; says itself which run and epoch it is of
RUN/history.csv         a row of metrics per whole epoch
RUN/samples/            a grid per epoch, from fixed noise: of samples, or of input, output and truth
RUN/run.lock            while a process trains in it
"""

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from genzoo import registry
from genzoo.annotations import Data
from genzoo.callbacks import HealthMonitor, SampleGrid, StopOnSignal, TranslationGrid
from genzoo.discovery import installed
from genzoo.errors import FileError
from genzoo.evaluation import provenance
from genzoo.experiments import checks
from genzoo.experiments.history import History
from genzoo.experiments.optimizers import compile_with
from genzoo.experiments.training import FIELDS, Training
from genzoo.files import locked, read_json_object, remove_leftovers, written
from genzoo.model import GenerativeModel
from genzoo.registry import loading

PACKAGES = ("genzoo", "keras", "numpy", "tensorflow", "torch", "jax")
WRITTEN = r"(model|best)[.]keras|(run|metrics|reproduction|row)[.]json|history[.]csv"


@contextlib.contextmanager
def alone(directory) -> Iterator[None]:
    """Nobody else trains in the directory until the end, be it in this process or in another.

    Raises:
        BlockingIOError: somebody does.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(Path(directory) / "run.lock"))
        except BlockingIOError as error:
            said = f"Another process trains in {directory}. Wait until it has ended, or end it."
            raise BlockingIOError(said) from error
        yield


class Run:
    """A run directory. ``create`` makes one, ``open`` reads one.

    Attributes:
        directory: its path.
        asked: what is to be trained.
        made_with: an id, the backend, versions, the plugin that brings the model, if one does, and the classes of the
            data, where the model takes labels.
        epochs_done: whole epochs that the saved model has seen.
        monitor: the ``HealthMonitor`` of the last training, or None.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        asked: Training,
        made_with: dict,
        epochs_done: int = 0,
        epochs_at_step: dict[str, int] | None = None,
    ):
        self.directory, self.asked, self.made_with = Path(directory), asked, made_with
        self.epochs_done, self._epochs_at_step = epochs_done, epochs_at_step or {}
        self._made, self.monitor = [], None
        self._history = History(self.directory / "history.csv")

    @classmethod
    def create(cls, directory: str | os.PathLike[str], asked: Training) -> "Run":
        """Makes the directory and writes ``run.json``.

        Raises:
            FileExistsError: there is a run already.
            OSError: the directory cannot be written, or another process trains in it.
        """
        made_with = {"id": secrets.token_hex(8), **_environment(), **_plugin(asked)}
        run = cls(directory, asked, made_with)
        run._refuse_another()
        run._made = [path for path in (run.directory, *run.directory.parents) if not path.exists()]
        run.directory.mkdir(parents=True, exist_ok=True)
        with alone(run.directory):
            run._refuse_another()  # that began meanwhile
            run._write_config()
        return run

    @classmethod
    def open(cls, directory: str | os.PathLike[str]) -> "Run":
        """Reads a run that ``create`` made.

        Raises:
            FileNotFoundError: there is no run.
            ValueError: its ``run.json`` is damaged.
        """
        path = Path(directory) / "run.json"
        if not path.exists():
            raise FileNotFoundError(f"{directory} is not a run directory: it has no run.json.")
        found = read_json_object(path)
        try:
            asked = Training.from_json({name: found.pop(name) for name in FIELDS if name in found})
            checks.check(found, {**checks.PROGRESS, **checks.MADE_WITH})
        except ValueError as error:
            raise FileError(f"{path} is damaged ({error}).") from error
        done = {name: found.pop(name) for name in checks.PROGRESS if name in found}
        return cls(directory, asked, found, **done)

    @property
    def config(self) -> dict:
        """What ``run.json`` holds."""
        done: dict[str, Any] = {"epochs_done": self.epochs_done}
        if self._epochs_at_step:
            done["epochs_at_step"] = self._epochs_at_step
        return {**self.asked.to_json(), **self.made_with, **done}

    @property
    def model_path(self) -> Path:
        return self.directory / "model.keras"

    @property
    def _config_path(self) -> Path:
        return self.directory / "run.json"

    def model(self) -> GenerativeModel:
        """The saved model, or a new one where no epoch was done yet; ``epochs_done`` then says how far it is.

        Raises:
            FileNotFoundError: epochs were done, but the model is missing.
            ValueError: the model is damaged, of another run, or of a class that nobody here knows.
        """
        if not self.model_path.exists():
            if self.epochs_done:
                raise FileNotFoundError(
                    f"{self.model_path} is missing, though the run has {self.epochs_done} epochs behind it. Put the "
                    f"file back, or train from the start: genzoo resume {self.directory} --restart"
                )
            return new_model(self.asked, self.made_with.get("plugin"), trusted=False)
        model, note = loading.load(self.directory), loading.note(self.model_path)
        known = self._epochs_at_step.get(str(model.steps_made))  # of a file that an earlier genzoo or a user saved
        epochs = note.get("epochs") if note else known
        if (note and note.get("run") != self.made_with.get("id")) or epochs is None:
            raise ValueError(f"{self.model_path} is not the model that {self._config_path} describes.")
        self.epochs_done, last = epochs, (str(model.steps_made), epochs)
        if [*self._epochs_at_step.items()][-1:] != [last]:
            self._epochs_at_step = dict([last])
        return model

    def restart(self) -> None:
        """Makes ``model`` begin anew.

        Raises:
            FileExistsError: there is a model.
        """
        if self.model_path.exists():
            raise FileExistsError(f"{self.model_path} is there. Remove it to train from the start, or leave --restart.")
        self.epochs_done, self._epochs_at_step = 0, {}

    def repair(self) -> None:
        """Brings the other files to where the model is, and removes what killed processes left half written.

        ``model`` comes before, and nobody else may train here.
        """
        remove_leftovers(self.directory, WRITTEN)
        remove_leftovers(self.directory / "samples", r"epoch-\d+[.]png")
        self._history.keep_until(self.epochs_done)
        if not self._config_path.exists() or json.loads(self._config_path.read_text()) != self.config:
            self._write_config()

    def data(self, model: GenerativeModel) -> tuple:
        """What to train the model on, and what to hold out: of pairs those of the test part, else None."""
        if "translation" in model.tags:
            return self.asked.data.pairs(self.asked.seed)
        return self.asked.data.images(self.asked.seed), None

    def train(
        self,
        model: GenerativeModel,
        data: Data,
        epochs: int,
        held_out: Data = None,
        **fit_options: Any,
    ) -> StopOnSignal:
        """Fits up to ``epochs`` in all, keeping model, samples and history after each.

        ``monitor``, a ``HealthMonitor``, watches. Where it stops a training that has diverged, files stay as they were.

        Args:
            model: as ``Run.model`` gives it.
            data: what to train on, as ``Run.data`` gives it.
            epochs: those done before included.
            held_out: what to evaluate and show the model on after every epoch, or None.
            **fit_options: for Keras' ``fit``.

        Returns:
            The callback that says whether a signal ended training; the model is saved in any case.
        """
        self._note_backend()
        self.repair()
        if self.asked.optimizers and not model.steps_made:
            compile_with(model, self.asked.optimizers, self.asked.learning_rate, _length(data))
        self.asked = dataclasses.replace(self.asked, epochs=epochs)
        stop, self.monitor = StopOnSignal(), HealthMonitor()
        grid = self._grid(model, data if held_out is None else held_out)
        callbacks = [self.monitor, _Keep(self, grid), stop]
        options = {"validation_data": held_out, "initial_epoch": self.epochs_done, **fit_options}
        try:
            model.fit(data, epochs=epochs, callbacks=callbacks, **options)
        finally:
            stop.restore()
        return stop

    def keep(self, model: GenerativeModel, epochs_done: int, logs: dict | None) -> None:
        """Saves the model after ``epochs_done`` whole epochs, with the last one's metrics.

        The model's file is what counts. It takes its place in one step and says which epoch it is of. So, whenever the
        process ends, it is whole, and ``repair`` brings the others to where it is.
        """
        if logs is not None:
            self._history.add({"epoch": epochs_done, **logs})
        model.save(self.model_path, note={"run": self.made_with.get("id"), "epochs": epochs_done})
        last = dict(list(self._epochs_at_step.items())[-1:])
        self._epochs_at_step = {**last, str(model.steps_made): epochs_done}
        self.epochs_done = epochs_done
        self.made_with = {**self.made_with, **_classes(model)}
        self._write_config()

    @contextlib.contextmanager
    def discarded_on_failure(self) -> Iterator[None]:
        """Removes the directory again if what runs inside raises before any model was saved."""
        try:
            yield
        except BaseException:
            if not self.model_path.exists():
                self._config_path.unlink(missing_ok=True)
                self._history.path.unlink(missing_ok=True)
                if self.directory in self._made:
                    shutil.rmtree(self.directory)
                for parent in self._made[1:]:
                    with contextlib.suppress(OSError):  # in use by now
                        parent.rmdir()
            raise

    def _grid(self, model, data):
        if "translation" in model.tags:
            return TranslationGrid(self.directory / "samples", data.images[:8], data.labels[:8])
        return SampleGrid(self.directory / "samples")

    def _note_backend(self):
        """Where the run goes on on another backend than before: which it was, and until when."""
        before, now = {name: self.made_with.get(name) for name in ("backend", "versions")}, _environment()
        if before["backend"] != now["backend"]:
            begun = [*self.made_with.get("before", ()), {**before, "epochs_done": self.epochs_done}]
            self.made_with = {**self.made_with, **now, "before": begun}

    def _refuse_another(self):
        if self.model_path.exists() or self._config_path.exists():
            raise FileExistsError(
                f"{self.directory} holds a run already. Choose another --out, or go on with it: "
                f"genzoo resume {self.directory}"
            )

    def _write_config(self):
        with written(self._config_path) as beside:
            beside.write_text(json.dumps(self.config, indent=2) + "\n")


class _Keep(keras.callbacks.Callback):
    """Keeps the model, its history and a grid after every epoch, and after the part of one that a signal ended."""

    def __init__(self, run, grid):
        super().__init__()
        self.run, self.grid, self._batches = run, grid, 0

    def set_model(self, model):
        super().set_model(model)
        self.grid.set_model(model)

    def on_train_batch_end(self, batch, logs=None):
        self._batches = batch + 1

    def on_epoch_end(self, epoch, logs=None):
        if self.run.monitor.diverged:
            return
        self.grid.on_epoch_end(epoch, logs)
        whole = not self.model.stop_training or self._batches == self.params["steps"]
        self.run.keep(self.model, epoch + whole, logs if whole else None)


def new_model(asked: Training, plugin: dict | None = None, trusted: bool = True) -> GenerativeModel:
    """The untrained model that was asked for.

    Args:
        asked: names it.
        plugin: ``distribution`` and ``version`` of the plugin that brought it when it was asked for, if one did.
        trusted: whether the user named it. Else a class that ``asked`` names as ``module:Class`` must be imported.
    """
    name = loading.model_name({"model": asked.model, "plugin": plugin})
    if plugin:
        try:
            registry.spec(name)
        except ValueError as error:
            raise ValueError(f"There is no model {name!r}. {installed.why_missing(**plugin)}") from error
    if ":" in name:
        loading.named_class(name, trusted)
    model = registry.get(name, **asked.options)
    compile_with(model, asked.optimizers or {}, asked.learning_rate, 1)  # `Run.train` knows better
    return model


def _length(data):
    """Steps per epoch, or None where nobody knows."""
    with contextlib.suppress(TypeError):
        return len(data)
    return None


def free_directory(root: str | os.PathLike[str], name: str) -> Path:
    """``root/name``, or the first of ``root/name-2``, ``root/name-3``, ... that does not exist."""
    path, number = Path(root) / name, 2
    while path.exists():
        path, number = Path(root) / f"{name}-{number}", number + 1
    return path


def _environment():
    return {"backend": keras.backend.backend(), "versions": provenance.versions(PACKAGES)}


def _classes(model):
    """How many classes the model has, and what they are called, as far as it takes labels."""
    if model.label_ids is None:
        return {}
    found = {"num_classes": getattr(model, "num_classes", None), "class_names": list(model.class_names or ())}
    return {name: value for name, value in found.items() if value}


def _plugin(asked):
    """The distribution that brings the model, and its version, if one does."""
    plugin = getattr(registry.spec(asked.model), "plugin", None)
    return {"plugin": {"distribution": plugin.distribution, "version": plugin.version}} if plugin else {}
