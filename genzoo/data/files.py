"""Folders of images and ``.npz`` files."""

import zipfile
from pathlib import Path

import numpy as np

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}


def folder(path: Path, split: str, size: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Images below a folder, sorted by path; each subfolder is a class. ``path/<split>`` is used where it exists."""
    root = path / split if (path / split).is_dir() else path
    if root is path and split != "train":
        raise ValueError(f"{path} has no subfolder {split!r}, so it is all 'train'. Received: split={split!r}")
    found = images_below(root)
    if not found:
        raise ValueError(f"{root} holds no image. Expected files that end in {', '.join(sorted(SUFFIXES))}.")
    images = []
    for file in found:
        image = read(file)
        images.append(image if size is None else resized(image, size))
        if images[-1].shape != images[0].shape:
            raise ValueError(
                f"All images must have one size and number of channels. {found[0]} is {images[0].shape}, {file} is "
                f"{images[-1].shape}. Pass image_size= to resize them."
            )
    # A class has the same id in every part, also in a part that lacks other classes.
    parts = [root] if root is path else [p for p in path.iterdir() if p.is_dir()]
    classes = sorted({file.relative_to(part).parent for part in parts for file in images_below(part)})
    labels = [classes.index(file.relative_to(root).parent) for file in found]
    return np.stack(images), np.array(labels, "int64") if len(classes) > 1 else None


def npz(path: Path, split: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The arrays ``image`` and ``label`` of a file, or those of ``keras.datasets`` for the split."""
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not a whole .npz file. It may be truncated; copy it again.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            for image, label in ((f"x_{split}", f"y_{split}"), ("image", "label"), ("images", "labels"), ("x", "y")):
                if image in archive and (image.startswith("x_") or split == "train"):
                    return archive[image], archive[label].reshape(-1) if label in archive else None
            raise ValueError(
                f"{path} holds no images for split {split!r}. Expected the array 'image' (and maybe 'label'), or "
                f"'x_{split}' (and 'y_{split}'). Received: {sorted(archive)}."
            )
    except zipfile.BadZipFile as error:
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
    return (image_size, image_size) if isinstance(image_size, int) else image_size


def images_below(root: Path) -> list[Path]:
    return sorted(f for f in root.rglob("*") if f.suffix.lower() in SUFFIXES)


def read(file: Path) -> np.ndarray:
    """A uint8 array ``(h, w, 1 or 3)``: grey stays grey, everything else becomes RGB."""
    from PIL import Image

    try:
        with Image.open(file) as opened:
            if opened.mode.startswith("I"):  # 16 bits per pixel, which Pillow would clip rather than scale
                image = (np.asarray(opened) >> 8).astype("uint8")
            else:
                image = np.asarray(opened.convert("L" if opened.mode in ("1", "L", "LA") else "RGB"))
    except OSError as error:
        raise ValueError(f"{file} is not a readable image ({error}). Remove or repair it.") from error
    return image[..., None] if image.ndim == 2 else image
