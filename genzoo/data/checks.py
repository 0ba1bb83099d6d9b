"""What can be seen of data before they are trained on: their form, channels and range."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, overload

import keras
import numpy as np
from numpy.typing import ArrayLike

from genzoo.annotations import Array
from genzoo.validation import are_numbers

FORMS = (
    "Expected images: one array (n, height, width, channels), (x, y), a dict with 'image', or batches of them: a "
    "genzoo.data set, Hugging Face Dataset, tf.data.Dataset, torch DataLoader, keras.utils.PyDataset or generator."
)


@overload
def as_numpy(x: None) -> None: ...
@overload
def as_numpy(x: ArrayLike) -> np.ndarray: ...
def as_numpy(x: Array) -> np.ndarray | None:
    """Anything that holds numbers, or None, as NumPy in native byte order.

    An array in that order is returned as it is. Keras would copy the whole data set.
    """
    if isinstance(x, np.ndarray):
        return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))
    if x is None:
        return None
    if type(x) is list:
        try:
            x = np.asarray(x)
        except ValueError as error:  # of different shapes
            raise ValueError(f"A list of images holds arrays of one shape. {FORMS} Received: {error}") from error
        check_is_array(x)
    return keras.ops.convert_to_numpy(x)


def check_is_array(x: Any) -> None:
    """Refuses what is no array of numbers."""
    dtype = getattr(x, "dtype", None)
    if not hasattr(x, "shape") or dtype is None or not are_numbers(dtype):
        raise ValueError(f"{FORMS} Received: {type(x).__name__}{'' if dtype is None else f' of {dtype}'}.")


def check_form(data: Any) -> None:
    """Refuses what holds no batches."""
    received, hint = f"{type(data).__name__}", ""
    if isinstance(data, (str, bytes, Path)):
        received, hint = repr(data if isinstance(data, bytes) else str(data)), "Load it: genzoo.data.load(...)"
    elif hasattr(data, "iloc"):
        hint = "Take the images out of the frame: np.stack(frame['image'])"
    elif not isinstance(data, Iterable) and not hasattr(data, "__getitem__"):
        hint = "Call it, and pass what it returns." if callable(data) else ""
    else:
        return
    raise ValueError(f"{FORMS} Received: {received}. {hint}".rstrip())


def check_channels(x: Array, shape: tuple[int, ...]) -> None:
    """Refuses images that are no grey or RGB ones, with the channels where Keras is told that they are."""
    first = keras.config.image_data_format() == "channels_first"
    channels = shape[1 if first else 3]
    if not first and shape[1] <= 4 < channels:  # as torch has them: no image is 4 high and has more than 4 channels
        moved = "x.permute(0, 2, 3, 1)" if hasattr(x, "permute") else "np.moveaxis(x, 1, -1)"
        raise ValueError(
            f"Expected images with the channels last, (batch, height, width, channels). Received: shape {shape}, with "
            f"the channels first. Move them: {moved}"
        )
    if channels == 4 and not first:
        scale = " / 255" if "uint8" in str(x.dtype) else ""
        raise ValueError(
            f"Expected images with 1 channel (grey) or 3 (RGB). Received: shape {shape}, 4 channels. If the fourth is "
            f"alpha, lay them over white: a = x[..., 3:]{scale}; x = x[..., :3]{scale} * a + 1 - a"
        )
    if channels not in (1, 3):
        raise ValueError(
            f"Expected images with 1 channel (grey) or 3 (RGB). Received: shape {shape}, {channels} channels. "
            "Choose those to model: x[..., :1] or x[..., :3]"
        )


def check_range(x: Array, whole: bool) -> None:
    """Refuses values that are no pixels; ``whole`` as for ``check_images``."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    if dtype == "bool":
        return
    values = as_numpy(x)
    if dtype == "uint8":
        if whole and np.max(values) == 1:
            raise ValueError(
                "These uint8 images hold only 0 and 1, but uint8 means [0, 255]. "
                "Pass binary images as bool or float: x.astype('float32')."
            )
        return
    if "float" not in dtype:
        low, high = int(np.min(values)), int(np.max(values))
        white = np.iinfo(dtype).max if dtype == "uint16" else high
        convert = (
            "Shift and scale them to [0, 1]" if low < 0 or "int" not in dtype  # else they would wrap around
            else "x.astype('uint8')" if high <= 255
            else f"(x / {white}).astype('float32'), where {white} stands for the value that is white"
        )  # fmt: skip
        raise ValueError(
            f"Images must be uint8, bool or float. Received: dtype {dtype}, values from {low} to {high}. "
            f"Convert: {convert}."
        )
    low, high = float(np.min(values)), float(np.max(values))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("Images must be finite. Received: NaN or infinity. Clean the data: np.nan_to_num(x).")
    if low < 0 or high > 1:
        raise ValueError(
            f"Float images must lie in [0, 1]. Received: values from {low:g} to {high:g}. "
            "Divide by 255, rescale with (x + 1) / 2 if they lie in [-1, 1], or pass uint8 images as they are."
        )
