"""Loading says how far it is: only where somebody asked, and only where it takes its time."""

import io
import re
import sys

import pytest
from pictures import pixels, write_png
from typer.testing import CliRunner

from genzoo import data
from genzoo.cli.app import app
from genzoo.data import progress

pytestmark = pytest.mark.once


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", "")
    for i in range(5):
        write_png(tmp_path / "some [bold]" / f"{i}.png", pixels(8, 8, 1))
    return tmp_path / "some [bold]"


def said(monkeypatch, folder, patience, stream, **options):
    monkeypatch.setattr(progress, "PATIENCE", patience)
    monkeypatch.setattr(sys, "stderr", stream)
    data.load(folder, **options)
    return stream.getvalue()


def test_the_api_is_silent_unless_asked(folder, monkeypatch, capsys):
    assert said(monkeypatch, folder, -1, Terminal()) == ""
    assert said(monkeypatch, folder, -1, Terminal(), verbose=True) != ""
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_what_is_soon_done_is_not_told(stream, folder, monkeypatch):
    assert said(monkeypatch, folder, 60, stream(), verbose=True) == ""


def test_a_terminal_has_a_bar(folder, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said(monkeypatch, folder, -1, Terminal(), verbose=True))
    assert "Reading " in shown
    assert "some [bold]" in shown
    assert re.search(r"\d/5", shown)


def test_a_file_has_one_line(folder, monkeypatch):
    assert said(monkeypatch, folder, -1, io.StringIO(), verbose=True) == f"Reading 5 images of {folder} ...\n"


def test_what_was_kept_is_not_told(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    assert said(monkeypatch, folder, -1, io.StringIO(), verbose=True) != ""
    assert said(monkeypatch, folder, -1, io.StringIO(), verbose=True) == ""


def test_the_command_tells(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "PATIENCE", -1)
    options = ["--epochs", "1", "--set", "hidden_dim=4", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, ["train", "vae", "--data", str(folder), *options])
    assert done.exit_code == 0, done.exception
    assert f"Reading 5 images of {folder} ...\n" in done.stderr


def test_a_folder_cannot_give_codes_to_the_terminal(folder, monkeypatch):
    evil = folder.rename(folder.with_name("evil \x1b[31m"))
    printed = said(monkeypatch, evil, -1, io.StringIO(), verbose=True)
    assert "evil \\x1b[31m" in printed
    assert "\x1b" not in printed
