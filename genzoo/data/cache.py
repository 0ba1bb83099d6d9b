"""Decoded images, kept on disk for the next time: a folder for each set, safe to delete at any moment.

FOLDER/KEY/about.json    names of the classes, what is to be said of the images, checksums
FOLDER/KEY/images.npy    the images, which are mapped into memory
FOLDER/KEY/labels.npy    their labels, if they have any
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from genzoo.data.listing import say
from genzoo.data.pile import Pile, checksum, opened
from genzoo.data.progress import tracked
from genzoo.files import read_json_object
from genzoo.validation import non_negative

VERSION = 1  # of the layout, and of how images are decoded: raise it when either changes
LIMIT_GB = 10.0
CHECKED = 2**28  # bytes: the checksum of larger files is not compared, which would take longer than to begin
KEY, BESIDE = re.compile("[0-9a-f]{40}"), re.compile(r"\.[0-9a-f]{40}\.\d+(-[0-9a-f]+)?")
HOUR = 3600  # after which what another process has half written is taken for abandoned

# Fills a pile with images; returns their labels, or None, and the names of the classes, or None.
Fill = Callable[[Pile], tuple[np.ndarray | None, tuple[str, ...] | None]]


def folder() -> Path | None:
    """Where decoded images are kept: ``GENZOO_CACHE``, or the system's place for caches; None where that is empty."""
    given = os.environ.get("GENZOO_CACHE")
    if given is not None:
        try:
            return Path(given).expanduser() if given else None
        except RuntimeError as error:
            raise ValueError(f"GENZOO_CACHE must be a folder. Received: {given!r} ({error})") from error
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(base).expanduser() / "genzoo"
    except RuntimeError:  # nobody's home
        return None


def limit() -> float:
    """How many bytes all of it may take: ``GENZOO_CACHE_GB``, by default 10 GB."""
    given = os.environ.get("GENZOO_CACHE_GB")
    try:
        return 1e9 * non_negative("GENZOO_CACHE_GB", float(given) if given else LIMIT_GB)
    except ValueError as error:
        told = f"GENZOO_CACHE_GB must be a number of gigabytes, at least 0. Received: {given!r}"
        raise ValueError(told) from error


def key(root: Path, files: Iterable[str], **options: Any) -> str:
    """A name for what is decoded from a folder: it changes with its files' names, sizes and times, and the options.

    Args:
        root: the folder.
        files: their paths, which begin with the folder's.
        **options: how they are decoded.
    """
    described = [VERSION, str(root.resolve()), options]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    for path in files:
        with contextlib.suppress(OSError):  # a link to nothing, which reading will name
            found, file = os.stat(path), path[len(str(root)) :]
            digest.update(
                f"{file}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ctime_ns}\n".encode(errors="replace")
            )
    return digest.hexdigest()[:40]


def found(name: str | None, in_memory: bool | None = None) -> tuple | None:
    """``(images, labels, class_names)`` that are kept under a name; or None, and what is damaged is removed."""
    place = folder()
    if name is None or place is None:
        return None
    entry = place / name
    try:
        if not entry.exists():
            return None
    except OSError:  # nothing there can be read
        return None
    try:
        about = read_json_object(entry / "about.json")
        images = _whole(entry / "images.npy", about, in_memory)
        labels = _whole(entry / "labels.npy", about, True) if "labels.npy" in about["files"] else None
        names, said = about["class_names"], [str(message) for message in about["said"]]
        names = None if names is None else tuple(map(str, names))
        if len(images) == 0 or (labels is not None and len(labels) != len(images)):
            raise ValueError("its arrays do not belong together")
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        shutil.rmtree(entry, ignore_errors=True)
        with contextlib.suppress(OSError):  # a file
            entry.unlink(missing_ok=True)
        return None
    for message in said:
        say(message)
    with contextlib.suppress(OSError):
        os.utime(entry)  # used now: others are older
    return images, labels, names


def kept(
    name: str | None,
    fill: Fill,
    count: int,
    image_name: Callable[[int], Any],
    what: Any,
    in_memory: bool | None = None,
) -> tuple:
    """``(images, labels, class_names)``: those that are kept under a name, or else decoded now and kept.

    Args:
        name: of the set, as ``key`` makes it, or None to keep nothing.
        fill: decodes.
        count: how many images there are.
        image_name: gives the name of image ``i``, for errors.
        what: is loaded.
        in_memory: as for ``load``.
    """
    if (kept_ones := found(name, in_memory)) is not None:
        return kept_ones
    place = folder()
    if name is not None and place is not None and limit() > 0:
        with contextlib.suppress(OSError):  # the disk is full or read only: not a reason to stop
            return _made(place, name, fill, count, image_name, what, in_memory)
    with (
        tracked(count, what) as told,
        contextlib.closing(Pile(count, image_name, told, in_memory=in_memory)) as pile,
    ):
        labels, names = fill(pile)
        images = pile.finish()
    return opened(pile.path, in_memory) if images is None else images, labels, names


def _made(place, name, fill, count, image_name, what, in_memory):
    """Decodes into a folder beside its place, which is then renamed."""
    allowed = limit()
    place.mkdir(parents=True, exist_ok=True)
    beside = place / f".{name}.{os.getpid()}-{secrets.token_hex(4)}"
    beside.mkdir()
    try:
        with warnings.catch_warnings(record=True) as said, tracked(count, what) as told:
            warnings.simplefilter("always")
            with contextlib.closing(Pile(count, image_name, told, beside / "images.npy")) as pile:
                labels, names = fill(pile)
                pile.finish()
        if labels is not None:
            np.save(beside / "labels.npy", labels, allow_pickle=False)
        messages = [str(warning.message) for warning in said if warning.category is UserWarning]
        sums = {file.name: [file.stat().st_size, checksum(file)] for file in sorted(beside.glob("*.npy"))}
        about = {"class_names": names, "said": messages, "what": str(what), "files": sums}
        (beside / "about.json").write_text(json.dumps(about), encoding="utf-8")
        if (rest := allowed - sum(size for size, _ in sums.values())) < 0:
            raise OSError("it is larger than all that may be kept")
        _make_room(place, rest)
        with contextlib.suppress(OSError):  # another process was first
            os.rename(beside, place / name)
        made = found(name, in_memory)
        if made is None:
            raise OSError("somebody deletes what is kept")
        return made
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _whole(path, about, in_memory):
    """The array in a file that is as long as it was, and if it is small has the same content."""
    size, expected = about["files"][path.name]
    if path.stat().st_size != size or (size <= CHECKED and checksum(path) != expected):
        raise ValueError(f"{path} is damaged")
    return opened(path, in_memory)


def _make_room(place, allowed):
    """Removes what was not used for longest until the rest is small enough, and what killed processes have left."""
    entries = []
    for entry in place.iterdir():
        with contextlib.suppress(OSError):  # somebody else removes it
            parts = [part.stat() for part in entry.iterdir()] if entry.is_dir() else []
            newest = max([entry.stat().st_mtime, *(part.st_mtime for part in parts)])
            if KEY.fullmatch(entry.name):  # no other: the folder may hold other things too
                entries.append((entry.stat().st_mtime, sum(part.st_size for part in parts), entry))
            elif BESIDE.fullmatch(entry.name) and time.time() - newest > HOUR:
                shutil.rmtree(entry, ignore_errors=True)
    total = sum(size for _, size, _ in entries)
    for _, size, entry in sorted(entries, key=lambda found: found[0]):
        if total > allowed:
            shutil.rmtree(entry, ignore_errors=True)
            total -= size
