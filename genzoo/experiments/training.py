"""What a training was asked to be: which model, on which data, for how long. ``run.json`` holds it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from genzoo import data
from genzoo.data import ImageBatches
from genzoo.data.pairs import parts
from genzoo.errors import unknown_name
from genzoo.experiments import checks
from genzoo.validation import needs


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a training's images come from.

    Attributes:
        name: as for ``genzoo.data.load``; of pairs, a folder as for ``genzoo.data.load_pairs``.
        split: the part to train on.
        image_size: height and width to resize to, or None.
        batch_size: images per batch.
        inputs, targets: of pairs, as for ``genzoo.data.load_pairs``, or None.
        labels: how many images keep their labels, as many of each class, or None for all.
        labelled_fraction: their share of every batch, or None for half.
        binarise: as for ``genzoo.data.load``, or None.
        background, white: as for ``genzoo.data.load``, or None for its own.
    """

    name: str
    split: str = "train"
    image_size: int | tuple[int, int] | None = None
    batch_size: int = 128
    inputs: str | None = None
    targets: str | None = None
    labels: int | None = None
    labelled_fraction: float | None = None
    binarise: int | str | None = None
    background: str | None = None
    white: float | None = None

    def part(self, split: str, *, shuffle: bool | None = None, seed: int = 0) -> ImageBatches | Any:
        """A part of the data set, see ``genzoo.data.load``."""
        options = {"batch_size": self.batch_size, "image_size": self.image_size, "binarise": self.binarise}
        options |= _given(self, "background", "white")
        return data.load(self.name, split, shuffle=shuffle, seed=seed, **options)

    def images(self, seed: int) -> ImageBatches | Any:
        """The images to train on, of which few may keep their labels."""
        images = self.part(self.split, shuffle=True, seed=seed)
        needs("labelled_fraction", self.labelled_fraction, default=None, what="labels", given=self.labels is not None)
        if self.labels is None:
            return images
        fraction = _given(self, "labelled_fraction")
        return data.semi_supervised(images, num_labelled=self.labels, seed=seed, **fraction)

    def pairs(self, seed: int) -> tuple[ImageBatches, ImageBatches | None]:
        """The pairs to train on, and those held out, or None where the folder has no such part."""
        options = {"batch_size": self.batch_size, "image_size": self.image_size, "seed": seed}
        options |= {"inputs": self.inputs, "targets": self.targets, **_given(self, "background", "white")}
        train = data.load_pairs(self.name, self.split, shuffle=True, **options)
        held_out = self.split == "train" and "test" in (parts(self.name) or ["test"])
        return train, data.load_pairs(self.name, "test", **options) if held_out else None


@dataclasses.dataclass(frozen=True)
class Training:
    """What a run was asked to train.

    Attributes:
        model: the model's name.
        data: what to train it on.
        options: arguments of the model.
        learning_rate: of every player, or None for the paper's.
        optimizers: by player, as ``genzoo.experiments.optimizers`` has them, or None for the paper's.
        seed: of the order of the data; that of the model is among its options.
        epochs: in all.
        claim: id of the claim that it reproduces or began with, or None.
        scored: how that claim is scored, or None.
    """

    model: str
    data: Source
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    learning_rate: float | None = None
    optimizers: Mapping[str, Mapping[str, Any]] | None = None
    seed: int = 0
    epochs: int = 1
    claim: str | None = None
    scored: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As ``run.json`` holds it: what is only sometimes asked for is there only where it was."""
        asked = {name: getattr(self, name) for name in ("model", "options", "learning_rate", "seed", "epochs")}
        source = {name: getattr(self.data, name) for name in ("name", "split", "image_size", "batch_size")}
        sometimes = ("inputs", "targets", "labels", "labelled_fraction", "binarise", "background", "white")
        asked["data"] = source | _given(self.data, *sometimes)
        return asked | _given(self, "optimizers", "claim", "scored")

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Training":
        """The opposite of ``to_json``.

        Raises:
            ValueError: something is missing, unknown or of a wrong type.
        """
        source = _made(Source, found.get("data"), "data")
        checks.check(vars(source), checks.SOURCE)
        asked = _made(cls, {**found, "data": source}, "run")
        checks.check(vars(asked), checks.TRAINING)
        return asked


FIELDS = tuple(field.name for field in dataclasses.fields(Training))


def _given(holder, *names):
    """The attributes that are not None."""
    return {name: getattr(holder, name) for name in names if getattr(holder, name) is not None}


def _made(cls, found, what):
    if not isinstance(found, Mapping):
        raise ValueError(f"its {what} is no object")
    known = {field.name: field for field in dataclasses.fields(cls)}
    for name in found:
        if name not in known:
            raise unknown_name(f"field of its {what}", name, known)
    required = [name for name, field in known.items() if field.default is field.default_factory is dataclasses.MISSING]
    if missing := [name for name in required if name not in found]:
        raise ValueError(f"its {what} lacks {', '.join(missing)}")
    return cls(**found)
