"""Tables with a column of images: Hugging Face's ``Dataset`` and ``DatasetDict``, known by what they can do."""

from collections.abc import Mapping

import numpy as np

from genzoo.data import cache
from genzoo.data.files import Found, resized
from genzoo.data.pictures import Reader

# Names of columns, the likeliest first; what a column holds goes before its name.
IMAGE_NAMES = ("image", "images", "img", "pixel_values", "picture", "photo", "x")
LABEL_NAMES = ("label", "labels", "fine_label", "class", "target", "y")


def is_table(x) -> bool:
    """Whether ``x`` is a Hugging Face data set, or a dict of them by split."""
    if isinstance(x, Mapping):
        return len(x) > 0 and all(map(is_table, x.values()))
    return all(hasattr(x, name) for name in ("features", "column_names", "with_format"))


def table(
    data,
    split: str | None = None,
    image=None,
    label=None,
    size=None,
    reader: Reader | None = None,
    in_memory: bool | None = None,
) -> Found:
    """The images of a table, decoded, and their labels.

    Args:
        data: a Hugging Face ``Dataset``, or a ``DatasetDict``.
        split: of a ``DatasetDict``; by default ``"train"``, or the only one.
        image, label: names of columns; by default found by their features, then by their names.
        size: height and width to resize to, or None.
        reader: makes arrays of the images.
        in_memory: as for ``load``.
    """
    reader = Reader() if reader is None else reader
    part = _part(data, split)
    if not hasattr(part, "__len__"):
        raise ValueError(
            "A stream of examples does not fit in memory. Take as many as do: "
            "datasets.Dataset.from_list(list(stream.take(10_000)), features=stream.features)"
        )
    transformed = part.format["type"] == "custom"  # what a function of the user's makes of every row
    features = dict.fromkeys(part[0]) if transformed and len(part) else part.features
    image, label = _columns(features, image, label)
    pictures = type(features[image]).__name__ == "Image"
    if not transformed:
        part = part.with_format(None if pictures else "numpy").select_columns([image, *([label] if label else [])])
    if not len(part):
        raise ValueError("The data set is empty: it has no rows.")

    def fill(pile):
        labels = []
        for number, row in enumerate(_rows(part, image)):
            array = _array(row[image], f"row {number}", reader)
            pile.add(array if size is None else resized(array, size))
            labels.append(row[label] if label else None)
        reader.finish()
        return _labels(labels, features[label]) if label else (None, None)

    return Found(*cache.kept(None, fill, len(part), "row {}".format, "the data set", in_memory))


def _part(data, split):
    """One table of a dict of them, or the only one."""
    if not isinstance(data, Mapping):
        if split not in (None, "train", str(data.split)):
            raise ValueError(f"A Dataset is one split, all of it. Received: {split=}. Pass a DatasetDict, or a slice.")
        return data
    if split is None:
        split = next(iter(data)) if len(data) == 1 else "train"
    if split not in data:
        raise ValueError(f"The data set has the splits {', '.join(map(str, data))}. Received: split={split!r}")
    return data[split]


def _columns(features, image, label):
    """The names of the column of images, and of that of labels or None."""
    for option, name in (("image", image), ("label", label)):
        if name is not None and name not in features:
            raise ValueError(f"The data set has the columns {', '.join(features)}. Received: {option}={name!r}")
    kinds = {name: type(feature).__name__ for name, feature in features.items()}
    if image is None:
        found = [c for c in kinds if kinds[c] == "Image"] or [c for c in kinds if kinds[c] in ("Array2D", "Array3D")]
        found = found or [c for c in IMAGE_NAMES if c in kinds]
        usual = [c for c in IMAGE_NAMES if c in found]
        if not found or (len(found) > 1 and not usual):
            raise ValueError(
                f"Expected one column of images. Received: the columns {', '.join(features)}. "
                "Name it: genzoo.data.load(data, image=...)"
            )
        image = (usual or found)[0]
    if label is None:
        found = [c for c in kinds if kinds[c] == "ClassLabel"] or [c for c in LABEL_NAMES if c in kinds]
        label = next((c for c in LABEL_NAMES if c in found), (found or [None])[0])
    return image, label


def _rows(part, image):
    """The rows, one by one; a row whose image cannot be decoded is named."""
    for number in range(len(part)):
        try:
            row = part[number]
        except Exception as error:  # what Pillow and the library raise for a damaged image
            raise ValueError(
                f"Row {number} has no readable image in {image!r} ({error}). Remove or repair it."
            ) from error
        yield row


def _array(value, name, reader):
    """What a row holds as an array ``(h, w, c)``."""
    if hasattr(value, "getexif"):
        return reader.picture(value, name)
    if isinstance(value, (str, bytes, Mapping)) or value is None:
        raise ValueError(
            f"{name} holds no image. Received: {type(value).__name__}. Cast the column to datasets.Image()."
        )
    array = np.asarray(value)
    if array.dtype.kind in "iu" and array.size and array.min() >= 0 and array.max() <= 255:
        array = array.astype("uint8")  # a table's integers come as int64
    return array[..., None] if array.ndim == 2 else array


def _labels(values, feature):
    """Class ids as int64, and the names of the classes; -1 where there is no label."""
    if any(isinstance(value, str) for value in values):
        values = [None if value is None else str(value) for value in values]
        names = sorted({value for value in values if value is not None})
        return np.array([-1 if value is None else names.index(value) for value in values], "int64"), tuple(names)
    labels = np.asarray([-1 if value is None else value for value in values])
    names = getattr(feature, "names", None)
    return labels.astype("int64") if labels.dtype.kind in "iu" else labels, None if names is None else tuple(names)
