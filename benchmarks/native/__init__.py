"""The loops and verbs that genzoo is measured against, written by hand in each backend's own idiom."""

import importlib


def models(backend):
    """A backend's loops by name; imports the backend."""
    parts = [importlib.import_module(f"native.{backend}_{part}") for part in ("dense", "images")]
    return {name: loop for part in parts for name, loop in part.MODELS.items()}
