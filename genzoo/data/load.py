"""``load``: one function for every source."""

import contextlib
import math
import zlib
from pathlib import Path

import numpy as np

from genzoo.data import files, named
from genzoo.data.batches import ImageBatches, binarised, check_images
from genzoo.data.listing import meant
from genzoo.data.pictures import Reader
from genzoo.data.pile import memory
from genzoo.data.progress import telling
from genzoo.data.tables import is_table, table
from genzoo.files import expanded
from genzoo.validation import flag, natural_number, needs, text


def load(
    name_or_path, split: str = "train", *, batch_size: int = 128, image_size: int | tuple[int, int] | None = None,
    shuffle: bool | None = None, seed: int = 0, data_dir: str | None = None, binarise: int | str | None = None,
    background: str | int | tuple[int, int, int] = "white", white: float | None = None, image: str | None = None,
    label: str | None = None, in_memory: bool | None = None, verbose: bool = False,
):  # fmt: skip
    """Images (and labels, where there are any) in batches.

    Args:
        name_or_path: ``"digits"`` (1,797 real digits of 8x8), ``"sprites"`` (see ``genzoo.data.sprites``), a name of
            TensorFlow Datasets (``"mnist"``, ``"emnist/letters"``, ...), a folder of images (one subfolder a class, if
            it has any), an ``.npz`` with ``image`` and maybe ``label`` (or ``x_train``, ``y_train``, ...), or a Hugging
            Face ``Dataset``, ``DatasetDict``. A folder wins over a name of TFDS.
        split: ``"train"`` or ``"test"``; for TFDS whatever it takes, such as ``"train[:1000]"``. A folder or an
            ``.npz`` without a part of that name is all ``"train"``.
        batch_size: images per batch.
        image_size: height and width to resize to, cropped to their aspect ratio; needed where images differ in size.
        shuffle: whether every epoch has an order of its own; by default only for splits named train.
        seed: seed of that order, and of dynamic pixels.
        data_dir: folder of TFDS' stores; by default ``TFDS_DATA_DIR`` or ``~/tensorflow_datasets``.
        binarise: ``"threshold"`` for pixels that are true above 127. The seed of a static binarisation: each is drawn
            once, true with probability x / 255 (Salakhutdinov and Murray 2008), and anew for another split. Or
            ``"dynamic"``: drawn anew in every epoch (Burda et al. 2016), but once where a set is not shuffled.
        background: colour behind transparent pixels of image files: a name, ``"#rrggbb"``, a grey level or three.
        white: value that is white in image files of more than 8 bits, by default 65535, and 1 of floats.
        image, label: columns of a Hugging Face data set; by default found by what they hold, then by their names.
        in_memory: whether decoded images are held in memory, or read from disk batch by batch; by default those that
            take up to a quarter of the machine's are.
        verbose: whether to tell how far loading is, once it has taken two seconds.

    Returns:
        A ``genzoo.data.ImageBatches``, or a ``tf.data.Dataset`` of dicts for a TFDS store in tfrecord format of more
        than 2 GB. Both go into ``fit`` and ``evaluate``, and have ``class_names``. docs/data.md says what becomes of
        each kind of image. A warning says which files of a folder are left out.

    Raises:
        ValueError: unknown name; images that are none, cannot be read, differ in size or would be nearly black.
        ModuleNotFoundError: the source needs a package that is not installed; says which.

    Example:
    >>> import genzoo
    >>> digits = genzoo.data.load("digits")
    >>> digits.images.shape, digits.images.dtype, sorted(set(digits.labels.tolist()))
    ((1438, 8, 8, 1), dtype('uint8'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    shuffle = text("split", split).startswith("train") if shuffle is None else shuffle
    size = files.height_and_width(image_size)
    if in_memory is not None:
        flag("in_memory", in_memory)
    reader, columns = Reader(background, white), {"image": image, "label": label}
    with telling() if verbose else contextlib.nullcontext():
        found = _found(name_or_path, split, size, data_dir, reader, columns, in_memory)
    if isinstance(found, files.Found):
        images = _prepared(name_or_path, found.images, size)
        return _batches(found, images, binarise, split, batch_size=batch_size, shuffle=shuffle, seed=seed)
    if binarise is not None:
        raise ValueError(f"`binarise` needs data that fits in memory. Received: {name_or_path!r}, {binarise=}")
    return _batched(found, batch_size, seed if shuffle else None)


def _batched(dataset, batch_size, seed):
    """Batches of a ``tf.data.Dataset``, shuffled if there is a seed."""
    shuffled = dataset if seed is None else dataset.shuffle(10_000, seed=seed)
    batches = shuffled.batch(batch_size).prefetch(2)
    batches.class_names = dataset.class_names  # as Keras' own loaders name them
    return batches


def _found(name_or_path, split, size, data_dir, reader, columns, in_memory):
    """A ``Found`` as its source has it, or a ``tf.data.Dataset`` where the images do not fit in memory."""
    if is_table(name_or_path):
        return table(name_or_path, split, size=size, reader=reader, in_memory=in_memory, **columns)
    for option, value in columns.items():
        needs(option, value, default=None, what="a Hugging Face data set", given=False)
    if not isinstance(name_or_path, (str, Path)) or not str(name_or_path).strip():
        kind = "an empty one" if isinstance(name_or_path, str) else type(name_or_path).__name__
        raise ValueError(f"Expected the name of a data set, a path, or a Hugging Face data set. Received: {kind}")
    name_or_path, path = str(name_or_path), expanded(name_or_path)
    if in_memory is False and (name_or_path in named.OFFLINE or path.suffix == ".npz"):
        raise ValueError(f"`in_memory=False` goes with images that are decoded. {name_or_path} is read whole.")
    if name_or_path in named.OFFLINE:
        return named.OFFLINE[name_or_path](split)
    if path.is_dir() and path.suffix != ".npz":
        return files.folder(path, split, size, reader, in_memory)
    if path.exists() and path.suffix == ".npz":
        return files.npz(path, split)
    if path.exists():
        raise ValueError(f"Expected a folder of images or an .npz file. Received: the file {path}")
    no_name = path.is_absolute() or name_or_path.startswith((".", "~")) or name_or_path.endswith("/")
    if no_name or (path.suffix and ":" not in name_or_path):
        hint = f" Did you mean {near!r}?" if (near := meant(name_or_path)) else ""
        raise FileNotFoundError(f"There is no file or folder {name_or_path}.{hint}")
    return named.tfds_or_keras(name_or_path, split, size, data_dir, in_memory)


def _prepared(name, images, size):
    """Checked images with a channel axis, in the size that was asked for."""
    images = images[..., None] if np.ndim(images) == 3 else images
    mapped = isinstance(images.base, np.memmap)  # checked when they were decoded: a look at all of it takes its time
    if not mapped and images.dtype == np.uint8 and np.size(images) and np.max(images) == 1:
        images = images.astype(bool)
    try:
        check_images(images, whole=not mapped)
    except ValueError as error:
        name = name if isinstance(name, (str, Path)) else f"this {type(name).__name__}"
        raise ValueError(f"The images of {name} cannot be trained on. {error}") from error
    if size is not None and images.shape[1:3] != size:
        _check_fits_in_memory(images, size)
        images = np.stack([files.resized(image, size) for image in images])
    return images


def _check_fits_in_memory(images, size):
    needed = len(images) * math.prod(size) * images.shape[3] * images.itemsize
    if needed > memory():
        raise ValueError(
            f"{len(images)} images of {size[0]}x{size[1]} take {needed / 2**30:.0f} GiB, and this machine has "
            f"{memory() / 2**30:.0f}. Choose a part of the data, or a smaller image_size. Received: {size}"
        )


def _batches(found, images, binarise, split, **order):
    """The images in batches, black and white where that was asked for: now, or anew in every epoch."""
    anew = binarise == "dynamic" and order["shuffle"]
    if binarise is not None:
        images = _binary(images, order["seed"] if binarise == "dynamic" else binarise, split, anew)
    return ImageBatches(images, found.labels, class_names=found.class_names, binarise=anew, **order)


def _binary(images, binarise, split, later):
    if images.dtype != np.uint8 or images.shape[-1] != 1:
        told = f"{images.dtype} with {images.shape[-1]} channels, binarise={binarise!r}"
        raise ValueError(f"`binarise` takes grey images, uint8. Received: {told}")
    if isinstance(binarise, str) and binarise not in ("threshold", "dynamic"):
        raise ValueError(f"`binarise` is 'threshold', 'dynamic' or a seed. Received: binarise={binarise!r}")
    if binarise == "threshold":
        return images > 127
    return images if later else binarised(images, natural_number("binarise", binarise), zlib.crc32(split.encode()))


def sources() -> list[str]:
    """The names of data sets that need no preparation."""
    return [*named.OFFLINE, *named.KERAS_DATASETS]
