"""Recipes: what it takes to train a model as a paper did, as data. A claim is a recipe with a score."""

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from genzoo import registry
from genzoo.errors import FileError, unknown_name
from genzoo.experiments import checks
from genzoo.experiments.training import Source, Training
from genzoo.files import read_text

PARTS = ("train", "test", "validation")
FOUND_OUT = MappingProxyType({"found out": True})  # metadata of fields that files do not have
Kind = TypeVar("Kind", bound="Recipe")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train, on what, and how.

    Attributes:
        model, options, learning_rate, batch_size, epochs: as for ``genzoo train``; ``options`` without the seed.
        optimizers: by player, as ``genzoo.experiments.optimizers`` has them.
        data: ``name`` and the split ``train``; maybe the splits ``test`` and ``validation``, and other fields of a
            ``genzoo.experiments.training.Source``, such as ``image_size``, ``binarise``, ``labels`` and
            ``labelled_fraction``.
    """

    model: str
    data: Mapping[str, Any]
    epochs: int
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    learning_rate: float | None = None
    optimizers: Mapping[str, Mapping[str, Any]] | None = None
    batch_size: int | None = None

    def __post_init__(self):
        checks.check(vars(self), checks.RECIPE)
        if "seed" in self.options:
            raise ValueError("A recipe holds for every seed: leave it out of `options`, and pass --seed.")
        known = {field.name for field in dataclasses.fields(Source)} - {"split", "batch_size"} | {*PARTS}
        for name in self.data:
            if name not in known:
                raise unknown_name("field of data", name, known)
        for name in {"name", "train"} - set(self.data):
            raise ValueError(f"`data` lacks {name}.")
        checks.check(self.data, checks.SOURCE)
        checks.check({f"data.{name}": self.data[name] for name in PARTS if name in self.data}, checks.SPLITS)

    @property
    def data_options(self) -> dict[str, Any]:
        """What a ``Source`` is told, but for the batch size."""
        given = {name: value for name, value in self.data.items() if name not in PARTS}
        return {**given, "split": self.data["train"]}

    def training(self, seed: int, **further: Any) -> Training:
        """The training that this asks for.

        Args:
            seed: of the model and of the order of the data.
            **further: other attributes of the training.
        """
        options = {"seed": seed, **self.options}
        batch_size = self.batch_size or registry.get(self.model, **options).batch_size
        settings = {name: getattr(self, name) for name in ("model", "learning_rate", "optimizers", "epochs")}
        settings |= {"options": options, "seed": seed, "data": Source(batch_size=batch_size, **self.data_options)}
        return Training(**{**settings, **further})


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a TOML file holds.

    Raises:
        ValueError: it is no TOML.
    """
    try:
        return tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not TOML ({error}).") from error


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """The recipe of a TOML file, whose tables and keys are the attributes of a ``Recipe``.

    Raises:
        ValueError: it is no TOML, is incomplete, or has an unknown field.
    """
    return of_table(Recipe, read_toml(path), f"the recipe in {path}")


def of_table(kind: type[Kind], table: Mapping[str, Any], what: str, **found_out: Any) -> Kind:
    """The recipe, or claim, of a TOML table.

    Args:
        kind: its class.
        table: its fields.
        what: it is, for errors.
        **found_out: fields that no file may say.

    Raises:
        ValueError: it is incomplete, has an unknown field, or one of a wrong type.
    """
    known = {field.name: field for field in dataclasses.fields(kind) if field.metadata is not FOUND_OUT}
    for field in table:
        if field not in known:
            raise unknown_name(f"field of {what}", field, known)
    missing = [name for name, field in known.items() if name not in table and _required(field)]
    if missing:
        raise ValueError(f"{what[0].upper()}{what[1:]} lacks {', '.join(missing)}.")
    try:
        return kind(**table, **found_out)
    except ValueError as error:
        raise FileError(f"{what[0].upper()}{what[1:]} is wrong. {error}") from error


def _required(field):
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
