"""Data sets by name: scikit-learn's digits, drawn sprites, TensorFlow Datasets, ``keras.datasets``."""

import difflib
import importlib
import importlib.metadata
import importlib.util
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from genzoo.data import cache
from genzoo.data.files import Found, resized
from genzoo.data.listing import meant
from genzoo.data.sprites import SHAPES, sprites
from genzoo.errors import unknown_name
from genzoo.extras import extra_module

IN_MEMORY_BYTES = 2 * 1024**3
KERAS_DATASETS = ("mnist", "fashion_mnist", "cifar10")


def digits(split: str) -> Found:
    """scikit-learn's bundled digits: the first four fifths are ``train``, the rest ``test``, as a fixed rule."""
    bundled = extra_module("sklearn.datasets", "data", "This data set needs scikit-learn").load_digits()
    images = np.round(bundled.images * (255 / 16)).astype("uint8")[..., None]
    cut = len(images) * 4 // 5 + 1
    parts = {"train": slice(None, cut), "test": slice(cut, None), "all": slice(None)}
    if split not in parts:
        raise unknown_name("split of 'digits'", split, parts)
    names = tuple(map(str, bundled.target_names))
    return Found(images[parts[split]], bundled.target[parts[split]].astype("int64"), names)


OFFLINE = {"digits": digits, "sprites": lambda split: Found(*sprites(split), SHAPES)}


def tfds_or_keras(
    name: str, split: str, size: tuple[int, int] | None, data_dir: str | None, in_memory: bool | None = None
) -> Any:
    """Reads a store of TFDS, which TensorFlow can prepare where there is none yet, or else ``keras.datasets``.

    Returns:
        A ``Found`` in memory, or a ``tf.data.Dataset`` of dicts where they do not fit.
    """
    if importlib.util.find_spec("tensorflow_datasets") is None:
        if name in KERAS_DATASETS:
            _refuse_to_pass_over(name, data_dir)
            return _keras_dataset(name, split)
        if near := meant(name):
            raise _no_such_folder(name, near, "of that name needs tensorflow-datasets: pip install genzoo[data]")
    key = _key(name, split, size, data_dir)
    if (kept := cache.found(key, in_memory)) is not None:  # which spares importing TFDS, too
        return Found(*kept)
    builder = _builder(name, data_dir)
    if _random_access(builder):
        examples = builder.as_data_source(split=split)
        fill, count = _decoding(examples, size, _class_names(builder)), len(examples)
        return Found(*cache.kept(key, fill, count, "image {}".format, name, in_memory))
    if importlib.util.find_spec("tensorflow") is not None:
        return _read_by_tensorflow(builder, name, split, size, key, in_memory)
    if builder.is_prepared():
        raise _unreadable(builder, name)
    if name in KERAS_DATASETS:
        return _keras_dataset(name, split)
    raise ModuleNotFoundError(
        f"Without TensorFlow, TFDS reads only prepared stores in array_record format. Found none of {name!r} in "
        f"{builder.data_path}. Install TensorFlow to prepare it: pip install tensorflow"
    )


def _store(name, data_dir):
    """The folder of a data set's stores, which need not exist."""
    root = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    return root / re.split("[/:]", name)[0]


def _key(name, split, size, data_dir):
    """Under which the decoded images of a store are kept; None where there is no store yet."""
    store = _store(name, data_dir)
    if importlib.util.find_spec("tensorflow_datasets") is None or not store.is_dir():
        return None
    release = importlib.metadata.version("tensorflow-datasets")  # which decides on the newest version of a set
    files = sorted(str(path) for path in store.rglob("*") if path.is_file())
    return cache.key(store, files, name=name, split=split, size=size, release=release)


def _refuse_to_pass_over(name, data_dir):
    """Raises an error where there is a prepared store of TFDS, but no TFDS to read it."""
    folder = _store(name, data_dir)
    if any(folder.glob("*/dataset_info.json")):
        raise ModuleNotFoundError(
            f"{folder} is a store of TensorFlow Datasets, which is not installed. Install it: pip install "
            "genzoo[data], and tensorflow for a store in tfrecord format. Or name another data_dir to download it."
        )


def _unreadable(builder, name):
    """The error for a prepared store that only TensorFlow reads, with the command that makes another of it."""
    config = f", config={builder.builder_config.name!r}" if builder.builder_config else ""
    code = (
        f"import tensorflow_datasets as tfds; b = tfds.builder_from_directory({str(builder.data_path)!r}); "
        f"tfds.dataset_builders.AdhocBuilder(name=b.name{config}, version=b.version, features=b.info.features, "
        "split_datasets=b.as_dataset(), data_dir='array_record', file_format='array_record').download_and_prepare()"
    )
    return ModuleNotFoundError(
        f"{builder.data_path} holds {name!r} in {builder.info.file_format.value} format, which only TensorFlow reads. "
        "Install it: pip install tensorflow. Or write the store as array_record where TensorFlow is installed, and "
        f'pass data_dir="array_record": python -c "{code}"'
    )


def _no_such_folder(name, near, data_set):
    return FileNotFoundError(f"There is no file or folder {name!r}. Did you mean {near!r}? A data set {data_set}.")


def _tfds():
    return extra_module("tensorflow_datasets", "data", "This data set needs tensorflow-datasets")


def _builder(name, data_dir):
    tfds = _tfds()
    try:
        return tfds.builder(name, data_dir=data_dir)
    except ValueError as error:
        unknown = isinstance(error, tfds.core.registered.DatasetNotFoundError)
        if not unknown and not str(error).startswith("Parsing builder name string"):
            raise
        known = [*OFFLINE, *tfds.list_builders(with_community_datasets=False)]
        if (near := meant(name)) and not difflib.get_close_matches(name, known, cutoff=0.9):
            raise _no_such_folder(name, near, "of that name is not known either") from error
        close = difflib.get_close_matches(name, known, cutoff=0.7)  # not whatever is least unlike a folder's name
        hint = "There is no such file or folder either."
        raise unknown_name("data set", name, known if close else (), hint) from error
    except AssertionError as error:  # what TFDS raises for a version that does not exist
        raise ValueError(str(error)) from error


def _read_by_tensorflow(builder, name, split, size, key, in_memory):
    """Arrays, or a ``tf.data.Dataset`` where they would not fit in memory. Prepares the store first."""
    builder.download_and_prepare()
    _check_has_image(builder.info.features)
    if size is None and None in builder.info.features["image"].shape:
        raise ValueError(f"The images of {name!r} differ in size. Pass image_size= to resize them.")
    dataset = builder.as_dataset(split=split, shuffle_files=False)
    dataset = dataset.map(lambda example: _image_and_label(example, size))
    if _decoded_bytes(builder, split, size) > IN_MEMORY_BYTES:
        dataset.class_names = _class_names(builder)
        return dataset

    def fill(pile):
        labels = []
        for part in _tfds().as_numpy(dataset.batch(1024)):
            labels.extend([part["label"]] if "label" in part else [])
            for image in part["image"]:
                pile.add(image)
        return np.concatenate(labels) if labels else None, _class_names(builder)

    count = builder.info.splits[split].num_examples
    if not count:
        raise ValueError(f"The split {split!r} of {name!r} is empty.")
    return Found(*cache.kept(key, fill, count, "image {}".format, name, in_memory))


def _class_names(builder):
    """The names of the classes of TFDS' feature ``label``, or None where it is none."""
    names = getattr(dict(builder.info.features).get("label"), "names", None)
    return None if names is None else tuple(names)


def _random_access(builder):
    if not builder.is_prepared() or builder.info.file_format is None:
        return False
    return builder.info.file_format.value == "array_record"


def _decoded_bytes(builder, split, size):
    shape = builder.info.features["image"].shape
    shape = (*size, shape[-1]) if size is not None else shape
    return math.inf if None in shape else math.prod(shape) * builder.info.splits[split].num_examples


def _decoding(examples, size, class_names):
    """A function that fills a ``Pile`` with the images of a store in array_record format."""

    def fill(pile):
        labels = []
        for example in examples:
            _check_has_image(example)
            image = np.asarray(example["image"])
            pile.add(image if size is None else resized(image, size))
            labels.append(example.get("label"))
        if not labels:
            raise ValueError("The split is empty.")
        return None if labels[0] is None else np.asarray(labels, "int64"), class_names

    return fill


def _image_and_label(example, size):
    image = example["image"]
    if size is not None:
        import tensorflow as tf

        # With Pillow, as in the other file format, so that a set looks the same in both.
        resize = tf.numpy_function(lambda image: resized(image, size), [image], image.dtype)
        image = tf.ensure_shape(resize, (*size, image.shape[-1]))
    return {"image": image, **({"label": example["label"]} if "label" in example else {})}


def _check_has_image(example):
    if "image" not in example:
        raise ValueError(f"The data set has no 'image'. Received: {sorted(example)}. Choose a data set of images.")


def _keras_dataset(name, split):
    if split not in ("train", "test"):
        raise unknown_name(f"split of keras.datasets.{name}", split, ["train", "test"])
    try:
        train, test = importlib.import_module(f"keras.datasets.{name}").load_data()
    except Exception as error:  # what Keras raises when a download fails
        raise OSError(f"Could not download {name!r}: {error}. Use 'digits', which needs no network.") from error
    images, labels = train if split == "train" else test
    return Found(images, labels.reshape(-1).astype("int64"))
