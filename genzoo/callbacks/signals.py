"""Ctrl-C and SIGTERM end training between two batches."""

import signal
import threading
from typing import Any

import keras


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

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.restore()  # what a fit that raised has left
        self.received = None
        if threading.current_thread() is not threading.main_thread():
            return  # Python delivers signals to the main thread alone
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # as under nohup, or not Python's to give back
                self._previous[number] = signal.signal(number, self._note)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._stop_if_asked()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._stop_if_asked()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
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
