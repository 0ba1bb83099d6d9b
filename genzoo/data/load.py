"""``load``: one function for every source."""

import zlib
from pathlib import Path

import numpy as np

from genzoo.data import files, named
from genzoo.data.batches import ImageBatches, binarised, check_images
from genzoo.data.pictures import Reader
from genzoo.data.tables import is_table, table
from genzoo.validation import natural_number, needs


def load(
    name_or_path,
    split: str = "train",
    *,
    batch_size: int = 128,
    image_size: int | tuple[int, int] | None = None,
    shuffle: bool | None = None,
    seed: int = 0,
    data_dir: str | None = None,
    binarise: int | str | None = None,
    background: str | int | tuple[int, int, int] = "white",
    white: float | None = None,
    image: str | None = None,
    label: str | None = None,
):
    """Images (and labels, where there are any) in batches.

    Args:
        name_or_path: ``"digits"`` (1,797 real digits of 8x8, bundled with scikit-learn), ``"sprites"`` (25,920 drawn
            shapes of 64x64 with known factors, see ``genzoo.data.sprites``), any name of TensorFlow Datasets
            (``"mnist"``, ``"emnist/letters"``, ...), a folder (one subfolder a class, if it has any), an ``.npz`` with
            ``image`` and maybe ``label`` (or ``x_train``, ``y_train``), a Hugging Face set. A folder wins over a name.
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

    Returns:
        A ``genzoo.data.ImageBatches``, or a ``tf.data.Dataset`` of dicts where the set does not fit in memory. Both go
        into ``fit`` and ``evaluate``. Integer images that are all 0 or 1, such as ``"binarized_mnist"``, come as bool,
        files as a viewer shows them (docs/data.md). A warning says which files of a folder are left out.

    Raises:
        ValueError: unknown name; images that are none, cannot be read, differ in size or would be nearly black.
        ModuleNotFoundError: the source needs a package that is not installed; says which.

    Example:
    >>> import genzoo
    >>> digits = genzoo.data.load("digits")
    >>> digits.images.shape, digits.images.dtype, sorted(set(digits.labels.tolist()))
    ((1438, 8, 8, 1), dtype('uint8'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    shuffle = split.startswith("train") if shuffle is None else shuffle
    size = files.height_and_width(image_size)
    found = _found(name_or_path, split, size, data_dir, Reader(background, white), {"image": image, "label": label})
    if isinstance(found, files.Found):
        images = _prepared(name_or_path, found.images, size)
        return _batches(found, images, binarise, split, batch_size=batch_size, shuffle=shuffle, seed=seed)
    if binarise is not None:
        raise ValueError(f"`binarise` needs data that fits in memory. Received: {name_or_path!r}, {binarise=}")
    return (found.shuffle(10_000, seed=seed) if shuffle else found).batch(batch_size).prefetch(2)


def _found(name_or_path, split, size, data_dir, reader, columns):
    """A ``Found`` as its source has it, or a ``tf.data.Dataset`` where the images do not fit in memory."""
    if is_table(name_or_path):
        return table(name_or_path, split, size=size, reader=reader, **columns)
    for option, value in columns.items():
        needs(option, value, default=None, what="a Hugging Face data set", given=False)
    if not isinstance(name_or_path, (str, Path)):
        kind = type(name_or_path).__name__
        raise ValueError(f"Expected the name of a data set, a path, or a Hugging Face data set. Received: {kind}")
    name_or_path, path = str(name_or_path), Path(name_or_path).expanduser()
    if name_or_path in named.OFFLINE:
        return named.OFFLINE[name_or_path](split)
    if path.suffix == ".npz":
        return files.npz(path, split)
    if path.is_dir():
        return files.folder(path, split, size, reader)
    if path.exists():
        raise ValueError(f"Expected a folder of images or an .npz file. Received: the file {path}")
    if path.is_absolute() or name_or_path.startswith((".", "~")) or (path.suffix and ":" not in name_or_path):
        raise FileNotFoundError(f"There is no file or folder {name_or_path}.")
    return named.tfds_or_keras(name_or_path, split, size, data_dir)


def _prepared(name, images, size):
    """Checked images with a channel axis, in the size that was asked for."""
    images = images[..., None] if np.ndim(images) == 3 else images
    if images.dtype == np.uint8 and np.size(images) and np.max(images) == 1:
        images = images.astype(bool)
    try:
        check_images(images)
    except ValueError as error:
        name = name if isinstance(name, (str, Path)) else f"this {type(name).__name__}"
        raise ValueError(f"The images of {name} cannot be trained on. {error}") from error
    if size is not None and images.shape[1:3] != tuple(size):
        images = np.stack([files.resized(image, size) for image in images])
    return images


def _batches(found, images, binarise, split, **order):
    """The images in batches, black and white where that was asked for: now, or anew in every epoch."""
    anew = binarise == "dynamic" and order["shuffle"]
    if binarise is not None:
        images = _binary(images, order["seed"] if binarise == "dynamic" else binarise, split, anew)
    return ImageBatches(images, found.labels, class_names=found.class_names, binarise=anew, **order)


def _binary(images, binarise, split, later):
    if images.dtype != np.uint8:
        raise ValueError(f"`binarise` takes grey images, uint8. Received: {images.dtype}, binarise={binarise!r}")
    if binarise == "threshold":
        return images > 127
    return images if later else binarised(images, natural_number("binarise", binarise), zlib.crc32(split.encode()))


def sources() -> list[str]:
    """The names of data sets that need no preparation."""
    return [*named.OFFLINE, *named.KERAS_DATASETS]
