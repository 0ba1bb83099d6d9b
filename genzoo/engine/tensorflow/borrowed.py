"""Names that Keras on TensorFlow does not promise: those by which batches get past ``tf.data``."""

import keras
import numpy as np

from genzoo.engine.borrowed import Borrowed

_MODULE = "keras.src.trainers.data_adapters"
_BY_TF_DATA = "Arrays go into training through tf.data."


class _OneBatch(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return (np.array([5.0]),)


def _takes_batches(adapter) -> bool:
    return callable(adapter(_OneBatch()).get_tf_dataset)


def _yields_batches(get_iterator) -> bool:
    ((batch,),) = get_iterator(data_adapter.found(_OneBatch()))
    return np.array_equal(batch, [5.0])


def _leaves_adapters(get_data_adapter) -> bool:
    adapter = data_adapter.found(_OneBatch())
    return get_data_adapter(adapter) is adapter


data_adapter = Borrowed(f"{_MODULE}.py_dataset_adapter.PyDatasetAdapter", _BY_TF_DATA, _takes_batches)
get_iterator = Borrowed(f"{_MODULE}.py_dataset_adapter.PyDatasetAdapter._get_iterator", _BY_TF_DATA, _yields_batches)
get_data_adapter = Borrowed(f"{_MODULE}.get_data_adapter", _BY_TF_DATA, _leaves_adapters)
