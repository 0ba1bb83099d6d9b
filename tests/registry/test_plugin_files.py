"""Files and runs say which plugin they need, and make nothing else be imported."""

import dataclasses
import json
import re
import sys
import zipfile

import keras
import pytest
from plugin_packages import CLASS, forget, imported, install
from processes import run_python

import genzoo
from genzoo.errors import PluginError
from genzoo.experiments.runs import Run
from genzoo.experiments.training import Source, Training
from genzoo.models.vae import VAE
from genzoo.registry import plugins


def saved(path, name, **options):
    model = genzoo.get(name, hidden_dim=4, latent_dim=2, seed=0, **options)
    model.build((None, 2, 2, 1))
    model.save(path)
    return path


def test_a_file_says_which_plugin_it_needs(site, tmp_path, monkeypatch):
    path = saved(tmp_path / "model.keras", "hello-vae", beta=3.0)
    forget(site)
    assert genzoo.load(path).beta == 3.0
    forget(site)
    monkeypatch.setenv("GENZOO_PLUGINS", "pack-zoo")
    with pytest.raises(ValueError, match="with the package 'Hello_Zoo', which GENZOO_PLUGINS leaves out"):
        genzoo.load(path)
    assert imported(site) == set()
    monkeypatch.delenv("GENZOO_PLUGINS")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(site)])
    expected = (
        f"{path} holds a 'Hello' from 'hello_zoo.models.hello'. It comes with the package 'Hello_Zoo' 1.2, which is "
        "not installed. Install it: pip install Hello_Zoo"
    )
    with pytest.raises(ValueError, match=re.escape(expected)):
        genzoo.load(path)
    install(tmp_path, "hello-zoo", [], ["hello-vae = hello_zoo:HelloVAE"], {"hello_zoo": "1 / 0"}, version="2")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match="'hello-vae' of hello-zoo 2 cannot be used: ZeroDivisionError"):
        genzoo.load(path)
    (tmp_path / "hello_zoo.py").write_text("from genzoo.models.vae import VAE as HelloVAE")
    with pytest.raises(ValueError, match=r"came with Hello_Zoo 1.2; .* 2 is installed.*: pip install Hello_Zoo==1.2"):
        genzoo.load(path)


def test_the_file_of_a_functions_model_imports_its_distribution_only(site, tmp_path):
    path = saved(tmp_path / "model.keras", "pack-small")
    plain = saved(tmp_path / "plain.keras", "pack-plain")
    forget(site)
    assert type(genzoo.load(path)).__name__ == "Small"
    assert imported(site) == {"pack"}
    forget(site)
    assert genzoo.load(plain).hidden_dim == 4
    assert imported(site) == set()


def test_a_broken_model_of_a_function_does_not_keep_files_of_the_others_from_loading(site, tmp_path, monkeypatch):
    function = """
        from genzoo import ModelSpec
        def models():
            return [ModelSpec("first-bad", "first_zoo.bad:X"), ModelSpec("first-good", "first_zoo.good:Good")]
    """
    good = CLASS.format(package="first_zoo", name="Good")
    modules = {"first_zoo/__init__": function, "first_zoo/bad": "1 / 0", "first_zoo/good": good}
    install(tmp_path, "first-zoo", [], ["first = first_zoo:models"], modules)
    monkeypatch.syspath_prepend(tmp_path)
    assert plugins.bring("first-zoo", "first_zoo.good:Good")
    assert "first_zoo.bad" not in sys.modules
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        plugins.bring("first-zoo", "first_zoo:Elsewhere")


def test_a_file_can_make_nothing_else_be_imported(site, tmp_path):
    path = saved(tmp_path / "model.keras", "pack-small")
    forget(site)
    for distribution, version, expected in (
        ("hello-zoo", "1", "came with hello-zoo 1; hello-zoo 1.2 is installed"),
        ("x; rm -rf /", "1", "No installed package registers it"),
        (["pack-zoo"], "1", "No installed package registers it"),
        (None, None, "No installed package registers it"),
    ):
        built = {"input_shape": [None, 2, 2, 1], "distribution": distribution, "version": version}
        changed = with_config(path, tmp_path / "changed.keras", build_config=built)
        with pytest.raises(ValueError, match=re.escape(expected)):
            genzoo.load(changed)
        assert "pack" not in imported(site)


def with_config(path, new, **changes):
    """A copy of a .keras file, with other entries in its config."""
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(new, "w") as changed:
        for part in whole.namelist():
            data = whole.read(part)
            changed.writestr(part, json.dumps(json.loads(data) | changes) if part == "config.json" else data)
    return new


def test_a_class_that_has_moved_is_known_by_its_registered_name(site, tmp_path):
    moved = with_config(saved(tmp_path / "model.keras", "vae"), tmp_path / "moved.keras", module="elsewhere")
    assert type(genzoo.load(moved)) is VAE
    moved = with_config(saved(tmp_path / "model.keras", "hello-vae"), moved, module="hello_zoo.before")
    forget(site)
    assert type(genzoo.load(moved)).__name__ == "Hello"


def test_a_class_is_not_loaded_in_place_of_another_of_the_same_registered_name(site, tmp_path, monkeypatch):
    install(tmp_path, "twin", [], ["twin = twin_zoo:One"], {"twin_zoo": CLASS.format(package="clash_one", name="One")})
    monkeypatch.syspath_prepend(tmp_path)
    path = saved(tmp_path / "model.keras", "twin")
    for folder in (site, tmp_path):
        forget(folder)
    genzoo.get("clash-one/clash")
    with pytest.raises(
        PluginError, match="registers with Keras as 'clash_one>One', which is the name of clash_one:One"
    ):
        genzoo.load(path)


def test_genzoos_own_files_name_no_plugin(tmp_path):
    with zipfile.ZipFile(saved(tmp_path / "model.keras", "vae")) as whole:
        assert json.loads(whole.read("config.json"))["build_config"] == {"input_shape": [None, 2, 2, 1]}


def test_a_run_says_which_plugin_it_needs(site, tmp_path, monkeypatch):
    asked = Training("clash-one/clash", Source("digits"), {"latent_dim": 3})
    Run.create(tmp_path / "run", asked)
    run = Run.open(tmp_path / "run")
    assert run.config["plugin"] == {"distribution": "clash-one", "version": "1.2"}
    assert (type(run.model()).__name__, run.model().latent_dim) == ("One", 3)
    Run.create(tmp_path / "alone", dataclasses.replace(asked, model="hello-vae"))
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(site)])
    for name, model, package in (
        ("run", "clash-one/clash", "clash-one"),
        ("alone", "Hello_Zoo/hello-vae", "Hello_Zoo"),
    ):
        with pytest.raises(ValueError, match=f"no model '{model}'.* '{package}' 1.2, which is not.*install {package}$"):
            Run.open(tmp_path / name).model()


def test_a_plugins_model_comes_back_in_another_process(site, tmp_path):
    path = saved(tmp_path / "model.keras", "hello-vae", beta=3.0)
    code = f"""
    sys.path.insert(0, {str(site)!r})
    import genzoo
    model = genzoo.load({str(path)!r})
    print(type(model).__module__, model.beta)
    """
    backend = keras.backend.backend()
    hidden = {"tensorflow"} - {backend}  # spares seconds: Keras imports it where it can
    printed, _ = run_python(code, hidden=hidden, KERAS_BACKEND=backend)
    assert printed.splitlines()[-1] == "hello_zoo.models.hello 3.0"
