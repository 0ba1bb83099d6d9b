"""What a ``GenerativeModel`` trains on and is evaluated on: arrays and data sets, checked before anything is built."""

import contextlib
from collections.abc import Collection, Mapping
from typing import Any

import keras
from keras import ops

from genzoo import engine
from genzoo.data.batches import (
    ImageBatches,
    as_numpy,
    check_images,
    check_targets,
    is_array,
    is_arrays,
    peek,
    split_batch,
)
from genzoo.data.classes import Classes, classes_of
from genzoo.data.tables import is_table, table
from genzoo.model.companions import Companions, listed
from genzoo.validation import flag, natural_number, positive_int

UNKNOWN = Classes()


class Inputs(Companions):
    """From what a user passes to ``fit`` or ``evaluate`` to what Keras' own methods read."""

    @property
    def order_seed(self) -> int:
        """The seed by which arrays are shuffled: the model's own."""
        return int(ops.convert_to_numpy(self.seed_generator.state)[0])

    def _training_data(self, x, batch_size, shuffle, endless, callbacks):
        """The data for Keras' ``fit``, whether it shall shuffle them, and its callbacks.

        Callbacks with a method ``see_data`` are shown the images: all that are in memory, or the first batch.

        Args:
            x: an ``ImageBatches``, or a data set.
            batch_size: another one for the ``ImageBatches``, or None.
            shuffle: whether every epoch has an order of its own.
            endless: whether an epoch ends after a number of steps, and not with the images.
            callbacks: those that were passed to ``fit``, or None.
        """
        if isinstance(x, ImageBatches):
            seen = x.resumed(self.steps_made, batch_size, shuffle, endless)
            data, shuffle = engine.feed(seen), False
        else:
            seen, data = self._checked(x)
            shuffle = shuffle and isinstance(data, keras.utils.PyDataset)  # Keras warns that it cannot shuffle others
        for callback in listed(callbacks):
            if hasattr(callback, "see_data"):
                callback.see_data(seen)
        return data, shuffle, self.accompanied(callbacks, seen)

    def _validation_data(self, data, batch_size):
        """The data for Keras' ``validation_data``, of any form that ``fit`` takes, and of pairs in a list or tuple."""
        if isinstance(data, list) and len(data) == 2 and is_array(data[0]):
            data = tuple(data)
        own_size = isinstance(data, ImageBatches)
        return self._evaluation_data(data, None, None if own_size else batch_size)

    def _evaluation_data(self, x, y, batch_size):
        """The data for Keras' ``evaluate``, in their own order."""
        images = self._as_images(x, y, batch_size)
        return self._checked(x)[1] if images is None else engine.feed(images.resumed(0, batch_size, shuffle=False))

    def _as_images(self, x, y, batch_size):
        """An ``ImageBatches`` if ``x`` holds all images in memory, else None."""
        if isinstance(x, ImageBatches):
            self._check_batch(x[0], classes=classes_of(x))
            return x
        if is_arrays(x):
            names = None
            if is_table(x) and y is None:
                x, y, names = table(x)
            else:
                x, y = split_batch(x if isinstance(x, (Mapping, tuple)) else (x, y))
            x, y = as_numpy(x), as_numpy(y)
            self._check_batch((x, y), whole=True, classes=classes_of(None, y)._replace(names=names))
            batch_size = self.batch_size if batch_size is None else batch_size
            return ImageBatches(x, y, batch_size, seed=self.order_seed, class_names=names)
        if x is None:
            raise ValueError("No data. Pass images as an array or a data set: model.fit(x).")
        if y is not None:
            raise ValueError(f"`y` goes with an array of images. Yield (x, y) from the data set. Received: {type(x)}")
        return None

    def _checked(self, data):
        """A data set's first batch, checked, and the data set with that batch still in it."""
        classes = classes_of(data)
        batch, data = peek(data)
        self._check_batch(batch, classes=classes)
        return batch, data

    def _check_batch(self, batch, whole=False, classes=UNKNOWN):
        """Refuses what the model cannot learn from; builds and compiles what is not yet.

        Args:
            batch: a batch, or all images.
            whole: whether it is all images.
            classes: what the data set says of its classes.
        """
        x, y = split_batch(batch)
        shape = check_images(x, self.image_shape, whole)
        if "translation" in self.tags:
            check_targets(y, shape, type(self).__name__, whole)
        with self._meeting(y, classes) if self._takes_labels else contextlib.nullcontext():
            if self.image_shape is None:
                self.build((None, *shape))
        if not self.compiled:
            self.compile()


def check_fit(epochs: int, verbose: Any, callbacks: Any, shuffle: bool, options: Mapping[str, Any]) -> None:
    """Refuses arguments of ``fit`` that mean nothing to it; ``options`` are the others."""
    natural_number("epochs", epochs)
    check_verbose(verbose)
    flag("shuffle", shuffle)
    check_extent(options)
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return
    for callback in keras.tree.flatten(callbacks):
        if callback is not None and not isinstance(callback, keras.callbacks.Callback):
            raise ValueError(f"`callbacks` must be a list of Keras' callbacks. Received: {callback!r} among them.")


def check_extent(options: Mapping[str, Any]) -> None:
    """Refuses numbers of steps and epochs, of ``fit`` or ``evaluate``, with which these never end or never begin."""
    for name in ("steps", "steps_per_epoch", "validation_steps", "validation_batch_size"):
        if options.get(name) is not None:
            positive_int(name, options[name])
    natural_number("initial_epoch", options.get("initial_epoch", 0))
    every = options.get("validation_freq", 1)
    for epoch in every if isinstance(every, Collection) else [every]:
        positive_int("validation_freq", epoch)


def check_verbose(verbose: Any) -> None:
    """Refuses what Keras would take for the progress bar."""
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"`verbose` must be 'auto', 0, 1 or 2. Received: verbose={verbose!r}")
