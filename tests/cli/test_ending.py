"""How the command ends: one sentence and 2 for what was given, 1 for what failed under way, 130 and 143 for signals."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zipfile
import zlib

import keras
import numpy as np
import pytest
from plugin_packages import install
from processes import environment

from genzoo import registry

SMALL = ("--set", "hidden_dim=4", "--set", "latent_dim=2", "--epochs", 1)
TRAIN = ("train", "vae", *SMALL, "--out", "new")


def npz(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("image.npy", content)


def npy(shape):
    import io

    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + bytes(100)


def bomb(path, side):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))


def configured(path, whole, change):
    """A copy of a model with another ``config.json``."""
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == "config.json" else old.read(name))


CLAIM = """
[[claims]]
id = "tiny"
title = "t"
source = "s"
model = "vae"
data = { name = "digits", train = "train", test = "test" }
epochs = 1
score = "elbo"
paper = 3.0
minutes = { cpu = 1 }
"""


@pytest.fixture
def there(tmp_path, trained, monkeypatch):
    """A folder of things that are damaged, foreign or of another kind than they seem."""
    monkeypatch.chdir(tmp_path)
    run = shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "empty").mkdir()
    for name, content in {
        "empty.keras": b"", "junk.keras": bytes(range(256)) * 9, "empty.npz": b"", "junk.npz": bytes(range(256)) * 9,
        "claims3.toml": b"claims = 3", "claims_3.toml": b"claims = [3]", "junk.toml": b"\xff\xfe", "no.toml": b"[[",
        "id3.toml": CLAIM.replace('"tiny"', "3").encode(), "data3.toml": CLAIM.replace("{ name", "[{ name", 1).replace(
            '"test" }', '"test" }]').encode(), "paper.toml": CLAIM.replace("3.0", "[3]").encode(),
        "epochs.toml": CLAIM.replace("epochs = 1", "epochs = 'a'").encode(),
        "minutes.toml": CLAIM.replace("cpu = 1", "cpu = 'a'").encode(), "good.toml": CLAIM.encode(),
        "also.toml": (CLAIM + "also = 3\n").encode(), "rows.json": b'[{"claim": "tiny"}]', "junk.json": b"[" * 99_999,
        "object.json": b"{}", "text": b"text",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
    npz("giant.npz", npy((10**7, 1000, 1000, 3)))
    npz("hello.npz", b"hello")
    npz("header.npz", b"\x93NUMPY\x01\x00\x10\x00{'descr': evil()}")
    npz("objects.npz", npy((3, 4, 4, 1)).replace(b"|u1", b"|O "))
    for folder in ("bomb", "text.png"):
        (tmp_path / folder).mkdir()
    bomb(tmp_path / "bomb" / "a.png", 30_000)
    (tmp_path / "text.png" / "a.png").write_text("text")
    whole = run / "model.keras"
    configured("deep.keras", whole, lambda text: b'{"a":' * 100_000)
    configured("huge.keras", whole, lambda text: text.replace(b"8, 8, 1]", b"100000, 100000, 100]"))
    configured("wide.keras", whole, lambda text: text.replace(b'"hidden_dim": 4', b'"hidden_dim": "a"'))
    locked = tmp_path / "locked.npz"
    locked.touch()
    locked.chmod(0)
    return tmp_path


# What is asked for, and what the one sentence must say.
REFUSED = {
    "no such command": (("samlpe",), "samlpe"),
    "no such option": ((*TRAIN, "--epcohs", 3), "--epcohs"),
    "an option without its value": ((*TRAIN, "--data"), "--data"),
    "too few arguments": (("train",), "Name a model, or a recipe: --claim ID or --config FILE."),
    "too many arguments": (("list", "a", "b"), "unexpected extra argument"),
    "epochs of a word": (("train", "vae", "--epochs", "many"), "--epochs"),
    "a negative number of epochs": (("train", "vae", "--epochs", -1), "--epochs"),
    "an absurd size of images": ((*TRAIN, "--image-size", 10**6), "--image-size"),
    "a size of nothing": ((*TRAIN, "--image-size", 0), "--image-size"),
    "an option of the wrong type": ((*TRAIN, "--set", "latent_dim=a"), "`--set latent_dim=` must be an integer"),
    "a list for a number": ((*TRAIN, "--set", "latent_dim=[1]"), "`--set latent_dim=` must be an integer"),
    "an object for a number": ((*TRAIN, "--set", 'free_bits={"a": 1}'), "`--set free_bits=` must be a number"),
    "a number for a name": ((*TRAIN, "--set", "likelihood=3"), "`--set likelihood=` must be one of"),
    "a boolean for a number": ((*TRAIN, "--set", "latent_dim=true"), "`--set latent_dim=` must be an integer"),
    "an infinite number": ((*TRAIN, "--set", "free_bits=1e999"), "`--set free_bits=` must be a number"),
    "a deep value": ((*TRAIN, "--set", "latent_dim=" + "[" * 99_999), "nested too deep"),
    "an option without a value": ((*TRAIN, "--set", "latent_dim"), "--set takes KEY=VALUE"),
    "a seed below 0": ((*TRAIN, "--seed", -1), "--seed"),
    "a module without a model": (("train", "os:path"), "'os:path' is no model"),
    "a module that is not there": (("train", "no_such_module:X"), "no_such_module"),
    "a class of Keras": (("info", "keras:Model"), "keras:Model"),
    "a class of Python": (("check", "json:JSONDecoder"), "json:JSONDecoder"),
    "a check that there is not": (("check", "vae", "--only", "fits_two_batches"), "Did you mean 'fits_one_batch'"),
    "a check of other models": (("check", "vae", "--only", "translates"), "is of models with the tag 'translation'"),
    "a folder without a run": (("resume", "empty"), "empty is not a run directory"),
    "a folder without a model": (("sample", "empty"), "There is no model at empty/model.keras"),
    "a text for a run": (("resume", "text"), "text is not a run directory"),
    "an empty model": (("sample", "empty.keras"), "empty.keras is not a whole .keras file"),
    "a model of noise": (("sample", "junk.keras"), "junk.keras is not a whole .keras file"),
    "a model that is too deep": (("sample", "deep.keras"), "deep.keras"),
    "a model for images that are too large": (("sample", "huge.keras"), "huge.keras"),
    "a model of a wrong option": (("sample", "wide.keras"), "wide.keras"),
    "too many images": (("sample", "run", "-n", 10**12), "-n must be at most"),
    "no images": (("sample", "run", "-n", 0), "-n"),
    "a folder as the picture": (("sample", "run", "-o", "empty"), "--output is the name of a file"),
    "a picture below a file": (("sample", "run", "-o", "text/a.png"), "--output cannot be written"),
    "a picture of no format": (("sample", "run", "-o", "a.xyz"), "a.xyz"),
    "a sampler that there is not": (("sample", "run", "--sampler", "guassian"), "guassian"),
    "a metric that there is not": (("evaluate", "run", "--metrics", "fdi"), "Did you mean 'fid'"),
    "a metric's argument of a wrong type": (
        ("evaluate", "run", "--metrics", "nll", "--set", "nll.num_samples=a"), "`--set nll.num_samples=` must be",
    ),
    "a metric's argument that is a word": (
        ("evaluate", "run", "--metrics", "active-units", "--set", "active-units.threshold=a"), "active-units.threshold",
    ),
    "an argument of no metric": (("evaluate", "run", "--set", "images=3"), "--set takes METRIC.KEY=VALUE"),
    "scores into a folder": (("evaluate", "run", "-o", "empty"), "--output is the name of a file"),
    "an npz that claims to be giant": ((*TRAIN, "--data", "giant.npz"), "giant.npz"),
    "an npz of a text": ((*TRAIN, "--data", "hello.npz"), "hello.npz"),
    "an npz of a bad header": ((*TRAIN, "--data", "header.npz"), "header.npz"),
    "an npz of objects": ((*TRAIN, "--data", "objects.npz"), "objects.npz"),
    "an empty npz": ((*TRAIN, "--data", "empty.npz"), "empty.npz"),
    "an npz of noise": ((*TRAIN, "--data", "junk.npz"), "junk.npz"),
    "an empty folder": ((*TRAIN, "--data", "empty"), "empty holds no image"),
    "a text file": ((*TRAIN, "--data", "text"), "text"),
    "an image beyond Pillow's limit": ((*TRAIN, "--data", "bomb"), "bomb/a.png is too large"),
    "a text called png": ((*TRAIN, "--data", "text.png"), "a.png is not a readable image"),
    "a home of nobody": ((*TRAIN, "--data", "~nobody-there/x"), "~nobody-there/x"),
    "claims that are a number": (("reproduce", "--file", "claims3.toml", "--list"), "claims3.toml holds no claims"),
    "claims of numbers": (("reproduce", "--file", "claims_3.toml", "--list"), "claims_3.toml holds no claims"),
    "claims that are no text": (("reproduce", "--file", "junk.toml", "--list"), "junk.toml is damaged"),
    "claims that are no TOML": (("reproduce", "--file", "no.toml", "--list"), "no.toml is not TOML"),
    "claims that are a folder": (("reproduce", "--file", "empty", "--list"), "empty is damaged"),
    "a claim with a number as its id": (("reproduce", "--file", "id3.toml", "--list"), "`id` must be text"),
    "a claim with a list as its data": (("reproduce", "--file", "data3.toml", "--list"), "`data` must be an object"),
    "a claim with a list as its number": (("reproduce", "--file", "paper.toml", "--list"), "`paper` must be a number"),
    "a claim of a word of epochs": (("reproduce", "--file", "epochs.toml", "--list"), "`epochs` must be an integer"),
    "a claim of a word of minutes": (("reproduce", "--file", "minutes.toml", "--list"), "`minutes.cpu` must be a"),
    "a claim that also is a number": (("reproduce", "--file", "also.toml", "--list"), "also.toml is wrong"),
    "rows that lack everything": (("reproduce", "--file", "good.toml", "--table", "rows.json"), "rows.json is no file"),
    "rows that are too deep": (("reproduce", "--file", "good.toml", "--table", "junk.json"), "junk.json is damaged"),
    "rows that are an object": (("reproduce", "--file", "good.toml", "--table", "object.json"), "object.json is no"),
    "a row into a folder": (("reproduce", "tiny", "--file", "good.toml", "--record", "empty"), "--record is the name"),
    "a claim that there is not": (("reproduce", "tyni", "--file", "good.toml"), "Did you mean 'tiny'"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_was_given_is_refused_in_a_sentence(there, genzoo, what):
    arguments, expected = REFUSED[what]
    said = genzoo(*arguments).refused()
    assert expected in said
    assert not (there / "new").exists()
    for name in ("empty.keras", "giant.npz", "text.png/a.png"):
        assert said.count(name) <= 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(there, genzoo):
    assert "Permission denied: locked.npz" in genzoo(*TRAIN, "--data", "locked.npz").refused()


def test_a_damaged_row_hides_no_other_claim(there, genzoo):
    (there / "good.toml").write_text(CLAIM + CLAIM.replace("tiny", "other"))
    (there / "runs" / "tiny").mkdir(parents=True)
    (there / "runs" / "tiny" / "row.json").write_text("[]")
    listed = genzoo("reproduce", "--file", "good.toml", "--list", "--out", "runs")
    assert listed.code == 0
    assert "tiny: runs/tiny/row.json is damaged" in listed.printed
    assert "other: not yet run" in listed.printed


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RuntimeError("the disk is on fire"), 1, "the disk is on fire"),
        (OSError(28, "No space left on device", "a"), 1, "No space left on device: a"),
        (IsADirectoryError(21, "Is a directory", ".a.3.png", None, "a.png"), 2, "Is a directory: a.png"),
        (KeyError("image"), 1, "KeyError: 'image'. GENZOO_STRICT_PLUGINS=1 shows where."),
        (TypeError("x\n  y"), 1, "TypeError: x y. GENZOO_STRICT_PLUGINS=1 shows where."),
        (ZeroDivisionError(), 1, "ZeroDivisionError. GENZOO_STRICT_PLUGINS=1 shows where."),
        (MemoryError("Unable to allocate 3 TiB"), 2, "Memory does not suffice"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 3 bytes."), 1, "Memory does not suffice"),
        (RecursionError("maximum recursion depth exceeded"), 1, "RecursionError: maximum recursion depth exceeded."),
        (AssertionError("z" * 9999), 1, "AssertionError: " + "z" * 500 + " ...."),
    ],
)
def test_any_error_is_a_sentence(error, code, said, genzoo, monkeypatch):
    def fail(pattern):
        raise error

    monkeypatch.setattr(registry, "list_models", fail)
    assert genzoo("list").refused(code).startswith(said)


COMMAND = [sys.executable, "-m", "genzoo"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("moment", ["beginning", "training", "scoring"])
def test_a_signal_ends_a_claim_with_its_code(tmp_path, number, code, moment):
    long = CLAIM.replace("epochs = 1", "epochs = 100000") + "score_every = 100000\noptions = { hidden_dim = 4 }\n"
    if moment == "scoring":
        long = CLAIM.replace('"elbo"', '"nll"') + "arguments = { nll = { num_samples = 100000 } }\n"
    (tmp_path / "claims.toml").write_text(long)
    process = subprocess.Popen(
        [*COMMAND, "reproduce", "tiny", "--file", "claims.toml", "--out", "runs"], cwd=tmp_path, text=True,
        env=environment(KERAS_BACKEND=keras.backend.backend()), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        _wait(process, tmp_path / "runs" / "tiny", moment)
        process.send_signal(number)
        printed, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == code, said
    assert "Traceback" not in said
    if moment != "beginning":  # when modules may still be imported
        assert "Stopped. Go on: genzoo reproduce tiny --out runs --file claims.toml" in printed


@pytest.mark.once
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_a_plugin_hangs_names_it(tmp_path, number, code):
    source = f"import pathlib, time\npathlib.Path({str(tmp_path / 'begun')!r}).touch()\ntime.sleep(300)"
    install(tmp_path, "hangs", (), ["hangs = hangs_zoo:X"], {"hangs_zoo": source})
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [*COMMAND, "plugins"], env=environment(PYTHONPATH=path), stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == code
    assert said.splitlines()[-1] == f"Stopped: {number.name}, while 'hangs_zoo' was imported."


def _wait(process, run, moment):
    deadline = time.monotonic() + 120
    reached = {
        "beginning": lambda: (run / "run.json").exists(),
        "training": lambda: (run / "model.keras").exists(),
        "scoring": lambda: (run / "reproduction.json").exists() and running(run) == "scoring",
    }[moment]
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running(run):
    return json.loads((run / "reproduction.json").read_text()).get("running")
