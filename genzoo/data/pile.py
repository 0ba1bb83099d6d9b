"""Images of one size as they are decoded: in memory, or written one by one to a file, which is then mapped."""

import atexit
import errno
import mmap
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from genzoo.data.listing import say

MEMORY_SHARE = 1 / 4  # of the machine's memory: images that take more stay in a file
USUAL_MEMORY = 16 * 2**30  # where the system does not tell its own
DISK_SHARE = 1 / 2  # of the free space: what would take more of it is not written
CHUNK = 2**20


def memory() -> int:
    """How many bytes the machine has."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return USUAL_MEMORY


def memory_limit() -> int:
    """How many bytes of decoded images are held in memory, unless a caller says otherwise."""
    return int(MEMORY_SHARE * memory())


def fits(nbytes: int, in_memory: bool | None) -> bool:
    """Whether so many bytes shall be in memory; ``in_memory`` as for ``load``."""
    return nbytes <= memory_limit() if in_memory is None else in_memory


class Pile:
    """Gathers images of one size; grey ones among colour ones repeat their channel.

    Args:
        count: how many images will come.
        name: gives the name of image ``i``.
        told: called after every image.
        path: of an ``.npy`` file to write, or None: then they stay in memory where they fit.
        in_memory: as for ``load``.

    Attributes:
        path: of the file that they are in, or None for memory.
    """

    def __init__(
        self,
        count: int,
        name: Callable[[int], Any],
        told: Callable[[], None],
        path: Path | None = None,
        in_memory: bool | None = None,
    ):
        self.count, self.name, self.told, self._in_memory = count, name, told, in_memory
        self.path: Any = path
        self._found, self._grey, self._highest = 0, [], 0
        self._first: tuple = ()
        self._array = np.empty(0)
        self._file: Any = None  # where it is not in use, they go into the array

    def add(self, image: np.ndarray) -> None:
        """The next image, ``(h, w, c)``."""
        if not self._found:
            self._begin(image)
        elif image.shape[:2] != self._first[:2]:
            raise ValueError(
                f"All images must have one size. {self.name(0)} is {self._first}, {self.name(self._found)} is "
                f"{image.shape}. Pass image_size= to resize them."
            )
        if image.dtype != self._dtype:
            raise ValueError(
                f"All images must be of one type. {self.name(0)} is of {self._dtype}, {self.name(self._found)} of "
                f"{image.dtype}. Convert them: 0 to 255 as uint8, 0 to 1 as float32."
            )
        if image.shape[-1] == 1:
            self._grey.append(self._found)
        if image.shape != self._shape:
            if self._shape[-1] == 1:
                self._widen(image.shape)
            image = np.broadcast_to(image, self._shape)
        if self._dtype == np.uint8 and self._highest < 2:
            self._highest = max(self._highest, int(image.max()))
        if self._file is None:
            self._array[self._found] = image
        else:
            self._file.write(np.ascontiguousarray(image, self._dtype).data)
        self._found += 1
        self.told()

    def finish(self) -> np.ndarray | None:
        """All images, or None where they are in the file. Integers that are all 0 or 1 become bool.

        Raises:
            ValueError: there are none, or not as many as were announced.
        """
        if self._found != self.count or not self._found:
            raise ValueError(f"Expected {self.count or 'some'} images. Received: {self._found}.")
        if len(self._grey) not in (0, self._found):
            say_grey(len(self._grey), self._found, self.name(self._grey[0]))
        binary = self._dtype == np.uint8 and self._highest == 1
        if self._file is None:
            return self._array.view(bool) if binary else self._array
        self._file.seek(0)
        self._header(np.dtype(bool) if binary else self._dtype)
        self._file.flush()
        os.fsync(self._file.fileno())
        self.close()
        return None

    def close(self) -> None:
        """Closes the file, if there is one."""
        if self._file is not None:
            self._file.close()

    def _begin(self, image):
        self._first = self._shape = image.shape
        self._dtype = image.dtype
        nbytes = self.count * image.nbytes
        if self.path is None and fits(nbytes, self._in_memory):
            self._array = np.empty((self.count, *self._shape), self._dtype)
            return
        if self.path is None:
            folder = Path(tempfile.mkdtemp(prefix="genzoo-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            self.path = folder / "images.npy"
        elif nbytes > DISK_SHARE * shutil.disk_usage(self.path.parent).free:
            raise OSError(errno.ENOSPC, "No space left for decoded images", str(self.path))
        self._file = open(self.path, "wb+", buffering=CHUNK)  # noqa: SIM115  (open until all are there)
        self._header(self._dtype)

    def _header(self, dtype):
        described = {"descr": dtype.str, "fortran_order": False, "shape": (self.count, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, described)

    def _widen(self, shape):
        """From grey to colour."""
        self._shape = shape
        if self._file is None:
            self._array = np.repeat(self._array, shape[-1], axis=-1)
            return
        grey, self._file = self._file, open(self.path.with_name("colour.npy"), "wb+", buffering=CHUNK)  # noqa: SIM115
        grey.seek(0)
        np.lib.format.read_magic(grey)
        np.lib.format.read_array_header_1_0(grey)
        self._header(self._dtype)
        pixels = self._found * shape[0] * shape[1]
        while pixels:
            part = np.frombuffer(grey.read(min(pixels, CHUNK) * self._dtype.itemsize), self._dtype)
            self._file.write(np.repeat(part, shape[-1]).data)
            pixels -= len(part)
        grey.close()
        os.replace(self._file.name, self.path)


def say_grey(grey: int, count: int, name: Any) -> None:
    """Says that some of ``count`` images are grey, and become RGB."""
    became = "1 grey image becomes" if grey == 1 else f"{grey} grey images become"
    say(f"{became} RGB beside {count - grey} in colour, such as {name}.")


def opened(path: Path, in_memory: bool | None = None) -> np.ndarray:
    """The array in an ``.npy`` file, mapped: what is not in use takes no memory.

    Where it fits in memory it can be written to, which changes neither the file nor anybody else's array. Else it is
    read only, and ``release`` gives back what has been read.

    Raises:
        OSError, ValueError: there is no such file, or it is damaged.
    """
    if in_memory:
        return np.load(path, allow_pickle=False)
    if fits(path.stat().st_size, in_memory):
        return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
    array = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    _advise(array, "MADV_RANDOM")
    return array


def release(array: np.ndarray) -> None:
    """Gives back the memory that a mapped array, read only, takes by now. It is read again where it is used again."""
    if not array.flags.writeable:
        _advise(array, "MADV_DONTNEED")


def _advise(array, advice):
    """Tells the system about a mapped array, where it listens."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, advice):
        base.madvise(getattr(mmap, advice))


def checksum(path: Path) -> int:
    """CRC-32 of a file."""
    value = 0
    with open(path, "rb") as file:
        while part := file.read(CHUNK):
            value = zlib.crc32(part, value)
    return value
