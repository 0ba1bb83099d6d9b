"""Keras callbacks for generative models. They know a model only by its verbs."""

import signal
import threading
from pathlib import Path

import keras

from genzoo import viz
from genzoo.health import HealthMonitor

__all__ = ["HealthMonitor", "SampleGrid", "StopOnSignal", "TranslationGrid"]


class SampleGrid(keras.callbacks.Callback):
    """Writes a grid of samples after every epoch, always from the same noise, so that pictures can be compared.

    Args:
        directory: where ``epoch-001.png``, ``epoch-002.png``, ... go.
        n: images per grid.
        seed: seed of the noise.

    Example:
    >>> import genzoo
    >>> callback = SampleGrid("samples", n=16)
    """

    def __init__(self, directory, n: int = 64, seed: int = 0):
        super().__init__()
        self.directory, self.n, self.seed = Path(directory), n, seed

    def on_epoch_end(self, epoch, logs=None):
        grid = viz.image_grid(self.model.sample(self.n, seed=self.seed))
        viz.save_image(self.directory / f"epoch-{epoch + 1:03d}.png", grid)


class TranslationGrid(keras.callbacks.Callback):
    """Writes a grid after every epoch: in each row an image, its translation, always by the same noise, and the truth.

    Args:
        directory: where ``epoch-001.png``, ``epoch-002.png``, ... go.
        x: images to translate, a few.
        y: what they ought to become.
        seed: seed of the noise.

    Example:
    >>> import genzoo, numpy as np
    >>> x, y = np.zeros((2, 8, 64, 64, 3), "uint8")
    >>> callback = TranslationGrid("samples", x, y)
    """

    def __init__(self, directory, x, y, seed: int = 0):
        super().__init__()
        self.directory, self.x, self.y, self.seed = Path(directory), x, y, seed

    def on_epoch_end(self, epoch, logs=None):
        grid = viz.rows(self.x, self.model.translate(self.x, seed=self.seed), self.y)
        viz.save_image(self.directory / f"epoch-{epoch + 1:03d}.png", grid)


class StopOnSignal(keras.callbacks.Callback):
    """Ends training after the current batch on Ctrl-C or SIGTERM, so that the model can still be saved.

    Interrupting in the middle of a step could leave a model without weights: JAX donates them to the step. A second
    signal interrupts at once.

    Attributes:
        received: the signal that ended training, or None.
    """

    def __init__(self):
        super().__init__()
        self.received = None
        self._previous = {}

    def on_train_begin(self, logs=None):
        self.restore()  # what a fit that raised has left
        self.received = None
        if threading.current_thread() is not threading.main_thread():
            return  # Python delivers signals to the main thread alone
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)

    def on_train_batch_end(self, batch, logs=None):
        self._stop_if_asked()

    def on_epoch_end(self, epoch, logs=None):
        self._stop_if_asked()

    def on_train_end(self, logs=None):
        self.restore()

    def restore(self) -> None:
        """Gives the signals back to whoever had them before."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _note(self, number, frame):
        # Nothing more: on JAX merely to touch `self.model` in the middle of a step would attach donated weights to it.
        self.received = signal.Signals(number)
        self.restore()

    def _stop_if_asked(self):
        if self.received:
            self.model.stop_training = True
