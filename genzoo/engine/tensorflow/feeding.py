"""Batches of arrays for TensorFlow, cut in Python: for memory that is at hand, ``tf.data`` costs more than it hides."""

import tensorflow as tf

try:
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
except ImportError:  # Keras has moved it; a data set goes through tf.data then
    PyDatasetAdapter = None


def feed(batches):
    return batches if PyDatasetAdapter is None else _Feed(batches)


if PyDatasetAdapter is not None:

    class _Feed(PyDatasetAdapter):
        """A Keras data adapter that hands out a Python iterable instead of a ``tf.data.Dataset``."""

        def get_tf_dataset(self):
            return super().get_tf_dataset() if tf.distribute.has_strategy() else _Tensors(self._get_iterator)


class _Tensors:
    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return (tuple(map(tf.convert_to_tensor, batch)) for batch in self.batches())
