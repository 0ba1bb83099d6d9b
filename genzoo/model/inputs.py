"""What a ``GenerativeModel`` trains on and is evaluated on: arrays and data sets, checked before anything is built."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from genzoo import engine
from genzoo.data.batches import (
    ImageBatches,
    as_numpy,
    check_images,
    check_labels,
    check_targets,
    is_array,
    is_arrays,
    peek,
    split_batch,
)
from genzoo.model.companions import Companions, listed
from genzoo.validation import natural_number, positive_int


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
        if isinstance(data, list) and is_array(data[0]) and len(data) == 2:
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
            self._check_batch(x[0])
            return x
        if is_arrays(x):
            x, y = split_batch(x if isinstance(x, (Mapping, tuple)) else (x, y))
            x, y = as_numpy(x), as_numpy(y)
            self._check_batch((x, y), whole=True)
            batch_size = self.batch_size if batch_size is None else batch_size
            return ImageBatches(x, y, batch_size, seed=self.order_seed)
        if x is None:
            raise ValueError("No data. Pass images as an array or a data set: model.fit(x).")
        if y is not None:
            raise ValueError(f"`y` goes with an array of images. Yield (x, y) from the data set. Received: {type(x)}")
        return None

    def _checked(self, data):
        """A data set's first batch, checked, and the data set with that batch still in it."""
        batch, data = peek(data)
        self._check_batch(batch)
        return batch, data

    def _check_batch(self, batch, whole=False):
        """Refuses what the model cannot learn from; builds and compiles what is not yet."""
        x, y = split_batch(batch)
        shape = check_images(x, self.image_shape, whole)
        if "translation" in self.tags:
            check_targets(y, shape, type(self).__name__, whole)
        elif self.label_ids is not None:
            check_labels(y, self.label_ids, type(self).__name__)
        if self.image_shape is None:
            self.build((None, *shape))
        if not self.compiled:
            self.compile()


def check_extent(epochs: int, options: Mapping[str, Any]) -> None:
    """Refuses a ``fit`` that would never end, or never begin.

    Args:
        epochs: how many.
        options: of ``fit``, maybe with numbers of steps.
    """
    natural_number("epochs", epochs)
    for name in ("steps_per_epoch", "validation_steps"):
        if options.get(name) is not None:
            positive_int(name, options[name])
