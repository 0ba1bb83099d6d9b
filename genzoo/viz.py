"""Pictures: grids of images (Pillow) and curves of a history (matplotlib)."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genzoo import validation
from genzoo.annotations import Array
from genzoo.extras import extra_module
from genzoo.files import written
from genzoo.validation import are_numbers, natural_number, positive_int


def image_grid(images: Array, columns: int | None = None, padding: int = 2, min_size: int = 48) -> np.ndarray:
    """Tiles images into one.

    Args:
        images: float array ``(n, height, width, channels)`` in [0, 1], or uint8; 1 or 3 channels.
        columns: images per row; by default as square as possible.
        padding: white pixels between images and around them.
        min_size: images smaller than this are enlarged by a whole factor, so that every pixel stays a square.

    Returns:
        uint8 array ``(height, width)`` or ``(height, width, 3)``.

    Example:
    >>> import numpy as np
    >>> image_grid(np.zeros((6, 28, 28, 1)), columns=3, min_size=28).shape
    (62, 92)
    """
    columns = None if columns is None else positive_int("columns", columns)
    padding, min_size = natural_number("padding", padding), natural_number("min_size", min_size)
    images = _uint8(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or len(images) == 0:
        raise ValueError(f"Expected images (n, height, width, 1 or 3), n at least 1. Received: shape {images.shape}")
    factor = max(1, math.ceil(min_size / max(images.shape[1:3])))
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    n, height, width, channels = images.shape
    columns = min(columns or math.ceil(math.sqrt(n)), n)
    rows = math.ceil(n / columns)
    grid = np.full((rows * (height + padding) + padding, columns * (width + padding) + padding, channels), 255, "uint8")
    for i, image in enumerate(images):
        top = padding + (i // columns) * (height + padding)
        left = padding + (i % columns) * (width + padding)
        grid[top : top + height, left : left + width] = image
    return grid[..., 0] if channels == 1 else grid


def rows(*columns: Array, padding: int = 2, min_size: int = 48) -> np.ndarray:
    """Tiles images so that each has a row with what became of it, such as input, output and truth.

    Args:
        *columns: arrays of images, all of one shape, each as ``image_grid`` takes it.
        padding, min_size: as for ``image_grid``.

    Returns:
        uint8 array ``(height, width)`` or ``(height, width, 3)``.

    Example:
    >>> import numpy as np
    >>> rows(np.zeros((5, 64, 64, 3)), np.ones((5, 64, 64, 3))).shape
    (332, 134, 3)
    """
    shapes = {np.shape(images) for images in columns}
    if len(shapes) != 1:
        raise ValueError(f"Expected columns of images of one shape. Received: {sorted(shapes)}")
    cells = np.stack([_uint8(images) for images in columns], axis=1)
    return image_grid(cells.reshape(-1, *cells.shape[2:]), len(columns), padding, min_size)


def save_image(path: str | os.PathLike[str], image: np.ndarray) -> Path:
    """Writes a uint8 or bool array as a picture, in the format of its suffix, beside its place and then renamed."""
    from PIL import Image

    path, image = validation.path("path", path), np.asarray(image)
    if image.dtype not in (np.uint8, np.bool_) or image.ndim not in (2, 3):
        raise ValueError(
            "Expected a picture, uint8 (height, width) or (height, width, channels), as image_grid gives it. "
            f"Received: {image.dtype} of shape {image.shape}"
        )
    if path.suffix.lower() not in Image.registered_extensions():
        raise ValueError(f"The suffix decides the picture's format, such as grid.png. Received: {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as beside:
        Image.fromarray(image).save(beside)
    return path


def loss_curves(history: dict[str, list[float]]) -> Any:
    """A matplotlib figure of every metric of a ``History.history`` over the epochs, validation dashed.

    Needs matplotlib: ``pip install genzoo[plot]``.
    """
    if not isinstance(history, Mapping):
        raise ValueError(f"Expected the dict History.history. Received: {type(history).__name__}")
    names = [name for name in history if not name.startswith("val_")]
    if not names:
        raise ValueError("Expected a history with metrics. Received: an empty one. Was a whole epoch trained?")
    drawing = extra_module("matplotlib.figure", "plot", "Curves are drawn by matplotlib")
    figure = drawing.Figure(figsize=(4 * len(names), 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        epochs = range(1, len(history[name]) + 1)
        axes.plot(epochs, history[name], label="training")
        if f"val_{name}" in history:
            axes.plot(epochs, history[f"val_{name}"], "--", label="validation")
            axes.legend()
        axes.set(title=name.replace("_", " "), xlabel="epoch")
    return figure


def _uint8(images):
    images = np.asarray(images)
    if images.ndim == 0 or not are_numbers(images.dtype):
        raise ValueError(f"Expected images, uint8 or numbers in [0, 1]. Received: {images.dtype} of {images.shape}")
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise ValueError("Expected finite images. Received: NaN or infinity.")
    return images if images.dtype == np.uint8 else np.round(255 * np.clip(images, 0, 1)).astype("uint8")
