"""Names that Keras, JAX and PyTorch do not promise: what the engine does where one of them is gone or has changed.

Each of these names stands once: in the module ``borrowed`` of the backend that needs it, or here if several do. Where
one is gone, or does not do what it did, the engine takes a slower way through public names, and one warning says so.
``GENZOO_NO_BORROWED=1`` makes it take all of these ways, with one message for all.
"""

import functools
import importlib
import logging
import os
import random
import warnings
from collections.abc import Callable
from typing import Any

import keras


class BorrowedNameWarning(RuntimeWarning):
    """A library has changed, so genzoo takes a slower way."""


class Borrowed:
    """A name that its library does not promise.

    Args:
        name: the whole name, from its top module on.
        without: what is different where it is gone: a sentence for the warning.
        check: function of what was found; true if that does what the engine needs. It may raise instead.
        using: what ``found`` gives instead of looking the name up, where only instances have it.
    """

    all: list["Borrowed"] = []

    def __init__(self, name: str, without: str, check: Callable[[Any], bool] | None = None, using: Any = None):
        self.name, self.without, self.using = name, without, using
        self._check = check
        self.all.append(self)

    @functools.cached_property
    def found(self):
        """The object, looked up and checked at its first use; None if it is gone or has changed."""
        if all_refused():
            return None
        try:
            found = looked_up(self.name) if self.using is None else self.using
            if self._check is None or self._check(found):
                return found
            why = "it gives another result"
        except Exception as error:  # whatever a changed library may raise
            why = repr(error)
        self.refuse(why)

    def refuse(self, why: str) -> None:
        """From now on it counts as gone. Warns."""
        self.found = None
        versions = f"Keras {keras.__version__}, {keras.config.backend()}"
        message = f"genzoo: {self.name} is not what it was ({versions}: {why}). {self.without}"
        warnings.warn(message, BorrowedNameWarning, stacklevel=3)


def looked_up(name: str):
    """The object of a whole name. Modules on the way are imported."""
    first, *parts = name.split(".")
    found, path = importlib.import_module(first), first
    for part in parts:
        path = f"{path}.{part}"
        if not hasattr(found, part):
            try:
                importlib.import_module(path)
            except ImportError:
                raise AttributeError(f"there is no {path}") from None
        found = getattr(found, part)
    return found


@functools.cache
def all_refused() -> bool:
    """Whether the user wants none of these names to be used."""
    refused = os.environ.get("GENZOO_NO_BORROWED", "0") not in ("", "0")
    if refused:
        logging.getLogger("genzoo").warning("GENZOO_NO_BORROWED is set: genzoo uses public names only and is slower.")
    return refused


def _fixes_seeds(seed) -> bool:
    """Whether Python's generator is where Keras draws seeds that nobody gave."""
    state = random.getstate()

    def drawn():
        seed(0)
        return keras.ops.convert_to_numpy(keras.random.SeedGenerator().state).tolist()

    try:
        return drawn() == drawn()
    finally:
        random.setstate(state)


python_seed = Borrowed(
    "random.seed",
    "A model's `seed` goes to keras.utils.set_random_seed, which seeds the backend's global generator too.",
    _fixes_seeds,
)
