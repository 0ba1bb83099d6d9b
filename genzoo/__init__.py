"""genzoo: classic deep generative models for Keras 3, on TensorFlow, PyTorch and JAX.

>>> import genzoo
>>> model = genzoo.get("vae")                  # compiled with the paper's settings
"""

from importlib import import_module
from typing import TYPE_CHECKING

import genzoo.models  # noqa: F401  (names the built-in models, imports none)
from genzoo.backend import choose_backend, when_keras_is_there
from genzoo.registry import ModelSpec, awaited, cite, list_models, register
from genzoo.version import __version__

if TYPE_CHECKING:
    from genzoo import callbacks as callbacks
    from genzoo import data as data
    from genzoo import losses as losses
    from genzoo import metrics as metrics
    from genzoo import models as models
    from genzoo import networks as networks
    from genzoo import schedules as schedules
    from genzoo import testing as testing
    from genzoo import viz as viz
    from genzoo.evaluation import evaluate
    from genzoo.model import GenerativeModel
    from genzoo.registry.loading import load
    from genzoo.registry.typed import get
else:
    from genzoo.registry import get

__all__ = [
    "GenerativeModel",
    "ModelSpec",
    "__version__",
    "cite",
    "data",
    "evaluate",
    "get",
    "list_models",
    "load",
    "register",
]

# What needs Keras is imported when it is first used.
_LAZY = {"GenerativeModel": "genzoo.model", "evaluate": "genzoo.evaluation", "load": "genzoo.registry.loading"}
_ROOMS = {"callbacks", "data", "losses", "metrics", "networks", "schedules", "testing", "viz"}

choose_backend()
when_keras_is_there(awaited.announce)


if not TYPE_CHECKING:  # checkers have them above, and tell a name that is not there

    def __getattr__(name):
        if name in _LAZY:
            return getattr(import_module(_LAZY[name]), name)
        if name in _ROOMS:
            return import_module(f"genzoo.{name}")
        raise AttributeError(f"module 'genzoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_ROOMS})
