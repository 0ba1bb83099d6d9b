"""Data sets by name or path, as batches that ``fit`` takes.

``load("digits")`` and ``load("sprites")`` need no network. Everything that fits in memory is held there as uint8 and
converted to [0, 1] inside the model. ``load_pairs(folder)`` reads pairs of images; ``semi_supervised(x, y)`` keeps few
labels and mixes images with and without them.
"""

from genzoo.data.batches import ImageBatches
from genzoo.data.load import load, sources
from genzoo.data.pairs import load_pairs
from genzoo.data.semi_supervised import semi_supervised

__all__ = ["ImageBatches", "load", "load_pairs", "semi_supervised", "sources"]
