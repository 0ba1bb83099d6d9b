"""``history.csv``: a row of metrics per whole epoch. Whatever the file holds, a run goes on."""

import contextlib
import csv
import os
from pathlib import Path

from genzoo.files import append, written


class History:
    """The file at ``path``. ``keep_until`` repairs it and comes first."""

    def __init__(self, path):
        self.path, self._columns = Path(path), None

    def keep_until(self, epoch: int) -> None:
        """Drops the rows of later epochs, and those that are torn, odd or there twice; of two the last one stays.

        A file without a header is set aside as ``history-damaged.csv``.
        """
        self._columns = None
        try:
            text = self.path.read_text(encoding="utf-8-sig", errors="replace")
        except FileNotFoundError:
            return
        except OSError:  # a folder, say
            self._set_aside()
            return
        columns, *rows = _parsed(text) or [[]]
        if not text.strip():
            self.path.unlink()
        elif columns[:1] != ["epoch"] or len(set(columns)) != len(columns):
            self._set_aside()
        else:
            whole = {int(row[0]): row for row in rows if len(row) == len(columns) and _is_epoch(row[0])}
            kept = [whole[number] for number in sorted(whole) if 1 <= number <= epoch]
            self._columns = columns
            self._write(kept, unless=text)

    def add(self, row: dict) -> None:
        """Adds a row. Columns that the file has not get a place in it; what it has beyond them stays empty."""
        if self._columns is None:
            self._columns = list(row)
            self._write([[str(value) for value in row.values()]])
            return
        if new := [name for name in row if name not in self._columns]:
            _, *rows = _parsed(self.path.read_text(encoding="utf-8"))
            self._columns = self._columns + new
            self._write([[*old, *[""] * len(new)] for old in rows])
        append(self.path, _line([str(row.get(name, "")) for name in self._columns]))

    def _write(self, rows, unless=None):
        text = "".join(map(_line, [self._columns, *rows]))
        if text != unless:
            with written(self.path) as beside:
                beside.write_text(text, encoding="utf-8", newline="")

    def _set_aside(self):
        os.replace(self.path, self.path.with_name("history-damaged.csv"))


def _is_epoch(text):
    return text.isdecimal() and len(text) < 10


def _parsed(text):
    rows = []
    for line in text.splitlines():  # one by one: what breaks one line is not read on in the next
        with contextlib.suppress(csv.Error):
            rows += [row for row in csv.reader([line]) if row]
    return rows


def _line(cells):
    return ",".join(_cell(cell) for cell in cells) + "\n"


def _cell(text):
    return '"{}"'.format(text.replace('"', '""')) if set(text) & {",", '"'} else text
