"""Callbacks that ``fit`` adds, so that Keras' own keep their promises: with several players, with batches in order."""

import contextlib
import warnings
from typing import Any

import keras

from genzoo.data.batches import ImageBatches
from genzoo.model.part import Part


class _Companion(keras.callbacks.Callback):
    pass


class Companions(Part):
    """What a ``GenerativeModel`` adds to the callbacks that were passed to ``fit``."""

    def accompanied(self, callbacks: Any, data: Any) -> Any:
        """The callbacks, and after them those that they need beside them.

        Args:
            callbacks: what was passed to ``fit``: a callback, a list, a ``CallbackList`` or None.
            data: an ``ImageBatches``, or another data set.
        """
        passed = [callback for callback in listed(callbacks) if not isinstance(callback, _Companion)]
        added: list[keras.callbacks.Callback] = []
        if passed and isinstance(data, ImageBatches):
            added.append(_Ordered(data, data.seed == self.order_seed, may_restore_within_an_epoch(passed)))
        watching = [callback for callback in passed if isinstance(callback, keras.callbacks.TerminateOnNaN)]
        if watching and len(self.players) > 1:
            added.append(_EveryLoss(watching, [self.loss_name(player) for player in self.players]))
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            return [*passed, *added] if added else callbacks
        for callback in added:
            callback.set_model(self)
        callbacks.callbacks = [*passed, *added]
        return callbacks


def listed(callbacks: Any) -> list:
    """Callbacks in any form that ``fit`` takes them in, as a list."""
    return keras.tree.flatten(getattr(callbacks, "callbacks", callbacks) or [])


def may_restore_within_an_epoch(callbacks: Any) -> bool:
    """Whether one of the callbacks backs up after a number of batches, and may restore a model from between two."""
    backups = [each for each in listed(callbacks) if isinstance(each, keras.callbacks.BackupAndRestore)]
    return any(backup.save_freq != "epoch" for backup in backups)


@contextlib.contextmanager
def short_epoch_allowed(callbacks: Any):
    """Where a restored epoch may go on in its middle, keeps Keras from warning that it has fewer batches."""
    if not may_restore_within_an_epoch(callbacks):
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Your input ran out of data")
        yield


class _Ordered(_Companion):
    """Where another callback has restored a model, such as ``BackupAndRestore``, the data go on from its steps.

    Args:
        batches: the data.
        follows: whether their order is by the model's seed, which is restored too.
        within: whether what is restored may be from the middle of an epoch.
    """

    def __init__(self, batches, follows, within):
        super().__init__()
        self.batches, self.follows, self.within = batches, follows, within

    def on_train_begin(self, logs=None):
        seed = self.model.order_seed if self.follows else self.batches.seed
        self.batches.go_on(self.model.steps_made, seed, self.within)


class _EveryLoss(_Companion):
    """Shows callbacks that look at ``loss`` the sum of the players' losses: where one of them is NaN, so is the sum."""

    def __init__(self, watching, names):
        super().__init__()
        self.watching, self.names = watching, names

    def on_train_batch_end(self, batch, logs=None):
        total = sum((logs or {})[name] for name in self.names)
        for callback in self.watching:
            callback.on_train_batch_end(batch, {"loss": total})
