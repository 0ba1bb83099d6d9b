"""Packages that only a part of genzoo needs, and that one of its extras installs."""

import importlib
import importlib.util
import os
from pathlib import Path
from types import ModuleType

from genzoo.backend import BACKENDS

DISTRIBUTIONS = {"sklearn": "scikit-learn", "tensorflow_datasets": "tensorflow-datasets"}  # by their modules


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


def require(program: str, **extras: str) -> None:
    """Ends a program at its start, with the line that installs what it lacks.

    Args:
        program: its file.
        **extras: by the name of each module that it needs, the extra of genzoo that installs it.

    Raises:
        SystemExit: a module is missing, or every backend, or that of ``KERAS_BACKEND``.

    Example:
    >>> require("picture.py", no_such_package="plot")
    Traceback (most recent call last):
    SystemExit: picture.py needs no_such_package. Install it: pip install 'genzoo[plot]'
    """
    lacking = {name: extra for name, extra in extras.items() if importlib.util.find_spec(name) is None}
    chosen = os.environ.get("KERAS_BACKEND")
    if not any(map(importlib.util.find_spec, [chosen] if chosen in BACKENDS else BACKENDS)):
        lacking[chosen or "jax, tensorflow or torch"] = chosen or "jax"
    if lacking:
        names = " and ".join(DISTRIBUTIONS.get(name, name) for name in lacking)
        wanted = ",".join(sorted({*lacking.values()}))
        raise SystemExit(f"{Path(program).name} needs {names}. Install it: pip install 'genzoo[{wanted}]'")
