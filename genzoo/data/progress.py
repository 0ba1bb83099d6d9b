"""How far loading is, for whoever asked to be told."""

import contextlib
import contextvars
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

PATIENCE = 2.0  # seconds that pass in silence

_asked: contextvars.ContextVar[bool] = contextvars.ContextVar("genzoo_progress", default=False)


@contextlib.contextmanager
def telling(asked: bool = True) -> Iterator[None]:
    """Loading inside tells how far it is, once it has taken two seconds: by a bar on a terminal, else in one line."""
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


@contextlib.contextmanager
def tracked(count: int, what: Any) -> Iterator[Callable[[], None]]:
    """Gives a function to call after each of ``count`` images."""
    if not _asked.get():
        yield lambda: None
        return
    bar = _Bar(count, what)
    try:
        yield bar.step
    finally:
        bar.close()


class _Bar:
    def __init__(self, count, what):
        self.count, self.done = count, 0
        self.what = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(what))
        self.begun, self.told = time.monotonic(), False
        self.progress: Any = None
        self.task: Any = None

    def step(self):
        self.done += 1
        if self.progress is not None:
            self.progress.update(self.task, completed=self.done)
        elif not self.told and time.monotonic() - self.begun > PATIENCE:
            self.told = True
            self._begin()

    def _begin(self):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        if not console.is_terminal:
            print(f"Reading {self.count} images of {self.what} ...", file=sys.stderr, flush=True)
            return
        text = TextColumn("Reading {task.fields[what]}", markup=False)
        columns = text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self.progress = Progress(*columns, console=console, transient=True)
        self.task = self.progress.add_task("", total=self.count, completed=self.done, what=self.what)
        self.progress.start()

    def close(self):
        if self.progress is not None:
            self.progress.stop()
