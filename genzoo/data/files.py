"""Folders of images and ``.npz`` files."""

import os
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genzoo.data import cache
from genzoo.data.listing import folders, formats, listed
from genzoo.data.pictures import Reader
from genzoo.data.pile import say_grey
from genzoo.validation import positive_int


class Found(NamedTuple):
    """What a source holds: images, labels or None, and the names of the classes that the labels number, or None."""

    images: Any
    labels: Any = None
    class_names: tuple[str, ...] | None = None


def folder(path: Path, split: str, size, reader: Reader, in_memory: bool | None = None) -> Found:
    """Images below a folder, sorted by path; each subfolder is a class. ``path/<split>`` is used where it exists."""
    root = path / split if (path / split).is_dir() else path
    if root is path and split != "train":
        raise ValueError(f"{path} has no subfolder {split!r}, so it is all 'train'. Received: split={split!r}")
    listing = listed(root)
    listing.require(root)

    def fill(pile):
        fresh = Reader(reader.background, reader.white)
        for file in listing.images:
            image = fresh.read(file)
            pile.add(image if size is None else resized(image, size))
        fresh.finish()
        return None, None

    name = cache.key(root, listing.images.names, size=size, **_decoding(reader))
    images, *_ = cache.kept(name, fill, len(listing.images), listing.images.__getitem__, root, in_memory)
    # A class has the same id in every part, also in a part that lacks other classes.
    others = [] if root is path else [part for part in folders(path) if part != root]
    files = {root: listing.images, **{part: listed(part).images for part in others}}
    folder_of = {part: [*map(os.path.dirname, found.names)] for part, found in files.items()}
    class_of = {(part, name): Path(name).relative_to(part) for part, names in folder_of.items() for name in {*names}}
    classes = sorted({*class_of.values()})
    if len(classes) < 2:
        return Found(images)
    labels = [classes.index(class_of[root, name]) for name in folder_of[root]]
    return Found(images, np.array(labels, "int64"), tuple(name.as_posix() for name in classes))


def _decoding(reader):
    """What decides how an image file becomes pixels."""
    import PIL

    return {"background": reader.background, "white": reader.white, "pillow": PIL.__version__, "formats": formats()}


def alike(images, names):
    """Images of one size in as many channels as any of them has: grey ones among colour ones repeat theirs."""
    grey = [i for i, image in enumerate(images) if image.shape[-1] == 1]
    if len(grey) in (0, len(images)):
        return images
    say_grey(len(grey), len(images), names[grey[0]])
    return [np.broadcast_to(image, (*image.shape[:2], 3)) for image in images]


def npz(path: Path, split: str) -> Found:
    """The arrays ``image`` and ``label`` of a file, or those of ``keras.datasets`` for the split."""
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    if not path.is_file():  # a FIFO would never end
        raise ValueError(f"{path} is no file. Expected an .npz file.")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not a whole .npz file. It may be truncated; copy it again.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            for image, label in ((f"x_{split}", f"y_{split}"), ("image", "label"), ("images", "labels"), ("x", "y")):
                if image in archive and (image.startswith("x_") or split == "train"):
                    found = [np.asarray(archive[name]) if name in archive else None for name in (image, label)]
                    return Found(found[0], None if found[1] is None else found[1].reshape(-1))
            raise ValueError(
                f"{path} holds no images for split {split!r}. Expected the array 'image' (and maybe 'label'), or "
                f"'x_{split}' (and 'y_{split}'). Received: {sorted(archive)}."
            )
    except MemoryError as error:
        raise ValueError(f"The arrays of {path} do not fit into memory ({error}).") from error
    except Exception as error:  # a damaged header makes NumPy raise almost anything
        if isinstance(error, ValueError) and str(error).startswith(f"{path} holds no images"):
            raise
        raise ValueError(f"{path} is damaged ({error}). Copy it again.") from error


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image ``(h, w, c)`` cropped to the aspect ratio of ``size`` in its middle and resized to it."""
    from PIL import Image, ImageOps

    def fitted(array):
        return np.asarray(ImageOps.fit(Image.fromarray(array), (size[1], size[0]), Image.Resampling.BILINEAR))

    if image.dtype == np.uint8 and image.shape[-1] == 3:
        return fitted(image)
    channels = image if image.dtype == np.uint8 else image.astype("float32")
    stacked = np.stack([fitted(channels[..., c]) for c in range(image.shape[-1])], axis=-1)
    return stacked.clip(channels.min(), channels.max())  # interpolation may leave [0, 1] by a rounding error


def height_and_width(image_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """``image_size`` as ``(height, width)``; None stays None."""
    if image_size is None:
        return None
    sides = image_size if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    if len(sides) != 2:
        raise ValueError(f"`image_size` must be one side, or height and width. Received: image_size={image_size!r}")
    height, width = (positive_int("image_size", side) for side in sides)
    return height, width
