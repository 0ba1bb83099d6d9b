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
    """Calls a function once Keras is imported, whoever imports it: now, if it is already. If it fails, nobody hears."""
    if hasattr(sys.modules.get("keras"), "saving"):
        act()
        return

    def run_and_act(run, module):
        run(module)
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(finder)
        with contextlib.suppress(Exception):
            act()

    finder = Importing("keras", run_and_act)
    sys.meta_path.insert(0, finder)


class Importing:
    """A finder, for ``sys.meta_path``, that lets the others find one module and decides how its code is run.

    Args:
        module: the module's name.
        execute: called with the function that runs the code, and with the module that this function takes.
    """

    def __init__(self, module: str, execute: Callable):
        self.module, self.execute = module, execute

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        # Those after this one: another of its kind before it has already asked, and would be asked for ever.
        later = [f for f in sys.meta_path[sys.meta_path.index(self) + 1 :] if hasattr(f, "find_spec")]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in later)), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            self._wrap(spec.loader)
        return spec

    def _wrap(self, loader):
        run = loader.exec_module

        def run_once(module):
            self.execute(run, module)
            with contextlib.suppress(AttributeError):
                del loader.exec_module

        loader.exec_module = run_once
