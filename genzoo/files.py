"""Files that are written whole or not at all, locks that die with their process, and JSON that others wrote."""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genzoo.errors import FileError

LARGEST_JSON = 2**24  # bytes; run.json has a few thousand


@contextlib.contextmanager
def written(path: str | Path) -> Iterator[Path]:
    """Gives a path to write in place of ``path``: beside it, with the same suffix.

    At the end that file becomes ``path``, in one step, and is on the disk: a power cut too leaves either the old file
    or the new one. If writing fails it is removed, and an earlier file at ``path`` stays as it was.

    Example:
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with written(path) as beside:
    ...     _ = beside.write_text("whole")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('whole', 1)
    """
    path = Path(path)
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield beside
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
        _settle(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def append(path: str | Path, text: str) -> None:
    """Adds text to a file; at the end it is on the disk."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def remove_leftovers(folder: str | Path, names: str) -> None:
    """Removes what ``written`` has left beside its place in processes that were killed.

    Args:
        folder: to look in, not below.
        names: regular expression of the files that were to be written, such as ``"model[.]keras"``.
    """
    for path in Path(folder).glob(".*"):
        found = re.fullmatch(r"\.(.+)\.(\d{1,10})(\.[^.]+)?", path.name)
        if found and re.fullmatch(names, found[1] + (found[3] or "")) and not _lives(int(found[2])):
            with contextlib.suppress(OSError):
                path.unlink()


def _lives(process: int) -> bool:
    """Whether a process of this number is there."""
    if os.name == "nt":  # where `os.kill` would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def _settle(folder):
    """Waits until the names in a folder are on the disk, where the system can do so."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def expanded(path: str | Path) -> Path:
    """The path with ``~`` and ``~name`` replaced by the home folder.

    Raises:
        FileNotFoundError: nobody is called so.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(f"There is no file or folder {path}: nobody here has that home.") from error


@contextlib.contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Holds a lock on a file of this name, which is removed at the end. However the process ends, so does the lock.

    On a file system without locks it locks nothing.

    Raises:
        BlockingIOError: another process holds it, or this one does already.

    Example:
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "lock"
    >>> with locked(path), locked(path):
    ...     pass
    Traceback (most recent call last):
    BlockingIOError: [Errno ...] another process holds it: ...
    """
    path = Path(path)
    file = _locked_file(path)
    try:
        yield
    finally:
        if os.name != "nt":
            path.unlink(missing_ok=True)  # while it is held: see _locked_file
        file.close()
        if os.name == "nt":  # which removes no open file
            with contextlib.suppress(OSError):
                path.unlink()


def _locked_file(path):
    """The open file, locked. If whoever held it has removed it meanwhile, it is not the file of that name any more."""
    while True:
        file = open(path, "ab")  # noqa: SIM115  (open for as long as the lock is held)
        try:
            _lock(file)
            if os.name == "nt" or (path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())):
                return file
        except OSError as error:
            file.close()
            if isinstance(error, FileNotFoundError):  # removed between the two looks
                continue
            raise
        file.close()


def _lock(file):
    if os.name == "nt":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, "another process holds it", file.name) from error
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BlockingIOError(error.errno, "another process holds it", file.name) from error
    except OSError:  # a file system without locks
        pass


def read_json_object(path: str | os.PathLike[str]) -> dict:
    """The JSON object in a file that somebody else may have written.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no file, too large, no JSON or no object; the message names it.
    """
    found = read_json(path)
    if not isinstance(found, dict):
        raise FileError(f"{path} is damaged (expected an object in braces, received a {type(found).__name__}).")
    return found


def read_json(path: str | os.PathLike[str]) -> Any:
    """The JSON in such a file, whatever it holds; raises as ``read_json_object`` does."""
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} is damaged ({error}).") from error


def read_text(path: str | os.PathLike[str]) -> str:
    """The text in such a file; raises as ``read_json_object`` does."""
    path = Path(path)
    if path.exists() and not path.is_file():
        raise FileError(f"{path} is damaged (it is a folder or a device, not a file).")
    with open(path, "rb") as file:
        content = file.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise FileError(f"{path} is damaged (it is larger than {LARGEST_JSON} bytes).")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is damaged ({error}).") from error
