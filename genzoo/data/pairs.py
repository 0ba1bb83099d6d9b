"""Folders of pairs of images, such as label maps and photos, for models that translate one into the other."""

import re
from pathlib import Path

import numpy as np

from genzoo import validation
from genzoo.data import files
from genzoo.data.batches import ImageBatches
from genzoo.data.listing import listed
from genzoo.data.pictures import Reader

HALVES = ("left", "right")


def load_pairs(
    folder: str | Path,
    split: str = "train",
    *,
    inputs: str | None = None,
    targets: str | None = None,
    image_size: int | tuple[int, int] | None = None,
    batch_size: int = 1,
    shuffle: bool | None = None,
    seed: int = 0,
    background: str | int | tuple[int, int, int] = "white",
    white: float | None = None,
) -> ImageBatches:
    """Pairs of images from a folder, in batches ``(x, y)`` that a model such as ``pix2pix`` takes.

    Args:
        folder: holds the pairs in one of three ways. As two subfolders with the same names in them (``A/1.jpg`` and
            ``B/1.png``). As names that differ in their last part (``1_label.png`` and ``1_photo.jpg``). Or side by
            side, each pair one image twice as wide as high.
        split: ``"train"``, ``"test"``, ...: a subfolder of that name, or ``trainA`` and ``trainB``. Where the folder
            has no such parts, ``"train"`` is the first four fifths of the pairs by name, ``"test"`` the rest, and
            ``"all"`` all of them.
        inputs: the images to translate: a subfolder (``"A"``), a pattern (``"*_label.png"``) or a side (``"left"``).
            By default the first of the two in the order of the alphabet, or the left half.
        targets: the images they should become, named in the same way; by default the second, or the right half.
        image_size: height and width to resize to, cropped to their aspect ratio; needed where pairs differ in size.
        batch_size: pairs per batch.
        shuffle: whether every epoch has an order of its own; by default only for splits named train.
        seed: seed of that order.
        background, white: as for ``load``.

    Returns:
        A ``genzoo.data.ImageBatches`` with the inputs as ``images`` and the targets as ``labels``, uint8. Palettes
        become their colours, and grey images repeat their channel where any other is in colour. Files are read as
        ``load`` reads them.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: no pairs, an image without a partner, partners or pairs of different sizes; what is input and what
            is target is not clear.

    Example:
    >>> import genzoo
    >>> train = genzoo.data.load_pairs("facades", image_size=128)  # doctest: +SKIP
    >>> test = genzoo.data.load_pairs("facades", "test", image_size=128)  # doctest: +SKIP
    """
    path = validation.path("folder", folder).expanduser()
    if not path.is_dir():
        raise FileNotFoundError(f"Expected a folder of pairs of images. There is no folder {folder}.")
    if (inputs is None) != (targets is None) or (inputs is not None and inputs == targets):
        raise ValueError(f"Name both `inputs` and `targets`, and differently. Received: {inputs=}, {targets=}")
    size, shuffle = files.height_and_width(image_size), split.startswith("train") if shuffle is None else shuffle
    readers = Reader(background, white), Reader(background, white)
    read = _read_pairs(path, split, (inputs, targets) if inputs else None, readers)
    for reader in readers:
        reader.finish()
    x, y = _stacked({name: _of_one_size(name, *pair, size=size) for name, pair in read.items()})
    return ImageBatches(x, y, batch_size, shuffle, seed)


def parts(folder: str | Path) -> list[str]:
    """The splits for which a folder of pairs has subfolders. Where it has none, ``load_pairs`` divides it by names."""
    path = Path(folder).expanduser()
    return [p for p in ("train", "val", "test") if (path / p).is_dir() or (path / f"{p}A").is_dir()]


def _read_pairs(path, split, sides, readers):
    """The two images of every pair of a split, by the pair's name. Each side is judged by a reader of its own."""
    root, own_sides, divided = _part(path, split)
    listing = listed(root)
    listing.require(root)
    sides = sides or own_sides or _detected(root, listing.images, readers[0])
    halves = set(sides) == set(HALVES) and not (root / sides[0]).is_dir()
    found = _matched(root, listing.images, (".", ".") if halves else sides)
    if not found:
        raise ValueError(f"{root} holds no pair of images. Received: inputs={sides[0]!r}, targets={sides[1]!r}")
    names = sorted(found) if divided else _fifths(path, sorted(found), split)
    if halves:
        return {name: _halved(found[name][0], sides, readers[0]) for name in names}
    return {name: tuple(r.read(file) for r, file in zip(readers, found[name], strict=True)) for name in names}


def _part(path, split):
    """The folder of a split, its two subfolders where they bear its name, and whether the split is a part already."""
    if (path / f"{split}A").is_dir() and (path / f"{split}B").is_dir():
        return path, (f"{split}A", f"{split}B"), True
    if (path / split).is_dir():
        return path / split, None, True
    if parts(path):
        raise ValueError(f"{path} has the parts {', '.join(parts(path))}. Received: split={split!r}")
    return path, None, split == "all"


def _detected(root, images, reader):
    """What tells inputs from targets: two subfolders, two patterns or two halves."""
    folders = sorted({file.relative_to(root).parts[0] for file in images if file.parent != root})
    if len(folders) == 2 and all(file.parent != root for file in images):
        return folders
    ends = {"".join(re.findall(r"[_-][^_-]*[^_\d-][^_-]*$", file.stem)) for file in images}  # a number names no side
    if len(ends) == 2 and "" not in ends and not folders:
        return [f"*{end}.*" for end in sorted(ends)]
    height, width, _ = Reader(reader.background, reader.white).read(images[0]).shape
    if width == 2 * height:
        return HALVES
    raise ValueError(
        f"{root} does not show which of its images are inputs and which are targets. Name them: inputs='*_label.png', "
        "targets='*_photo.jpg' for example, or the subfolders 'A' and 'B', or the halves 'left' and 'right'."
    )


def _matched(root, images, sides):
    """The two files of every pair, by its name."""
    first, second = (_by_name(root, images, side) for side in sides)
    single = sorted(set(first) ^ set(second))
    if single:
        here, there = sides if single[0] in first else reversed(sides)
        more = f", and {len(single) - 1} more without a partner" if len(single) > 1 else ""
        raise ValueError(
            f"Every image needs a partner of the same name. Received: {single[0]!r} in {here!r} and not in {there!r} "
            f"of {root}{more}."
        )
    return {name: (first[name], second[name]) for name in first}


def _by_name(root, images, side):
    """The images of one side by their pair's name: the path in a subfolder, or what the first ``*`` stands for."""
    if (root / side).is_dir():
        below = root / side
        found = [(file.relative_to(below).with_suffix("").as_posix(), file) for file in listed(below).images]
    else:
        before, _, after = (re.escape(part) for part in side.partition("*"))
        pattern = re.compile(before + "(.*)" + after.replace(r"\*", ".*"))
        matches = [(pattern.fullmatch(file.relative_to(root).as_posix()), file) for file in images]
        found = [(match[1], file) for match, file in matches if match]
    named = {}
    for name, file in found:
        if name in named:
            raise ValueError(f"{named[name]} and {file} have the same name, {name!r}. Remove one of them.")
        named[name] = file
    return named


def _fifths(path, names, split):
    """The part of all pairs that is trained on or tested on."""
    if split not in ("train", "test"):
        raise ValueError(f"{path} has no part {split!r}. Expected: 'train', 'test' or 'all'. Received: split={split!r}")
    if len(names) == 1:
        raise ValueError(f"{path} holds a single pair, which cannot be divided. Pass split='all'.")
    cut = max(1, len(names) * 4 // 5)
    return names[:cut] if split == "train" else names[cut:]


def _halved(file, sides, reader):
    whole = reader.read(file)
    if whole.shape[1] % 2:
        raise ValueError(f"{file} cannot be halved. Expected an even width. Received: {whole.shape[1]} pixels.")
    return np.split(whole, 2, axis=1)[:: 1 if sides[0] == "left" else -1]


def _of_one_size(name, x, y, size):
    (height, width), (other_height, other_width) = x.shape[:2], y.shape[:2]
    alike = height * other_width == width * other_height  # cut to a size they still show the same
    if x.shape[:2] != y.shape[:2] and not (alike and size is not None):
        raise ValueError(
            f"The two images of a pair must show the same thing in one size. Received for {name!r}: {width}x{height} "
            f"and {other_width}x{other_height}. {'Pass image_size= to resize them.' if alike else 'Crop one of them.'}"
        )
    return (x, y) if size is None else (files.resized(x, size), files.resized(y, size))


def _stacked(pairs):
    """All inputs and all targets, in as many channels as any of them has."""
    first = next(iter(pairs))
    for name, (x, _) in pairs.items():
        if x.shape[:2] != pairs[first][0].shape[:2]:
            raise ValueError(
                f"All pairs must have one size. {first!r} is {pairs[first][0].shape[:2]}, {name!r} is {x.shape[:2]}. "
                "Pass image_size= to resize them."
            )
    sides = [files.alike(images, list(pairs)) for images in zip(*pairs.values(), strict=True)]
    channels = max(side[0].shape[-1] for side in sides)
    for side in sides:
        images = np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in side])
        yield images.astype(bool) if images.max() == 1 else images
