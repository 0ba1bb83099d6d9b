"""Plugins bring claims in a file of their package: listed by name, told apart, and harmless where they are broken."""

import sys

import pytest
from plugin_packages import CLASS, forget, install
from typer.testing import CliRunner

from genzoo.cli.app import app
from genzoo.experiments import claims, reproduction

CLAIM = """
[[claims]]
id = "{id}"
title = "a model of [red]{package}[/red]"
source = "a test"
model = "{model}"
options = {{ hidden_dim = 4, latent_dim = 2 }}
data = {{ name = "digits", train = "train", test = "test" }}
epochs = 1
score = "elbo"
paper = 100
criterion = "at most"
minutes = {{ cpu = 1 }}
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of two plugins with claims and of one whose file is broken."""
    for name, ids in (("first", ["vae-mnist", "rival"]), ("second", ["vae-mnist"]), ("third", [])):
        package, model = f"{name}_zoo", f"{name}-vae"
        modules = {f"{package}/__init__": "", f"{package}/models": CLASS.format(package=package, name="Model")}
        install(tmp_path, f"{name}-zoo", (), [f"{model} = {package}.models:Model"], modules)
        tables = "".join(CLAIM.format(id=id_, package=package, model=model) for id_ in ids)
        tables = tables.replace('id = "rival"', 'id = "rival"\nthan = "vae-mnist"')
        (tmp_path / package / "claims.toml").write_text(tables or "[[claims]]\nid = 3")
    monkeypatch.delenv("GENZOO_PLUGINS", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    forget(tmp_path)


def command(*arguments, code=0):
    result = CliRunner().invoke(app, ["reproduce", *map(str, arguments)], env={"COLUMNS": "300"})
    if result.exit_code != code:
        raise result.exception
    return " ".join(result.output.split())


def test_they_are_listed_with_their_plugin_and_nothing_is_imported(site, tmp_path):
    printed = command("--list", "--out", tmp_path / "runs")
    assert "vae-mnist: not yet run the survey's VAE on MNIST." in printed
    for name in ("first", "second"):
        assert f"{name}-zoo/vae-mnist: not yet run a model of [red]{name}_zoo[/red]. Source: 100." in printed
        assert f"From the plugins of {name}-zoo." in printed
    assert "first-zoo/rival: not yet run" in printed
    assert "The claims of third-zoo cannot be read: " in printed
    assert not any(name.startswith(("first_zoo", "second_zoo", "third_zoo")) for name in sys.modules)


def test_the_environment_leaves_theirs_out_too(site, monkeypatch):
    monkeypatch.setenv("GENZOO_PLUGINS", "second-zoo")
    found, faults = claims.all_claims()
    assert [name for name in found if "/" in name] == ["second-zoo/vae-mnist"]
    assert not faults


def test_they_are_run_by_name_each_in_a_place_of_its_own(site, tmp_path):
    runs = tmp_path / "runs"
    assert "first-zoo/rival: the source says 100" in command("first-zoo/rival", "--out", runs)
    assert reproduction.read_row(runs, "first-zoo/rival")["reproduced"]["last"] is None  # the other was not run
    printed = command("first-zoo/vae-mnist", "--out", runs)
    assert str(runs / "first-zoo" / "vae-mnist" / "row.json") in printed
    command("first-zoo/rival", "--out", runs)
    rival, other = (reproduction.read_row(runs, f"first-zoo/{name}") for name in ("rival", "vae-mnist"))
    assert rival["other"] == other["last"]["value"]
    assert (rival["claim"], rival["command"]) == ("first-zoo/rival", "genzoo reproduce first-zoo/rival")
    assert not (runs / "vae-mnist").exists()
    with pytest.raises(ValueError, match=r"Unknown claim. Received: 'rival'.*'first-zoo/rival'.*third-zoo cannot be"):
        command("rival", "--out", runs)


def test_the_table_shows_only_those_that_were_run(site, tmp_path):
    table = tmp_path / "rows.json"
    table.write_text("[]")
    assert "first-zoo" not in command("--table", table)
    command("first-zoo/vae-mnist", "--out", tmp_path / "runs", "--record", table)
    printed = command("--table", table)
    assert "| `first-zoo/vae-mnist`: a model of [red]first_zoo[/red] |" in printed
    assert "second-zoo" not in printed
