"""What a run folder may do to its reader: name a model and a backend, and be damaged, but run and crash nothing."""

import json
import shutil
import sys
import zipfile

import keras
import pytest
from processes import run_python
from typer.testing import CliRunner

import genzoo
from genzoo.cli import app as app_
from genzoo.cli.app import app
from genzoo.experiments.runs import Run

BACKEND = keras.backend.backend()
OTHER = "torch" if BACKEND != "torch" else "jax"


def run_command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("others") / "run"
    small = ("--set", "hidden_dim=4", "--set", "latent_dim=2", "--epochs", 1)
    assert run_command("train", "vae", "--out", directory, *small).exit_code == 0
    return directory


@pytest.fixture
def run(trained, tmp_path):
    """A run of one epoch that a test may damage."""
    return shutil.copytree(trained, tmp_path / "run")


def described(run, **changes):
    config = {**json.loads((run / "run.json").read_text()), **changes}
    (run / "run.json").write_text(json.dumps(config))


def reconfigured(run, change):
    """Replaces the ``config.json`` in the run's model."""
    path, whole = run / "model.keras", run / "whole.keras"
    path.rename(whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == "config.json" else old.read(name))
    whole.unlink()


def a_folder(run):
    (run / "model.keras").unlink()
    (run / "model.keras").mkdir()


def other_class(content):
    config = json.loads(content)
    return json.dumps({**config, "module": "helper", "class_name": "X", "registered_name": "helper>X"}).encode()


DAMAGE = {
    "no object": (lambda run: (run / "run.json").write_text("[1]"), "run.json is damaged (expected an object"),
    "model 3": (lambda run: described(run, model=3), "run.json is damaged (`model` must be text"),
    "plugin 3": (lambda run: described(run, plugin=3), "run.json is damaged (`plugin` must be an object"),
    "bytes": (lambda run: (run / "run.json").write_bytes(b"\xff"), "run.json is damaged ('utf-8' codec"),
    "a folder": (a_folder, "model.keras is not a .keras file but a folder"),
    "no zip": (lambda run: (run / "model.keras").write_text("x"), "model.keras is not a whole .keras file"),
    "a list": (lambda run: reconfigured(run, lambda _: b"[1]"), "its config.json holds no object"),
    "too deep": (lambda run: reconfigured(run, lambda _: b"[" * 100_000), "model.keras is not a whole .keras file"),
    "empty": (lambda run: reconfigured(run, lambda _: b"{}"), "does not say which class"),
    "of a stranger": (lambda run: reconfigured(run, other_class), "holds a 'X' from 'helper'"),
    "shape": (lambda run: reconfigured(run, lambda t: t.replace(b"8, 8, 1", b"8, 8")), "model.keras cannot be loaded"),
    "missing": (lambda run: (run / "model.keras").unlink(), "model.keras is missing"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_one_sentence_about_the_file(run, kind, monkeypatch, capsys):
    damage, message = DAMAGE[kind]
    damage(run)
    monkeypatch.setattr(sys, "argv", ["genzoo", "resume", str(run), "--epochs", "2"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit) as exit:
        app_.main()
    assert exit.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert said.count("\n") == 1
    assert message in said
    assert not (run / "run.lock").exists()


def test_a_module_that_a_run_names_is_not_imported(run, tmp_path, monkeypatch):
    """Whether the model is saved, or still to be made."""
    (tmp_path / "helper.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    described(run, model="helper:X")
    genzoo.load(run)  # of a known class, whatever its run says
    described(run, model="helper:X", plugin={"distribution": "helper", "version": "1"})
    genzoo.load(run)
    described(run, model="helper:X", plugin=None, epochs_done=0)
    (run / "model.keras").unlink()
    with pytest.raises(ValueError, match=r"not imported because a file says so. If you trust it.*--model helper:X"):
        Run.open(run).model()
    assert "helper" not in sys.modules
    described(run, model="os:system", options={"command": "true"})
    with pytest.raises(ValueError, match="'os:system' is no model"):
        Run.open(run).model()


def test_what_is_no_model_is_refused_by_name(tmp_path):
    for arguments in (["train", "os:path"], ["sample", tmp_path, "--model", "json:JSONDecoder"]):
        assert "is no model. Expected a subclass" in str(run_command(*arguments).exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "vae", "--data", ""), "--data must not be empty"),
        (("evaluate", "run", "--data", " "), "--data must not be empty"),
        (("evaluate", "run", "--metrics", ","), "--metrics takes names"),
        (("evaluate", "run", "--metrics", ""), "--metrics takes names"),
    ],
)
def test_what_is_empty_is_refused_by_name(arguments, message):
    assert message in str(run_command(*arguments).exception)


COMMAND = "import runpy; runpy.run_module('genzoo', run_name='__main__')"


@pytest.mark.skipif(OTHER not in app_.BACKENDS or not app_.importlib.util.find_spec(OTHER), reason="needs two backends")
def test_a_run_goes_on_where_it_began_and_elsewhere_only_when_asked(run):
    printed, _ = run_python(COMMAND, "resume", run, "--epochs", 2, KERAS_BACKEND=OTHER)
    assert f"vae on digits, {BACKEND}, into" in printed
    assert "bit for bit" not in printed
    assert json.loads((run / "run.json").read_text())["backend"] == BACKEND
    printed, _ = run_python(COMMAND, "resume", run, "--epochs", 3, "--backend", OTHER)
    assert f"Begun on {BACKEND}: from here on not bit for bit" in printed
    config = json.loads((run / "run.json").read_text())
    assert (config["backend"], config["epochs_done"]) == (OTHER, 3)
    assert [(old["backend"], old["epochs_done"]) for old in config["before"]] == [(BACKEND, 2)]


def test_a_backend_that_is_not_installed_is_named_before_keras_starts(run, monkeypatch):
    described(run, backend=OTHER)
    monkeypatch.setattr(app_.importlib.util, "find_spec", lambda name: None)
    error = run_command("resume", run, "--epochs", 2).exception
    assert f"was begun on {OTHER}, which is not installed" in str(error)
