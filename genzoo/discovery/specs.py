"""What the registry knows of a model. Standard library only."""

import dataclasses
import functools
import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """What the registry knows of a model before it imports anything.

    Attributes:
        name: lowercase kebab, such as ``"beta-vae"``.
        target: the class, or ``"package.module:Class"``.
        config: arguments that this name fixes; ``get`` may override them.
        tags: what the model can do, see ``list_models``.
        summary: one line.
        source: who brought it: ``"genzoo"``, a plugin's distribution, or ``"registered"``.
    """

    name: str
    target: Any
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    summary: str = ""
    source: str = "registered"

    def described(self) -> "ModelSpec":
        """With summary and tags, as far as they are known without importing the model."""
        return self

    def resolve(self) -> "ModelSpec":
        """The same; of a plugin that is not imported yet, what it says once it is."""
        return self

    def load(self) -> Callable:
        """Imports the model's class."""
        return load_target(self.target)


def load_target(target: Any) -> Any:
    """Imports ``"package.module:Class"``; what is no string is the target itself."""
    if not isinstance(target, str):
        return target
    module, _, attribute = target.partition(":")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):  # not one that the module itself imports
            told = f"There is no module {error.name!r} here. Received: {target!r}"
            raise ModuleNotFoundError(told, name=error.name) from error
        raise
    try:
        return functools.reduce(getattr, attribute.split("."), found)
    except AttributeError as error:
        raise ValueError(f"Module {module!r} has no {attribute!r}. Received: {target!r}") from error


def path_of(target: Any) -> str:
    """A target as ``"package.module:Class"``."""
    if isinstance(target, str):
        return target
    return f"{getattr(target, '__module__', '')}:{getattr(target, '__qualname__', type(target).__qualname__)}"


def key_of(name: str) -> str:
    """A name as it is compared: lowercase, ``_`` as ``-``."""
    return name.lower().replace("_", "-")


def is_name(name: str) -> bool:
    """Whether it may be a model's name: lowercase kebab, where ``_`` counts as ``-``."""
    return re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", name) is not None


def summary_of(doc: str | None) -> str:
    """A docstring's first line."""
    return (doc or "").strip().split("\n")[0]
