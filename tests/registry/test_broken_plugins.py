"""A broken plugin says what is wrong with it, and breaks nothing else."""

import re
import sys

import keras
import pytest
from plugin_packages import BROKEN, install
from typer.testing import CliRunner

import genzoo
from genzoo.cli import plugins as command
from genzoo.cli.app import app, main
from genzoo.discovery import installed
from genzoo.errors import PluginError
from genzoo.models.vae import VAE

# Broken ones.


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_says_what_is_wrong_and_breaks_nothing_else(site, name, capsys):
    _, _, reason, cause = BROKEN[name]
    with pytest.raises(PluginError, match=re.escape(reason)) as caught:
        genzoo.get(f"broken-{name}")
    error = caught.value
    assert str(error).startswith(f"Plugin 'broken-{name}' of broken-{name} 1.2 cannot be used: {error.reason}. ")
    assert "\n" not in str(error)
    assert (error.distribution, error.version) == (f"broken-{name}", "1.2")
    assert type(error.__cause__) is (cause or type(None))
    with pytest.raises(PluginError, match=re.escape(reason)):  # and says it again
        genzoo.get(f"broken-{name}")
    assert {"vae", "hello-vae", f"broken-{name}"} <= set(genzoo.list_models())
    assert type(genzoo.get("hello-vae")).__name__ == "Hello"
    assert genzoo.models.DCGAN is keras.saving.get_registered_object("genzoo>DCGAN")
    assert type(genzoo.get("vae")) is VAE


@pytest.mark.parametrize("name", ["exception", "exit", "dependency"])
def test_strict_raises_the_exception_itself(site, name, monkeypatch):
    monkeypatch.setenv("GENZOO_STRICT_PLUGINS", "1")
    with pytest.raises(BROKEN[name][3]):
        genzoo.get(f"broken-{name}")
    monkeypatch.setenv("GENZOO_STRICT_PLUGINS", "0")
    with pytest.raises(PluginError):
        genzoo.get(f"broken-{name}")


def test_the_command_shows_the_traceback_only_in_strict_mode(site, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["genzoo", "cite", "broken-import-error"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code == 1
    assert "Error: Plugin 'broken-import-error' of broken-import-error 1.2 cannot be used" in capsys.readouterr().err
    monkeypatch.setenv("GENZOO_STRICT_PLUGINS", "1")
    with pytest.raises(ImportError, match="no_such_thing") as caught:
        main()
    assert not isinstance(caught.value, PluginError)


def test_ctrl_c_in_a_plugin_is_not_its_fault(site, tmp_path, monkeypatch):
    install(tmp_path, "hanging", [], ["hanging = hanging_zoo:X"], {"hanging_zoo": "raise KeyboardInterrupt"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        genzoo.get("hanging")


def test_a_function_that_may_bring_the_model_and_is_broken_is_the_reason(site, tmp_path, monkeypatch):
    install(tmp_path, "half", [], ["half = half_zoo:models"], {"half_zoo": "def models(): raise OSError('no disk')"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=r"Plugin 'half' of half 1.2 cannot be used: OSError: no disk"):
        genzoo.get("half-a")


def test_damaged_metadata_hide_their_distribution_only(site, tmp_path, monkeypatch):
    install(tmp_path, "damaged", [], ["damaged = damaged:X", "no entry point"], {})
    for name in ("undecodable", "nameless", "empty"):
        install(tmp_path, name, [], [f"{name} = {name}:X"], {})
    (tmp_path / "undecodable-1.2.dist-info" / "entry_points.txt").write_bytes(b"[genzoo.models]\n\xff\xfe = a:b\n")
    (tmp_path / "nameless-1.2.dist-info" / "METADATA").unlink()
    (tmp_path / "empty-1.2.dist-info" / "entry_points.txt").unlink()
    before = genzoo.list_models()
    monkeypatch.syspath_prepend(tmp_path)
    assert genzoo.list_models() == before


# `genzoo plugins`.


def shown():
    result = CliRunner().invoke(app, ["plugins"])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_shows_every_plugin_and_what_is_wrong(site, monkeypatch):
    sleepy = {plugin.full_name for plugin in installed.installed() if plugin.location == str(site)} - {"sleepy/sleepy"}
    monkeypatch.setenv("GENZOO_PLUGINS", ",".join([*sleepy, "not-there", "hello-zoo/no-such"]))
    printed = shown()
    lines = [re.split(r"\s{2,}", line.strip()) for line in printed.splitlines()]
    assert lines[0] == ["distribution", "version", "names", "status"]
    assert ["Hello_Zoo", "1.2", "hello-vae", "ok"] in lines
    assert ["clash-one", "1.2", "clash-one/clash", "ok"] in lines
    assert ["impostor", "1.2", "impostor/vae", "ok"] in lines
    assert ["sleepy", "1.2", "sleepy/sleepy", "left out by GENZOO_PLUGINS"] in lines
    statuses = {line[0]: line[2:] for line in lines if len(line) == 4}
    assert statuses["pack-zoo"] == [
        "pack-small pack-plain pack-bad pack-worse",
        "pack-bad: ValueError: Module 'pack_zoo.small' has no 'Missing'. Received: 'pack_zoo.small:Missing'; "
        "pack-worse: it needs the module 'pack_zoo.none', which is not installed",
    ]
    for name, (_, _, reason, _) in BROKEN.items():
        names, status = statuses[f"broken-{name}"]
        assert names == f"broken-{name}"
        assert status.startswith(reason)
    missing = "\n".join(printed.splitlines()[-2:])
    assert missing == (
        "GENZOO_PLUGINS names 'hello-zoo/no-such', which is not installed.\n"
        "GENZOO_PLUGINS names 'not-there', which is not installed."
    )
    assert "a plugin talks" not in printed
    assert not (site / "imported").exists()


def test_the_command_says_how_long_a_slow_import_took(site, monkeypatch):
    monkeypatch.setenv("GENZOO_PLUGINS", "hello-zoo")
    monkeypatch.setattr(command, "SLOW", 0.0)
    assert re.search(r"^Hello_Zoo +1.2 +hello-vae +ok, import took \d+\.\d s *$", shown(), re.MULTILINE)


def test_the_command_without_plugins(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    assert shown() == "No plugin is installed.\n"
