"""What libraries say of themselves stays off the screen; what genzoo says is one line."""

import logging
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from pictures import write_png
from processes import environment

from genzoo.cli.quiet import quiet

COMMAND = [sys.executable, "-m", "genzoo"]


def run(folder, *arguments):
    """The real command, in an environment that does not quiet anybody."""
    loud = {"TF_CPP_MIN_LOG_LEVEL": None, "PYTHONWARNINGS": None, "ABSL_MIN_LOG_LEVEL": None}
    environ = environment(KERAS_BACKEND=keras.backend.backend(), **loud)
    command = [*COMMAND, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_training_sampling_and_scoring_say_nothing_on_the_side(tmp_path):
    small = ("--set", "hidden_dim=4", "--set", "latent_dim=2", "--epochs", 1)
    printed, said = run(tmp_path, "train", "vae", *small, "--out", "run")
    assert said == ""
    assert printed.startswith(f"vae on digits, {keras.backend.backend()}, into run\n")
    assert run(tmp_path, "sample", "run", "-n", 4) == ("4 images in grid.png\n", "")
    assert run(tmp_path, "evaluate", "run", "--metrics", "elbo")[1] == ""
    assert run(tmp_path, "resume", "run", "--epochs", 2)[1] == ""


def test_a_warning_is_one_plain_line(tmp_path):
    for i in range(3):
        write_png(tmp_path / "images" / f"{i}.png", np.full((8, 8, 1), 60 * i + 9, "uint8"))
    (tmp_path / "images" / "notes.txt").touch()
    _, said = run(tmp_path, "train", "vae", "--data", "images", "--set", "hidden_dim=4", "--epochs", 1, "--out", "run")
    assert said.startswith("Warning: 1 file is left out of ")
    assert "notes.txt" in said
    assert said.count("\n") == 1


@pytest.mark.filterwarnings("always")
def test_only_libraries_are_silenced(capsys):
    with quiet():
        logging.getLogger("absl").warning("chatter")
        logging.getLogger("jax").info("chatter")
        logging.getLogger("some.plugin").error("matters")
        warnings.warn_explicit("chatter", UserWarning, "f.py", 3, module="tensorflow.python.x")
        warnings.warn_explicit("chatter", DeprecationWarning, "f.py", 4, module="keras")
        warnings.warn_explicit("told\nby a plugin", UserWarning, "f.py", 5, module="torchlight.x")
    said = capsys.readouterr().err
    assert "chatter" not in said
    assert "Warning: told by a plugin\n" in said
    assert logging.root.manager.disable == logging.NOTSET


def test_strict_silences_nothing(monkeypatch, capsys):
    monkeypatch.setenv("GENZOO_STRICT_PLUGINS", "1")
    shown = warnings.showwarning
    with quiet():
        assert warnings.showwarning is shown
        assert logging.root.manager.disable == logging.NOTSET
