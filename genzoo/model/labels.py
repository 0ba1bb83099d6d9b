"""The classes of a model that takes labels: how many, what they are called, and which it was trained on."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from genzoo.annotations import Array, Data
from genzoo.data.batches import as_numpy, check_labels
from genzoo.data.classes import Classes, classes_of
from genzoo.errors import unknown_name
from genzoo.model.part import Part


class Labels(Part):
    """What a ``GenerativeModel`` knows of labels, and how verbs read theirs.

    Attributes:
        class_names: names of the classes in the order of their ids, as the data had them, or None.
    """

    num_classes: Any
    class_names: tuple[str, ...] | None = None
    _trained_labels: tuple[int, ...] = ()

    @property
    def label_ids(self) -> range | None:
        """The class ids that training needs beside every image, -1 for none of them; or None where it needs none.

        Raises:
            ValueError: ``num_classes`` is None, and no data have told it yet.
        """
        self._check_classes_known()
        if "classifier" in self.tags:
            return range(-1, self.num_classes)
        return range(self.num_classes) if "conditional" in self.tags else None

    @property
    def trained_labels(self) -> tuple[int, ...]:
        """The class ids that images were trained on with; all that there are, where that is unknown."""
        return self._trained_labels or self._all_labels

    def _check_classes_known(self):
        if self._awaits_classes:
            raise ValueError(
                f"{type(self).__name__} does not know its classes yet. Call fit(x, y), which takes them from the data, "
                "or pass num_classes=."
            )

    @property
    def _all_labels(self):
        return tuple(i for i in self.label_ids or () if i >= 0)

    @property
    def samples_by_label(self) -> bool:
        """Whether ``sample`` takes labels. A classifier learns from some, but its networks may well draw without."""
        return "conditional" in self.tags or (self._takes_labels and "classifier" not in self.tags)

    @property
    def _awaits_classes(self):
        return bool(self.tags & {"conditional", "classifier"}) and getattr(self, "num_classes", 0) is None

    @property
    def _takes_labels(self):
        return self._awaits_classes or self.label_ids is not None

    # From data.

    @contextlib.contextmanager
    def _meeting(self, y: Array | None, classes: Classes) -> Iterator[None]:
        """Takes the classes of data over, or refuses them. What fails inside leaves a model without networks as it was.

        Args:
            y: labels of the first batch, or all.
            classes: what the data say of theirs.
        """
        name, before = type(self).__name__, (getattr(self, "num_classes", None), self.class_names)
        if y is None or self._awaits_classes:
            check_labels(y, None, name)
        try:
            self._check_names(classes)
            if self._awaits_classes:
                self.num_classes = self._number_in(classes)
            check_labels(y if classes.labels is None else classes.labels, self.label_ids, name)
            if classes.names is not None and self.steps_made == 0:  # else they are another's, of data to evaluate on
                self.class_names = classes.names
            yield
        except Exception:
            if self.image_shape is None and hasattr(self, "num_classes"):
                self.num_classes, self.class_names = before
            raise

    def check_class_names(self, data: Data) -> None:
        """Refuses a data set whose classes have other names than the model's, or are more."""
        if self._takes_labels:
            self._check_names(classes_of(data))

    def _check_names(self, classes):
        names, number = classes.names, getattr(self, "num_classes", None)
        if names is None:
            return
        if self.class_names is not None and names != self.class_names:
            raise ValueError(
                f"This model's classes are {_listed(self.class_names)}. Received: data of {_listed(names)}. "
                "To use them all the same, pass arrays, which have no names: data.images, data.labels"
            )
        if number is not None and len(names) > number:
            raise ValueError(
                f"{type(self).__name__} has num_classes={number}. Received: data of {len(names)} classes, "
                f"{_listed(names)}. Leave num_classes to the data, or set it to {len(names)}."
            )

    def _number_in(self, classes):
        if (number := classes.number) is not None:
            return number
        raise ValueError(
            f"{type(self).__name__} takes the number of its classes from arrays, from genzoo.data sets, and from data "
            f"sets with class_names. These data do not tell it. Pass num_classes= to the model."
        )

    def _note_trained(self, data: Data, y: Array | None = None) -> None:
        """Remembers which labels are trained on from now on: those of a data set, or of an array."""
        if self._takes_labels:
            found = classes_of(data, as_numpy(y)).found
            before = self._trained_labels or (self._all_labels if self.steps_made else ())
            self._trained_labels = tuple(sorted({*before, *(self._all_labels if found is None else found)}))

    # In files.

    def _classes_config(self) -> dict[str, Any]:
        known = {"names": self.class_names, "trained": self._trained_labels}
        known = {name: list(value) for name, value in known.items() if value}
        return {"classes": known} if known else {}

    def _set_classes(self, config: Any) -> None:
        """What ``_classes_config`` gave, out of a file that anybody may have written."""
        if not isinstance(config, Mapping):
            raise ValueError(f"Expected the classes of a model. Received: {config!r}")
        for name, kind in (("names", str), ("trained", int)):
            values = config.get(name, [])
            if not isinstance(values, (list, tuple)) or not all(isinstance(value, kind) for value in values):
                raise ValueError(f"Expected the {name} of classes as a list. Received: {str(values)[:80]}")
        self.class_names = tuple(config["names"]) if config.get("names") else None
        self._trained_labels = tuple(config.get("trained", ()))

    # In verbs.

    def _condition(self, labels, n, drawn=False):
        """``(labels,)`` where the networks take them, else ``()``."""
        if "conditional" in self.tags:
            return (self._ids(labels, n, drawn),)
        if labels is not None:
            raise self._takes_no_labels()
        return ()

    def _ids(self, labels, n, drawn=False):
        """Labels, names among them, as ``n`` class ids; ``drawn``, if images are to be drawn of them."""
        if isinstance(labels, str) or np.asarray(labels).dtype.kind == "U":
            labels = self._ids_by_name(labels)
        if labels is not None and np.ndim(labels) == 0:
            labels = np.full(n, labels)
        ids = check_labels(labels, self._classes, type(self).__name__)
        if len(ids) != n:
            raise ValueError(f"Expected one label, or one for each of {n}. Received: {len(ids)} labels.")
        if drawn and (strange := sorted({*ids.tolist()} - {*self.trained_labels, -1})):
            raise ValueError(
                f"This model was never trained on label {', '.join(map(self._class_name, strange[:5]))}. "
                f"It was on {_listed([*map(self._class_name, self.trained_labels)])}."
            )
        return ids

    def _ids_by_name(self, labels):
        if self.class_names is None:
            raise ValueError(
                f"This model knows no names of its classes, only ids. Received: labels={labels!r}. Names come with the "
                "data that it trains on: a genzoo.data set, or another with class_names."
            )
        names = np.atleast_1d(labels).tolist()
        for name in names:
            if name not in self.class_names:
                raise unknown_name("class", name, self.class_names)
        ids = [self.class_names.index(name) for name in names]
        return ids[0] if np.ndim(labels) == 0 else ids

    def _class_name(self, i):
        return repr(self.class_names[i]) if self.class_names is not None and i < len(self.class_names) else str(i)

    @property
    def _classes(self) -> Sequence[int]:
        """The ids that ``labels`` may hold: a network that takes the class cannot do without, -1 is for training."""
        ids = self.label_ids or ()
        return [i for i in ids if i >= 0] if "conditional" in self.tags else ids

    def _takes_no_labels(self):
        return ValueError(f"{type(self).__name__} takes no labels here: its networks have none. Pass no `labels`.")


def _listed(names):
    more = f", ... ({len(names)} in all)" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more
