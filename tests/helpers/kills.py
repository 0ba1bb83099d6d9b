"""Processes that die at a chosen moment of their writing.

As a script, ``kills.py MOMENT COMMAND...`` runs the command and kills itself, with SIGKILL, at the moment of that
number, 0 being never. At the end it prints how many moments there were.
"""

import contextlib
import os
import re
import runpy
import signal
import sys
from pathlib import Path


class Killed(BaseException):
    """Stands for the end of the process, where a test cannot afford one."""


class Moments:
    """Counts moments of writing: a file half there, before and after ``os.fsync``, before and after ``os.replace``.

    Args:
        die: called at each moment with its number and its name, such as ``"half model.keras"``.
    """

    def __init__(self, die):
        self.count, self.die, self.dead = 0, die, False
        self._real = {name: getattr(os, name) for name in ("fsync", "replace", "unlink")}

    @contextlib.contextmanager
    def watched(self):
        os.fsync, os.replace, os.unlink = self._fsync, self._replace, self._unlink
        try:
            yield self
        finally:
            vars(os).update(self._real)

    def _moment(self, name):
        if self.dead:
            raise Killed  # the dead write nothing and tidy nothing up
        self.count += 1
        try:
            self.die(self.count, name)
        except Killed:
            self.dead = True
            raise

    def _fsync(self, descriptor):
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        name = re.sub(r"^\.(.+)\.\d+(\.\w+)$", r"\1\2", path.name)
        if path.is_file():
            content = path.read_bytes()
            new = content if name != path.name else content.splitlines()[-1]  # what is appended to is there already
            os.truncate(path, len(content) - (len(new) + 1) // 2)
            self._moment(f"half {name}")
            path.write_bytes(content)
        self._moment(f"before fsync {name}")
        self._real["fsync"](descriptor)
        self._moment(f"after fsync {name}")

    def _replace(self, old, new):
        self._moment(f"before replace {Path(new).name}")
        self._real["replace"](old, new)
        self._moment(f"after replace {Path(new).name}")

    def _unlink(self, *arguments, **options):
        if self.dead:
            raise Killed
        self._real["unlink"](*arguments, **options)


def main():
    at, sys.argv = int(sys.argv[1]), ["genzoo", *sys.argv[2:]]

    def die(number, name):
        if number == at:
            print(f"killed {name}", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    with Moments(die).watched() as moments:
        try:
            runpy.run_module("genzoo", run_name="__main__")
        finally:
            print(f"moments {moments.count}", flush=True)


if __name__ == "__main__":
    main()
