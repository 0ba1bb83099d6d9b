"""The command as its entry point runs it, in this process."""

import sys
from typing import NamedTuple

import pytest

from genzoo.cli import app


class Ended(NamedTuple):
    """What a command printed on either stream, and its exit code."""

    printed: str
    said: str
    code: int

    def refused(self, code=2):
        """The one line that says why, without its first word."""
        lines = self.said.splitlines()
        assert (self.code, self.printed, len(lines)) == (code, "", 1), self
        assert lines[0].startswith("Error: ")
        assert "Traceback" not in self.said
        return lines[0].removeprefix("Error: ")


class Terminal:
    """Runs ``genzoo`` and returns what came of it."""

    def __init__(self, monkeypatch, capsys):
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments):
        self.monkeypatch.setattr(sys, "argv", ["genzoo", *map(str, arguments)])
        self.monkeypatch.setattr(sys, "path", [*sys.path])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app.main()
        printed, said = self.capsys.readouterr()
        return Ended(printed, said, ended.value.code)
