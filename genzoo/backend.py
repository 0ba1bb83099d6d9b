"""Picks a Keras backend where nobody did, and waits for Keras. Standard library only; Keras is not imported for it."""

import contextlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")


def choose_backend() -> str | None:
    """Sets ``KERAS_BACKEND`` to an installed backend if neither the environment nor keras.json names one.

    keras.json is written by Keras itself with its default, so a file that names a backend which is not installed
    counts as silent. Says what it chose, unless that is Keras' own default or the ``genzoo`` command is running.

    Returns:
        The name that it set, or None if there was nothing to do.
    """
    if "keras" in sys.modules or os.environ.get("KERAS_BACKEND"):
        return None
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    if not installed or _configured() in installed:
        return None
    chosen = installed[0]
    os.environ["KERAS_BACKEND"] = chosen
    command = Path(sys.argv[0] if sys.argv else "").stem == "genzoo"  # which says itself what it trains on
    if chosen != "tensorflow" and not command:
        print(f"genzoo: running on {chosen}; set KERAS_BACKEND to choose another backend.", file=sys.stderr)
    return chosen


def _configured():
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        return json.loads((Path(home) / "keras.json").read_text()).get("backend")
    except (OSError, ValueError):
        return None


def when_keras_is_there(act: Callable[[], None]) -> None:
    """Calls a function once Keras is imported, whoever imports it: now, if it is already."""
    if hasattr(sys.modules.get("keras"), "saving"):
        act()
    else:
        sys.meta_path.insert(0, _Waiting(act))


class _Waiting:
    """A finder that lets the others find Keras, and acts after its import.

    Args:
        act: what to do then. It may fail, but the import does not.
    """

    def __init__(self, act):
        self.act = act

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            self._act_after(spec.loader)
        return spec

    def _act_after(self, loader):
        run = loader.exec_module

        def run_and_act(module):
            run(module)
            with contextlib.suppress(ValueError, AttributeError):
                sys.meta_path.remove(self)
                del loader.exec_module
            with contextlib.suppress(Exception):
                self.act()

        loader.exec_module = run_and_act
