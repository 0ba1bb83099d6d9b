"""Packages that only a part of genzoo needs, and that one of its extras installs."""

import importlib
from types import ModuleType


def extra_module(name: str, extra: str, needs: str) -> ModuleType:
    """Imports a module of a package that may be missing.

    Args:
        name: the module's, such as ``"sklearn.metrics"``.
        extra: of genzoo, that installs its package.
        needs: the sentence, without a full stop, that the error begins with: what needs which package.

    Raises:
        ModuleNotFoundError: it is not installed; says how to install it.

    Example:
    >>> extra_module("no_such_package", "plot", "This picture needs no_such_package")
    Traceback (most recent call last):
    ModuleNotFoundError: This picture needs no_such_package. Install it: pip install genzoo[plot]
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{needs}. Install it: pip install genzoo[{extra}]", name=error.name) from error


def sklearn(module: str) -> ModuleType:
    """A module of scikit-learn, for a metric."""
    return extra_module(f"sklearn.{module}", "metrics", "This metric needs scikit-learn")
