"""Folders of images and ``.npz`` files."""

from pathlib import Path

import numpy as np

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}


def folder(path: Path, split: str, size):
    """Images below a folder, sorted by path; each subfolder is a class. ``path/<split>`` is used where it exists."""
    from PIL import Image

    root = path / split if (path / split).is_dir() else path
    if root is path and not split.startswith("train"):
        raise ValueError(f"{path} has no subfolder {split!r}, so it is all 'train'. Received: split={split!r}")
    found = sorted(f for f in root.rglob("*") if f.suffix.lower() in SUFFIXES)
    if not found:
        raise ValueError(f"{root} holds no image. Expected files that end in {', '.join(sorted(SUFFIXES))}.")
    images, first = [], None
    for file in found:
        try:
            with Image.open(file) as opened:
                image = np.asarray(opened.convert("L" if opened.mode in ("1", "L", "I", "I;16") else "RGB"))
        except OSError as error:
            raise ValueError(f"{file} is not a readable image ({error}). Remove or repair it.") from error
        image = image[..., None] if image.ndim == 2 else image
        image = image if size is None else resized(image, size)
        first = image.shape if first is None else first
        if image.shape != first:
            raise ValueError(
                f"All images must have one size and number of channels. {found[0]} is {first}, {file} is "
                f"{image.shape}. Pass image_size= to resize them."
            )
        images.append(image)
    classes = sorted({f.parent for f in found})
    labels = np.array([classes.index(f.parent) for f in found], "int64") if len(classes) > 1 else None
    return np.stack(images), labels


def npz(path: Path, split: str):
    """The arrays ``image`` and ``label`` of a file, or those of ``keras.datasets`` for the split."""
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    with np.load(path, allow_pickle=False) as archive:
        for image, label in ((f"x_{split}", f"y_{split}"), ("image", "label"), ("images", "labels"), ("x", "y")):
            if image in archive and (image.startswith("x_") or split.startswith("train")):
                return archive[image], archive[label].reshape(-1) if label in archive else None
        raise ValueError(
            f"{path} holds no images for split {split!r}. Expected the array 'image' (and maybe 'label'), or "
            f"'x_{split}' (and 'y_{split}'). Received: {sorted(archive)}."
        )


def resized(image, size):
    """A uint8 image ``(h, w, c)`` cropped to the aspect ratio of ``size`` in its middle and resized to it."""
    from PIL import Image, ImageOps

    opened = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    fitted = np.asarray(ImageOps.fit(opened, (size[1], size[0]), Image.Resampling.BILINEAR))
    return fitted[..., None] if fitted.ndim == 2 else fitted
