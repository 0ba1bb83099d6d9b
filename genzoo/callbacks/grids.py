"""Pictures while a model trains. The callbacks use only the model's verbs."""

import math
import os
from typing import Any

import keras
import numpy as np

from genzoo import validation, viz
from genzoo.annotations import Array
from genzoo.validation import natural_number, positive_int


class SampleGrid(keras.callbacks.Callback):
    """Writes a grid of samples after every epoch, always from the same noise, so that pictures can be compared.

    Of a model that takes labels each column is a class, as far as there is room for them.

    Args:
        directory: where ``epoch-001.png``, ``epoch-002.png``, ... go.
        n: images per grid, at most.
        seed: seed of the noise.

    Example:
    >>> import genzoo
    >>> callback = SampleGrid("samples", n=16)
    """

    def __init__(self, directory: str | os.PathLike[str], n: int = 64, seed: int = 0):
        super().__init__()
        self.directory = validation.path("directory", directory)
        self.n, self.seed = positive_int("n", n), natural_number("seed", seed)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        columns = columns_of(self.model, self.n)
        n = self.n if columns is None else self.n // columns * columns
        grid = viz.image_grid(self.model.sample(n, seed=self.seed), columns)
        viz.save_image(self.directory / f"epoch-{epoch + 1:03d}.png", grid)


def columns_of(model: Any, n: int) -> int | None:
    """How many images a row needs so that each column of ``model.sample(n)`` is a class; None where they are none."""
    classes = len(model.trained_labels) if model.samples_by_label else 0
    return classes * max(1, round(math.sqrt(n) / classes)) if 1 < classes <= n else None  # nearly square


class TranslationGrid(keras.callbacks.Callback):
    """Writes a grid after every epoch: in each row an image, its translation, always by the same noise, and the truth.

    Args:
        directory: where ``epoch-001.png``, ``epoch-002.png``, ... go.
        x: images to translate, a few.
        y: what they ought to become.
        seed: seed of the noise.

    Example:
    >>> import genzoo, numpy as np
    >>> x, y = np.zeros((2, 8, 64, 64, 3), "uint8")
    >>> callback = TranslationGrid("samples", x, y)
    """

    def __init__(self, directory: str | os.PathLike[str], x: Array, y: Array, seed: int = 0):
        super().__init__()
        if np.shape(x) != np.shape(y) or np.ndim(x) != 4:
            raise ValueError(
                "Expected images (n, height, width, channels), and as many targets of that shape. Received: "
                f"{np.shape(x)} and {np.shape(y)}"
            )
        self.directory, self.seed = validation.path("directory", directory), natural_number("seed", seed)
        self.x, self.y = x, y

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        grid = viz.rows(self.x, self.model.translate(self.x, seed=self.seed), self.y)
        viz.save_image(self.directory / f"epoch-{epoch + 1:03d}.png", grid)
