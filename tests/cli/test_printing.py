"""What comes from outside is shown as it is: no markup, no terminal codes, wherever it is from, whatever prints it."""

import io
import json
import shutil

import numpy as np
import pytest
from plugin_packages import forget, install
from rich.table import Table

from genzoo.cli.printing import Screen, console, styled, visible
from genzoo.discovery import installed
from genzoo.testing import subjects

# What a terminal acts on: colours, a title, a link, a bell, C1, the start of the line, the direction of writing.
CODES = "\x1b[31m\x1b]0;owned\x07\x1b]8;;http://evil\x9b2J\r\u202e\u2028\x7f"
SHOWN = r"\x1b[31m\x1b]0;owned\x07\x1b]8;;http://evil\x9b2J\r\u202e\u2028\x7f"
MARKUP = "[/] [bold]big[/bold] [link=x] :smile:"
NAME = "\x1b[31m\x07\u202e"  # as a part of a file's name

CLASS = '''
import keras
from genzoo.models.vae import VAE

@keras.saving.register_keras_serializable("evil_zoo")
class Evil(VAE):
    """EVIL

    Args:
        beta: EVIL

    Deviations:
        1. EVIL

    Reference:
        @article{EVIL}
    """

    tags = VAE.tags | {"EVIL"}

    def __init__(self, beta="EVIL", **kwargs):
        super().__init__(**kwargs)
        self.beta = beta
'''.replace("EVIL", ascii(MARKUP + CODES)[1:-1])

CLAIM = """
[[claims]]
id = "evil"
title = "@"
source = "@"
note = "@"
model = "vae"
data = { name = "digits", train = "train", test = "test" }
epochs = 1
score = "elbo"
paper = "@"
unit = "@"
minutes = { cpu = 1 }
""".replace("@", MARKUP + "".join(f"\\u{ord(c):04x}" if not c.isprintable() else c for c in CODES))


def harmless(ended):
    return all(c.isprintable() or c == "\n" for c in ended.printed + ended.said)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Plugins: one whose texts are hostile, one that fails with such a text, two bad entry points, and a good one."""
    site = tmp_path / "site"
    site.mkdir()
    install(site, "evil-zoo", (), ["evil = evil_zoo:Evil"], {"evil_zoo": CLASS})
    install(site, "fails-zoo", (), ["fails = fails_zoo:X"], {"fails_zoo": f"raise ValueError({MARKUP + CODES!a})"})
    install(site, "named-zoo", (), [f"so/me{NAME} = evil_zoo:Evil", "bad = no class"], {}, version=f"1.2{NAME}")
    install(site, "good-zoo", (), ["good = evil_zoo:Evil"], {})
    monkeypatch.setattr(console, "_width", 2000)
    monkeypatch.syspath_prepend(site)
    yield site
    forget(site)


@pytest.mark.filterwarnings("always:The entry point")
def test_a_broken_entry_point_is_told_once_and_hides_no_other(site, genzoo):
    listed = genzoo("list")
    assert listed.code == 0
    assert {"evil", "fails", "good", "vae", "lapgan"} <= {line.split()[0] for line in listed.printed.splitlines()}
    assert f"{MARKUP}{SHOWN}" in listed.printed
    warnings = [line for line in listed.said.splitlines() if "named-zoo" in line]
    assert len(warnings) == len(listed.said.splitlines()) == 2
    assert all(line.startswith("Warning: The entry point '") for line in warnings)
    assert "is left out: a model's name is lowercase kebab, such as 'beta-vae'. Tell its author." in listed.said
    assert "is left out: it must be 'package.module:Class', and is 'no class'. Tell its author." in listed.said
    assert harmless(listed)
    assert len(installed.faulty()) == 2
    told = genzoo("plugins")
    assert (told.code, told.said) == (0, "")
    rows = {line.split()[0]: line for line in told.printed.splitlines()}
    assert rows["evil-zoo"].split()[-1] == "ok"
    assert f"ValueError: {MARKUP}{SHOWN}" in rows["fails-zoo"]
    assert told.printed.count("left out: ") == 2
    assert harmless(told)


@pytest.mark.filterwarnings("ignore:The entry point")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("info", "evil"), 0),
        (("cite", "evil"), 0),
        (("check", "evil", "--only", NAME), 2),
        (("info", "fails"), 1),
        (("train", f"ev{CODES}il"), 2),
        (("train", "vae", "--set", f"{CODES}=3"), 2),
        (("train", "vae", "--epochs", CODES), 2),
        ((CODES,), 2),
        (("train", "vae", "--data", f"./{NAME}"), 2),
        (("sample", f"{NAME}.keras"), 2),
        (("evaluate", f"{NAME}.keras", "--data", "digits", "--metrics", NAME), 2),
        (("reproduce", "--list", "--file", "claims.toml"), 0),
        (("reproduce", "--table", "rows.json", "--file", "claims.toml"), 0),
        (("reproduce", NAME), 2),
        (("new-plugin", CODES), 2),
    ],
)
def test_no_command_sends_what_a_terminal_acts_on(site, genzoo, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "claims.toml").write_text(CLAIM, encoding="utf-8")
    (tmp_path / "rows.json").write_text("[]")
    ended = genzoo(*arguments)
    assert ended.code == code, ended
    assert harmless(ended)
    assert r"\x1b" in ended.printed + ended.said or "--epochs" in arguments  # whose value typer keeps to itself
    subjects._latest[:] = [None, None]


@pytest.mark.filterwarnings("always:2 files are left out")
def test_names_of_files_and_classes_and_what_a_run_says_are_data(genzoo, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / f"im{NAME}ages"
    for i, name in enumerate((f"a{NAME}", "b")):
        (folder / name).mkdir(parents=True)
        np.save(folder / name / f"{NAME}.txt", [1])
        _picture(folder / name / f"{NAME}.png", i)
    small = ("--set", "hidden_dim=4", "--epochs", 1)
    whole = genzoo("train", "vae", "--data", folder, *small, "--out", f"r{NAME}un")
    assert whole.code == 0, whole
    assert "Warning: 2 files are left out of " in whole.said
    assert harmless(whole)
    (folder / "b" / f"{NAME}.jpg").write_text("no image")
    refused = genzoo("train", "vae", "--data", folder, *small, "--out", "other")
    assert refused.code == 2
    assert refused.said.count(".jpg") == 1
    assert harmless(refused)
    run = shutil.copytree(trained, tmp_path / "stranger")
    config = json.loads((run / "run.json").read_text())
    config["data"]["name"] = f"./{MARKUP}{CODES}"
    (run / "run.json").write_text(json.dumps(config))
    assert harmless(evaluated := genzoo("evaluate", run))
    assert evaluated.code == 2
    sampled = genzoo("sample", run, "-o", f"{NAME}.png")
    assert sampled == (rf"64 images in \x1b[31m\x07\u202e.png{chr(10)}", "", 0)


def _picture(path, value):
    from PIL import Image

    Image.fromarray(np.full((8, 8), 100 * value + 50, "uint8")).save(path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, \u00e9\u4e2d\U0001f600\u3000", "plain, \u00e9\u4e2d\U0001f600\u3000"),
        ("\u0646\u0645\u06cc\u200c\u062e", "\u0646\u0645\u06cc\u200c\u062e"),  # Persian is written with joiners
        (CODES, SHOWN),
        ("one\ntwo", r"one\ntwo"),
        ("\udcff", r"\udcff"),  # a byte of a file's name that is no UTF-8
        (MARKUP, MARKUP),
        (3, "3"),
    ],
)
def test_visible_text(text, shown):
    assert visible(text) == shown
    for renderable in (text, styled(str(text)), table_of(text)):
        screen = Screen(file=io.StringIO(), width=200, force_terminal=True)
        if not isinstance(renderable, int):
            screen.print(renderable)
            assert shown in screen.file.getvalue()


def table_of(text):
    table = Table("column")
    table.add_row(str(text))
    return table
