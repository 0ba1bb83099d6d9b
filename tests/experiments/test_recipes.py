"""``genzoo train`` begins with a paper's recipe, of a claim or of a file; what the user asks for otherwise is said."""

import json
import re

import pytest
from typer.testing import CliRunner

import genzoo
from genzoo.cli.app import app
from genzoo.experiments import claims
from genzoo.experiments.recipes import read_recipe
from genzoo.experiments.runs import Run

RECIPE = """
model = "ssgan"
options = { hidden_dim = 8, latent_dim = 2 }
epochs = 3
batch_size = 800
[data]
name = "digits"
train = "train"
test = "test"
labels = 20
labelled_fraction = 0.25
[optimizers.generator]
class = "Adam"
learning_rate = { schedule = "exponential", start = 0.01, factor = 0.1, epochs = [1, 3] }
clipvalue = 1.0
"""
CLAIM = f"""
id = "tiny"
title = "a small SSGAN"
source = "a test"
score = "errors"
paper = 100
minutes = {{ cpu = 1 }}
{RECIPE}
"""


def command(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if result.exit_code:
        raise result.exception
    return " ".join(result.output.split())


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def test_a_run_takes_its_recipe_from_a_file_and_resumes_it(tmp_path, recipe):
    printed = command("train", "--config", recipe, "--out", tmp_path / "run")
    assert f"As {recipe} says." in printed
    run = Run.open(tmp_path / "run")
    asked, whole = run.asked, read_recipe(recipe)
    assert asked.model == "ssgan"
    assert asked.options == {"seed": 0, **whole.options}
    assert asked.optimizers == whole.optimizers
    assert (asked.epochs, asked.data.batch_size, asked.data.labels, asked.data.labelled_fraction) == (3, 800, 20, 0.25)
    batches = run.data(run.model())[0]
    assert int((batches[0][1] >= 0).sum()) == 200
    generator = genzoo.load(run.directory).optimizer["generator"]
    assert generator.clipvalue == 1.0
    assert float(generator.learning_rate) == pytest.approx(0.001)  # after as many steps as the data has in 3 epochs
    command("train", "--config", recipe, "--out", tmp_path / "halved", "--epochs", 1)
    command("resume", tmp_path / "halved", "--epochs", 3)
    assert (tmp_path / "halved" / "history.csv").read_text() == (run.directory / "history.csv").read_text()


def test_what_is_asked_for_otherwise_wins_and_is_said(tmp_path, recipe):
    printed = command(
        "train", "--config", recipe, "--out", tmp_path / "run", "--epochs", 1, "--set", "hidden_dim=4",
        "--set", "latent_dim=2", "--labels", 30, "--learning-rate", 0.02, "--seed", 4,
    )  # fmt: skip
    said = "says, but labels 30 instead of 20, epochs 1 instead of 3, learning rate 0.02 instead of the usual, hidden"
    assert said in printed
    asked = Run.open(tmp_path / "run").asked
    assert (asked.epochs, asked.data.labels, asked.seed, asked.options["hidden_dim"]) == (1, 30, 4, 4)
    assert float(genzoo.load(tmp_path / "run").optimizer["generator"].learning_rate) == pytest.approx(0.02)


def test_a_run_takes_its_recipe_from_a_claim(tmp_path, monkeypatch):
    (tmp_path / "claims.toml").write_text("[[claims]]" + re.sub(r"^\[", "[claims.", CLAIM, flags=re.MULTILINE))
    known = claims.read_claims(tmp_path / "claims.toml")
    monkeypatch.setattr(claims, "all_claims", lambda: (known, []))
    printed = command("train", "--claim", "tiny", "--out", tmp_path / "run", "--epochs", 1)
    assert "As the claim tiny says, but epochs 1 instead of 3." in printed
    config = json.loads((tmp_path / "run" / "run.json").read_text())
    assert config["claim"] == "tiny"
    assert config["optimizers"] == known["tiny"].optimizers
    assert config["data"]["labels"] == 20
    with pytest.raises(ValueError, match=r"Unknown claim. Received: 'tinny'. Did you mean 'tiny'"):
        command("train", "--claim", "tinny")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("labels = 20", "lables = 20", r"is wrong. Unknown field of data.*Did you mean 'labels'"),
        ("labels = 20", "labels = -20", r"is wrong. `labels` must be an integer"),
        ('train = "train"', "", r"is wrong. `data` lacks train"),
        ("epochs = 3\n", "", "The recipe in .* lacks epochs"),
        ("epochs = 3\n", "epoch = 3\n", "Unknown field of the recipe in .*Did you mean 'epochs'"),
        ("epochs = 3\n", "epochs = '3'\n", "`epochs` must be an integer"),
        ("[data]", "[data", "is not TOML"),
        ("labels = 20", "", "`labelled_fraction` goes with labels. Received: labelled_fraction=0.25 without it"),
        ('test = "test"', "test = 3", r"is wrong. `data.test` must be text"),
        ("clipvalue", "clipvalues", "Unknown option of generator's optimizer Adam"),
        ("[optimizers.generator]", "[optimizers.critic]", "Unknown player with an optimizer. Received: 'critic'"),
    ],
)
def test_a_recipe_that_makes_no_sense_leaves_no_run(tmp_path, old, new, message):
    assert old in RECIPE
    (tmp_path / "recipe.toml").write_text(RECIPE.replace(old, new))
    with pytest.raises(ValueError, match=message):
        command("train", "--config", tmp_path / "recipe.toml", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_recipe_names_its_model(recipe):
    for arguments in (["vae", "--config", recipe], ["--claim", "vae-mnist", "--config", recipe]):
        with pytest.raises(ValueError, match="Expected one of NAME, --claim and --config"):
            command("train", *arguments)
