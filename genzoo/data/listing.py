"""Which files below a folder are images, and which are left out."""

import contextlib
import difflib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

# Formats that Pillow knows by name only, that need a program of their own, or that run one.
UNREAD = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
# What systems and programs leave in folders. Names that start with a dot are hidden besides.
HIDDEN = {
    "@eadir", "#recycle", "#snapshot", "$recycle.bin", "__macosx", "desktop.ini", "ehthumbs.db", "lost+found",
    "system volume information", "thumbs.db",
}  # fmt: skip


class Paths(Sequence[Path]):
    """Paths, held as text: of many files that is a fraction of the memory."""

    def __init__(self, names: Iterable[str]):
        # By their parts, so that a folder's files stay together; no name holds this character.
        self.names = sorted(names, key=lambda name: os.path.normcase(name).replace(os.sep, "\0"))

    def __getitem__(self, i: Any) -> Any:
        return [*map(Path, self.names[i])] if isinstance(i, slice) else Path(self.names[i])

    def __len__(self):
        return len(self.names)


class Listing(NamedTuple):
    """The files below a folder, by path: images, and all others that are not hidden."""

    images: Paths
    others: Paths

    def require(self, root: Path) -> None:
        """Raises an error where there is no image; says which other files are left out."""
        example = f"such as {self.others[0]}" if self.others else ""
        if not self.images:
            left_out = f" Received: {len(self.others)} of other kinds, {example}." if self.others else ""
            raise ValueError(
                f"{root} holds no image. Expected files that end in .png, .jpg, .tif or the suffix of another format "
                f"that Pillow reads here.{left_out}"
            )
        if self.others:
            count = "1 file is" if len(self.others) == 1 else f"{len(self.others)} files are"
            say(f"{count} left out of {root}, {example}: no image files of a format that Pillow reads here.")


def listed(root: Path) -> Listing:
    """The files below a folder. Links are followed, but not back into a folder above them.

    Hidden files and folders are passed over. What is no file at all (a FIFO, socket or device) is never opened. A link
    to nothing counts by its name, so that reading it names it.
    """
    root, known = Path(root), suffixes()
    images, others = [], []
    above = frozenset(map(_identity, [root, *root.resolve().parents]))
    for entry in _files(root, above):
        readable = os.path.splitext(entry.name)[1].lower() in known and _is_file(entry)
        (images if readable else others).append(entry.path)
    return Listing(Paths(images), Paths(others))


def folders(root: Path) -> list[Path]:
    """The folders directly in a folder that are not hidden."""
    return sorted(path for path in root.iterdir() if not _hidden(path.name) and path.is_dir())


def meant(path: str | Path) -> str | None:
    """What is there instead of a path with a misspelt part: a folder or ``.npz`` of nearly that name, or None.

    Example:
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "shapes" / "train").mkdir(parents=True)
    >>> meant(folder / "shaeps" / "train") == str(folder / "shapes" / "train")
    True
    """
    given = Path(path).expanduser()
    missing = next((part for part in (*given.parents[::-1], given) if not part.exists()), given)
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = [beside.name for beside in missing.parent.iterdir() if beside.is_dir() or beside.suffix == ".npz"]
    near = difflib.get_close_matches(missing.name, [name for name in names if not _hidden(name)], n=1, cutoff=0.6)
    if not near:
        return None
    found = missing.parent / near[0]
    whole = found / given.relative_to(missing)
    start = "./" if str(path).startswith("./") else ""
    return f"{start}{whole if whole.exists() else found}"


def formats() -> list[str]:
    """The names of the image formats that are read: those that Pillow opens, and plugins of Pillow that registered."""
    from PIL import Image

    Image.init()
    return [name for name in Image.OPEN if name not in UNREAD]


def suffixes() -> set[str]:
    """The suffixes of the files that are read, in lower case, with their dot."""
    from PIL import Image

    known = {*formats(), "MPO"}  # several JPEGs in one file, which the JPEG reader opens
    return {suffix for suffix, name in Image.registered_extensions().items() if name in known}


def say(message: str) -> None:
    """One line about data that come otherwise than they lie there."""
    warnings.warn(message, stacklevel=3)


def _files(folder: str | Path, above: frozenset) -> Iterator[os.DirEntry]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if _hidden(entry.name):
                continue
            if not os.path.isdir(entry.path) if entry.is_symlink() else not entry.is_dir():
                yield entry
            elif (identity := _identity(entry.path)) not in above:
                yield from _files(entry.path, above | {identity})


def _is_file(entry):
    """Whether it can be read, or is a link to nothing."""
    if entry.is_symlink():
        return os.path.isfile(entry.path) or not os.path.exists(entry.path)
    return entry.is_file()


def _identity(folder):
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def _hidden(name):
    return name.startswith(".") or name.lower() in HIDDEN
