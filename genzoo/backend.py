"""Picks a Keras backend where nobody did. Standard library only; runs before Keras is imported."""

import importlib.util
import json
import os
import sys
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
