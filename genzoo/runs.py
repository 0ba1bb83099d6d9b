"""The run directory: what was trained on what, the model, its history and its samples.

RUN/run.json            the model's name and options, data, seed, versions, epochs done
RUN/model.keras         the model after the last epoch, whole
RUN/history.csv         a row of metrics per epoch
RUN/samples/            a grid per epoch, from fixed noise
"""

import importlib.metadata
import json
import os
from pathlib import Path

import keras

from genzoo import registry, saving
from genzoo.callbacks import SampleGrid, StopOnSignal

PACKAGES = ("genzoo", "keras", "numpy", "tensorflow", "torch", "jax")


class Run:
    """A run directory.

    Args:
        directory: its path.
        config: what ``run.json`` holds.
    """

    def __init__(self, directory, config: dict):
        self.directory, self.config = Path(directory), config

    @classmethod
    def create(cls, directory, config: dict) -> "Run":
        """Makes the directory and writes ``run.json``.

        Raises:
            FileExistsError: there is a run already.
            OSError: the directory cannot be written.
        """
        run = cls(directory, {**config, "backend": keras.backend.backend(), "versions": _versions(), "epochs_done": 0})
        if run.model_path.exists() or run._config_path.exists():
            raise FileExistsError(
                f"{directory} holds a run already. Choose another --out, or continue it with `genzoo resume {directory}`."
            )
        run.directory.mkdir(parents=True, exist_ok=True)
        run._write_config()
        return run

    @classmethod
    def open(cls, directory) -> "Run":
        """Reads a run that ``create`` made."""
        path = Path(directory) / "run.json"
        if not path.exists():
            raise FileNotFoundError(f"{directory} is not a run directory: it has no run.json.")
        return cls(directory, json.loads(path.read_text()))

    @property
    def model_path(self) -> Path:
        return self.directory / "model.keras"

    @property
    def _config_path(self) -> Path:
        return self.directory / "run.json"

    def model(self):
        """The saved model, or a new one where no epoch was saved yet."""
        if self.model_path.exists():
            return saving.load(self.model_path)
        return registry.get(self.config["model"], **self.config["options"])

    def train(self, model, data, epochs: int, **fit_options) -> StopOnSignal:
        """Fits up to ``epochs`` in all, keeping model, samples and history after each.

        Returns:
            The callback that says whether a signal ended training; the model is saved in any case.
        """
        stop = StopOnSignal()
        callbacks = [
            SampleGrid(self.directory / "samples"),
            keras.callbacks.CSVLogger(self.directory / "history.csv", append=True),
            _KeepModel(self, stop),
            stop,
        ]
        try:
            model.fit(data, epochs=epochs, initial_epoch=self.config["epochs_done"], callbacks=callbacks, **fit_options)
        finally:
            stop.restore()
        return stop

    def keep(self, model, epochs_done: int) -> None:
        """Saves the model and counts its whole epochs."""
        model.save(self.model_path)
        self.config["epochs_done"] = epochs_done
        self._write_config()

    def _write_config(self):
        beside = self._config_path.with_suffix(".json.new")
        beside.write_text(json.dumps(self.config, indent=2) + "\n")
        os.replace(beside, self._config_path)


class _KeepModel(keras.callbacks.Callback):
    def __init__(self, run, stop):
        super().__init__()
        self.run, self.stop = run, stop

    def on_epoch_end(self, epoch, logs=None):
        self.run.keep(self.model, epoch if self.stop.received else epoch + 1)


def free_directory(root, name: str) -> Path:
    """``root/name``, or the first of ``root/name-2``, ``root/name-3``, ... that does not exist."""
    path, number = Path(root) / name, 2
    while path.exists():
        path, number = Path(root) / f"{name}-{number}", number + 1
    return path


def _versions():
    installed = {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()}
    return {package: installed[package] for package in PACKAGES if package in installed}
