"""What data say of their classes."""

from typing import Any, NamedTuple

import numpy as np

from genzoo.annotations import Array
from genzoo.data.batches import ImageBatches

MOST = 4096  # classes that are taken for such where nothing but the labels tells how many there are


class Classes(NamedTuple):
    """The classes of data, as far as they tell.

    Attributes:
        names: in the order of the class ids, or None.
        labels: those of all images as an array, -1 for none; or None where they come batch by batch.
    """

    names: tuple[str, ...] | None = None
    labels: np.ndarray | None = None

    @property
    def found(self) -> tuple[int, ...] | None:
        """The ids that occur, or may occur, sorted; None where that is unknown."""
        if self.labels is not None:
            return tuple(np.unique(self.labels[self.labels >= 0]).tolist())
        return None if self.names is None else tuple(range(len(self.names)))

    @property
    def number(self) -> int | None:
        """How many classes there are, or None where that is unknown.

        Raises:
            ValueError: the labels seem to number something else.
        """
        if self.names is not None:
            return len(self.names)
        if not self.found:
            return None
        number = self.found[-1] + 1
        if number > MOST:
            raise ValueError(
                f"Labels up to {number - 1} would make {number} classes. Number them from 0 on: "
                "np.unique(y, return_inverse=True)[1]; or say how many there are: num_classes="
            )
        return number


def classes_of(data: Any, y: Array | None = None) -> Classes:
    """What a data set says of its classes, or the labels ``y`` of an array.

    Names are its ``class_names``, as ``genzoo.data`` and ``keras.utils.image_dataset_from_directory`` have them, or the
    ``classes`` of a torch ``DataLoader``'s data set, as torchvision has them.

    Example:
    >>> classes_of(None, np.array([0, 2, -1])).number
    3
    """
    names = getattr(data, "class_names", None)
    if names is None and hasattr(data, "collate_fn"):
        names = getattr(data.dataset, "classes", None)
    if not isinstance(names, (list, tuple)) or not names or not all(isinstance(name, str) for name in names):
        names = None
    labels = data.labels if isinstance(data, ImageBatches) else y
    integers = isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" and labels.ndim <= 2
    return Classes(None if names is None else tuple(names), labels if integers else None)
