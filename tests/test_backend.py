"""Without a word from the user genzoo runs on what is installed, and says so; with one it stays out of the way."""

import importlib.util
import json
import os
import sys

import pytest
from processes import run_python

from genzoo.backend import BACKENDS, choose_backend

INSTALLED = [name for name in BACKENDS if importlib.util.find_spec(name)]
WITHOUT_TENSORFLOW = [name for name in INSTALLED if name != "tensorflow"]
IMPORT = "import os, genzoo; print(os.environ.get('KERAS_BACKEND'))"

needs_two = pytest.mark.skipif(not WITHOUT_TENSORFLOW, reason="needs jax or torch beside TensorFlow")


@pytest.fixture
def home(tmp_path):
    """A folder for Keras' settings and a way to start a process that has no others."""

    def start(code=IMPORT, settings=None, hidden=("tensorflow",), **variables):
        if settings is not None:
            (tmp_path / "keras.json").write_text(settings)
        return run_python(code, hidden=hidden, **{"KERAS_BACKEND": None, "KERAS_HOME": tmp_path, **variables})

    return start


def names(backend):
    return json.dumps({"backend": backend, "floatx": "float32"})


@needs_two
@pytest.mark.parametrize("settings", [None, names("tensorflow"), "{", "{}"], ids=["none", "default", "broken", "empty"])
def test_silence_means_what_is_installed_and_is_said_once(home, settings):
    printed, said = home(settings=settings)
    assert printed == f"{WITHOUT_TENSORFLOW[0]}\n"
    assert said == f"genzoo: running on {WITHOUT_TENSORFLOW[0]}; set KERAS_BACKEND to choose another backend.\n"


@needs_two
def test_nothing_is_said_under_the_command_which_says_it_itself(home):
    printed, said = home("sys.argv = ['/usr/bin/genzoo', 'list']\n" + IMPORT)
    assert (printed, said) == (f"{WITHOUT_TENSORFLOW[0]}\n", "")


@needs_two
def test_keras_obeys_the_choice(home):
    printed, said = home("import genzoo; genzoo.GenerativeModel; import keras; print(keras.backend.backend())")
    assert printed == f"{WITHOUT_TENSORFLOW[0]}\n"
    assert said.count("genzoo: running on") == 1


@pytest.mark.skipif("tensorflow" not in INSTALLED, reason="needs TensorFlow")
def test_keras_own_default_needs_no_word(home):
    assert home(hidden=()) == ("tensorflow\n", "")


@needs_two
@pytest.mark.parametrize("backend", WITHOUT_TENSORFLOW)
@pytest.mark.parametrize("hidden", [(), ("tensorflow",)])
def test_the_variable_is_obeyed_silently(home, backend, hidden):
    assert home(hidden=hidden, KERAS_BACKEND=backend) == (f"{backend}\n", "")


@needs_two
@pytest.mark.parametrize("backend", WITHOUT_TENSORFLOW)
def test_settings_that_name_an_installed_backend_are_obeyed_silently(home, backend):
    assert home(settings=names(backend), hidden=()) == ("None\n", "")


def test_settings_are_looked_for_in_the_home_folder_too(home, tmp_path):
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(names(INSTALLED[-1]))
    assert home(hidden=(), KERAS_HOME=None, HOME=tmp_path) == ("None\n", "")


def test_with_no_backend_at_all_keras_may_complain_itself(home):
    assert home(hidden=BACKENDS) == ("None\n", "")


def test_an_imported_keras_has_chosen_already(monkeypatch, tmp_path, capsys):
    assert "keras" in sys.modules
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert choose_backend() is None
    assert "KERAS_BACKEND" not in os.environ
    assert capsys.readouterr().err == ""
