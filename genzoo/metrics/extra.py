"""Packages that only metrics need."""

import importlib
from types import ModuleType


def module(name: str) -> ModuleType:
    """The module of this name, or an error that says how to install it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"This metric needs {error.name}. Install it: pip install genzoo[metrics]", name=error.name
        ) from error
