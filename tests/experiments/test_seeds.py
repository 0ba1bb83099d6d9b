"""Claims over several seeds, of checkpoints chosen on images of their own, and in smaller variants."""

import json
import statistics

import numpy as np
import pytest
from typer.testing import CliRunner

import genzoo
from genzoo.cli.app import app
from genzoo.experiments import claims, reproduction, seeds
from genzoo.experiments import rows as rows_

CLAIMS = """
[[claims]]
id = "few-labels"
title = "a small ADGM on digits"
source = "a test"
model = "adgm"
options = { hidden_dim = 16, latent_dim = 2, auxiliary_dim = 2 }
data = { name = "digits", train = "train", test = "test", labels = 100 }
epochs = 2
batch_size = 400
score = "errors"
score_every = 1
seeds = 3
paper = 96
unit = "of 359"
criterion = "at most"
minutes = { cpu = 1 }

[[claims]]
id = "chosen"
title = "a small VAE on digits"
source = "a test"
model = "vae"
options = { hidden_dim = 16, latent_dim = 2 }
data = { name = "digits", train = "train", test = "test", validation = "test" }
epochs = 3
learning_rate = 0.01
score = "knn"
also = ["elbo"]
arguments = { knn = { layer = "mean", k = 3 } }
select = "elbo"
select_on = "validation"
score_every = 1
paper = 0.1
criterion = "at least"
minutes = { cpu = 1 }

[[claims]]
id = "few-labels-narrow"
reduces = "few-labels"
title = "a smaller ADGM"
epochs = 1
options = { hidden_dim = 8 }
target = 300
minutes = { cpu = 1 }
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("seeds")
    (root / "claims.toml").write_text(CLAIMS)
    return root


def command(root, *arguments):
    arguments = ["reproduce", *arguments, "--file", root / "claims.toml", "--out", root / "runs"]
    result = CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})
    if result.exit_code:
        raise result.exception
    return result.output


@pytest.fixture(scope="module")
def printed(root):
    return command(root, "few-labels", "--record", root / "rows.json")


def test_the_row_has_the_mean_and_the_deviation_of_its_seeds(root, printed):
    own = [reproduction.read_row(root / "runs", "few-labels", seed) for seed in range(3)]
    row = reproduction.read_row(root / "runs", "few-labels", file=seeds.FILE)
    values = [row["last"]["value"] for row in own]
    assert [row["seeds"] for row in own] == [[0], [1], [2]]
    assert row["seeds"] == [0, 1, 2]
    assert row["last"]["values"] == values
    assert row["last"]["value"] == pytest.approx(np.mean(values))
    assert row["last"]["sd"] == pytest.approx(np.std(values, ddof=1))
    assert row["best"]["value"] == pytest.approx(statistics.fmean(row["best"]["value"] for row in own))
    assert row["minutes"] == pytest.approx(sum(row["minutes"] for row in own), abs=0.11)
    assert row["also"]["errors (of)"] == 359
    assert row["reproduced"]["last"] == (np.mean(values) <= 96)
    assert json.loads((root / "rows.json").read_text()) == [row]
    told = f"{rows_.rounded(row['last']['value'])} ± {rows_.rounded(row['last']['sd'])} (n = 3)"
    assert f"ours is {told} in epoch 2" in printed
    table = command(root, "--table", root / "rows.json")
    assert f"| {told} (epoch 2) |" in table
    assert ", seeds 0, 1, 2, " in table
    assert f"few-labels: {told}" in command(root, "--list")


def test_errors_are_what_numpy_counts(root, printed):
    row = reproduction.read_row(root / "runs", "few-labels", 1)
    model = genzoo.load(reproduction.directory_of(root / "runs", "few-labels", 1))
    test = genzoo.data.load("digits", "test")
    assert row["last"]["value"] == int((model.classify(test.images).argmax(1) != test.labels).sum())
    assert genzoo.evaluate(model, test, metrics="errors")["errors"]["of"] == 359


def test_run_again_nothing_is_done_twice_and_one_seed_can_be_asked_for(root, printed):
    before = {path: path.read_bytes() for path in (root / "runs").rglob("model.keras")}
    assert command(root, "few-labels").splitlines()[-2:] == printed.splitlines()[-2:]
    one = command(root, "few-labels", "--seed", 1)
    assert "±" not in one
    two = command(root, "few-labels", "--seeds", 2)
    assert "(n = 2)" in two
    assert before == {path: path.read_bytes() for path in (root / "runs").rglob("model.keras")}
    with pytest.raises(ValueError, match="--seed is one seed, --seeds are several"):
        command(root, "few-labels", "--seed", 1, "--seeds", 2)


def test_a_comparison_over_seeds_is_with_the_mean_of_the_other():
    row = {"best": {"value": 2.0}, "last": {"value": 2.0, "sd": 1.0}}
    claim = claims.Claim(
        id="more", title="more", source="a test", model="vae", epochs=1, score="elbo", paper="more", minutes={},
        data={"name": "digits", "train": "train", "test": "test"}, criterion="at least", than="less",
    )  # fmt: skip
    others = [{"last": {"value": 1.0}}, {"last": {"value": 2.0}}]
    assert reproduction.judged(row, claim, others)["other"] == 1.5
    assert reproduction.judged(row, claim, others)["reproduced"]["last"] is True
    assert reproduction.judged(row, claim, [None, others[0]])["reproduced"]["last"] is None


def test_a_checkpoint_chosen_on_other_images_counts(root, monkeypatch):
    found = {"elbo": [3.0, 1.0, 2.0], "knn": [0.9, 0.05, 0.8]}  # what the three epochs score, validation the same
    evaluate = reproduction.evaluation.evaluate

    def scripted(model, real, **options):
        scores = evaluate(model, real, **options)
        epoch = model.steps_made // 12 - 1
        return {name: {**score, "value": found[name][epoch]} for name, score in scores.items()}

    monkeypatch.setattr(reproduction.evaluation, "evaluate", scripted)
    printed = command(root, "chosen")
    row = reproduction.read_row(root / "runs", "chosen")
    assert row["best"] == {"epoch": 2, "value": 0.05, "chosen_by": {"elbo": 1.0}}
    assert row["last"] == {"epoch": 3, "value": 0.8}
    assert (row["counts"], row["chosen_on"]) == ("best", "validation")
    assert rows_.verdict(row) is False  # though the last one would do
    assert row["reproduced"]["last"] is True
    assert "best 0.05 in epoch 2, chosen on validation images, which counts" in printed
    assert "Same if at least 0.1: not the same" in printed
    assert row["scores"]["knn"]["protocol"]["layer"] == "mean"


def test_a_smaller_variant_says_what_it_changes_and_follows_the_full_claim(root):
    known = claims.read_claims(root / "claims.toml")
    assert list(known) == ["few-labels", "few-labels-narrow", "chosen"]
    full, narrow = known["few-labels"], known["few-labels-narrow"]
    said = "A smaller variant of `few-labels`: epochs 1 instead of 2, hidden_dim 8 instead of 16."
    assert narrow.reduced == said
    assert narrow.options == {**full.options, "hidden_dim": 8}
    assert (narrow.score, narrow.paper, narrow.data, narrow.seeds) == (full.score, full.paper, full.data, full.seeds)
    assert (narrow.condition(), full.condition()) == ("at most 300", "at most 96")
    assert said in " ".join(command(root, "--list").split())
    assert f"- `few-labels-narrow`: {said}" in rows_.markdown_table(known, [])
    command(root, "few-labels-narrow", "--seed", 0)
    assert reproduction.read_row(root / "runs", "few-labels-narrow")["reduced"] == said


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('reduces = "few-labels"', 'reduces = "few-lables"', "claim that 'few-labels-narrow' reduces.*'few-labels'"),
        ('select_on = "validation"', 'select_on = "test"', "Unknown `select_on`"),
        (', validation = "test"', "", "is judged by validation images: its data lacks validation"),
        ("seeds = 3", "seeds = 0", "`seeds` must be an integer of at least 1"),
        ("minutes = { cpu = 1 }", "minutes = { tpu = 1 }", "machine in minutes"),
        ("labels = 100", "lables = 100", "Unknown field of data.*Did you mean 'labels'"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, old, new, message):
    assert old in CLAIMS
    (tmp_path / "claims.toml").write_text(CLAIMS.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        claims.read_claims(tmp_path / "claims.toml")
