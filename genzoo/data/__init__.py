"""Data sets by name or path, as batches that ``fit`` takes.

``load("digits")`` and ``load("sprites")`` need no network. Everything that fits in memory is held there as uint8 and
converted to [0, 1] inside the model.
"""

from genzoo.data.load import load, sources

__all__ = ["load", "sources"]
