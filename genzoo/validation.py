"""Checks on arguments: each returns the value, or raises a ``ValueError`` that names the argument."""

import math
import os
import secrets
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

from genzoo.errors import unknown_name

Name = TypeVar("Name", bound=str | None)


def positive_int(name: str, value: Any) -> int:
    """An integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1. Received: {name}={value!r}")
    return int(value)


def number_of_classes(value: Any) -> Any:
    """``num_classes`` of a model: an integer of at least 1, or None until the data tell it."""
    return None if value is None else positive_int("num_classes", value)


def natural_number(name: str, value: Any) -> int:
    """An integer of at least 0."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise ValueError(f"`{name}` must be an integer of at least 0. Received: {name}={value!r}")
    return int(value)


def seed_or_fresh(seed: int | None) -> int:
    """The seed, or where it is None one of 128 bits from the operating system, as NumPy draws it."""
    return secrets.randbits(128) if seed is None else natural_number("seed", seed)


def fraction(name: str, value: Any) -> float:
    """A number in [0, 1)."""
    if not _is_number(value) or not 0 <= value < 1:
        raise ValueError(f"`{name}` must be a number in [0, 1). Received: {name}={value!r}")
    return float(value)


def positive(name: str, value: Any) -> float:
    """A finite number above 0."""
    if not _is_number(value) or value <= 0:
        raise ValueError(f"`{name}` must be a number above 0. Received: {name}={value!r}")
    return float(value)


def non_negative(name: str, value: Any) -> float:
    """A finite number of at least 0."""
    if not _is_number(value) or value < 0:
        raise ValueError(f"`{name}` must be a number of at least 0. Received: {name}={value!r}")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}")
    return value


def text(name: str, value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ValueError(f"`{name}` must be a string. Received: {name}={_short(value)}")
    return value


def path(name: str, value: Any) -> Path:
    """A path, as a string or ``os.PathLike``."""
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ValueError(f"`{name}` must be a path. Received: {name}={_short(value)}")
    return Path(value)


def needs(name: str, value: Any, *, default: Any, what: str, given: bool) -> None:
    """Raises an error for an option that was set although what it belongs to is not in use."""
    if value != default and not given:
        raise ValueError(f"`{name}` goes with {what}. Received: {name}={value!r} without it.")


def choice(name: str, value: Name, known: Iterable[Name]) -> Name:
    """One of the ``known`` values."""
    known = list(known)
    if value is None and None in known:
        return value
    if not isinstance(value, str):
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, known))}. Received: {name}={value!r}")
    if value not in known:
        raise unknown_name(f"`{name}`", value, [k for k in known if k is not None])
    return value


def are_numbers(dtype: Any) -> bool:
    """Whether arrays of this dtype, of NumPy or a backend, hold real numbers."""
    return getattr(dtype, "kind", "f") not in "OSUMmc"


def _short(value):
    return repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:80]}..."


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def refuse_weights(options: dict) -> None:
    """Removes ``sample_weight`` and ``class_weight`` from options, or raises an error where one of them is set."""
    for name in ("sample_weight", "class_weight"):
        if options.pop(name, None) is not None:
            raise ValueError(f"`{name}` is not supported: the objectives of generative models have no weights.")
