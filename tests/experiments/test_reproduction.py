"""Claims are complete and can be run; an interrupted one goes on; rows and tables say what came out."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import pytest
from places import ROOT
from processes import environment
from typer.testing import CliRunner

import genzoo
from genzoo import registry
from genzoo.cli.app import app
from genzoo.evaluation import provenance, scores
from genzoo.experiments import claims, reproduction, runs
from genzoo.experiments import rows as rows_
from genzoo.experiments.optimizers import compile_with
from genzoo.experiments.reproduction import directory_of, read_row
from genzoo.metrics import features

SHIPPED = claims.own_claims()
TINY = """
[[claims]]
id = "tiny"
title = "a small VAE on digits"
source = "a test"
model = "vae"
options = { hidden_dim = 16, latent_dim = 2 }
data = { name = "digits", train = "train", test = "test" }
epochs = 100_000
learning_rate = 0.01
score = "elbo"
also = ["active-units"]
samples = 10
score_every = 1
paper = 100
unit = "nats"
criterion = "at most"
minutes = { cpu = 1, gpu = 0.5 }
estimated = ["gpu"]

[[claims]]
id = "other"
title = "its samples are sharper"
source = "a test"
model = "vae"
options = { hidden_dim = 16, latent_dim = 2 }
data = { name = "digits", train = "train", test = "test", binarise = 0 }
epochs = 1
score = "elbo"
paper = "more"
criterion = "at least"
than = "tiny"
minutes = { cpu = 1, gpu = 1 }
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A directory with the two claims above in ``claims.toml``."""
    root = tmp_path_factory.mktemp("reproduce")
    (root / "claims.toml").write_text(TINY)
    return root


def reproduce(root, *arguments, out="runs"):
    """Runs the command in this process; returns what it printed."""
    arguments = [*arguments, "--file", root / "claims.toml", "--out", root / out]
    result = CliRunner().invoke(app, ["reproduce", *map(str, arguments)], env={"COLUMNS": "200"})
    if result.exit_code:
        raise result.exception
    return result.output


def state(directory):
    return json.loads((directory / "reproduction.json").read_text())


# The claims that are shipped.


@pytest.mark.parametrize("claim", SHIPPED.values(), ids=SHIPPED)
def test_a_shipped_claim_can_be_run(claim, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # for the model that is in examples/
    model = registry.get(claim.model, **claim.options)
    assert set(claim.arguments) <= set(claim.scored_by)
    for name in claim.scored_by:
        score = scores.find(name, claim.arguments.get(name, ()))
        assert score.tags <= model.tags
        assert not score.needs & {"features", "classifier"} or claim.features in features.SHIPPED
        assert score.needs <= {"features", "classifier", "train", "labels", "train_labels"}
    assert scores.find(claim.select or claim.score).better
    assert claim.data["train"] != claim.data["test"]
    assert claim.data["train"] != claim.data.get("validation") != claim.data["test"]
    compile_with(model, claim.optimizers or {}, claim.learning_rate, 100)
    assert set(claim.minutes) == {"cpu", "gpu"}
    assert set(claim.estimated) <= {"cpu", "gpu"}
    assert claim.criterion is None or claim.condition()
    assert claim.epochs >= (claim.score_every or 1) >= 1


def test_list_shows_every_claim(tmp_path):
    printed = CliRunner().invoke(app, ["reproduce", "--list", "--out", str(tmp_path)]).output
    lines = " ".join(printed.split())
    for claim in SHIPPED.values():
        assert f"{claim.id}: not yet run {claim.title}. " in lines
        assert rows_.budget(claim) in lines
        assert isinstance(claim.paper, str) or f"Source: {claim.paper:g} {claim.unit}." in lines


def test_the_page_holds_the_rows_that_were_run_and_no_other_number():
    rows = rows_.read_rows(ROOT / "docs" / "reproductions.json")
    table = rows_.markdown_table(SHIPPED, rows)
    assert table in (ROOT / "docs" / "reproductions.md").read_text()
    assert {row["claim"] for row in rows} <= set(SHIPPED)
    for row in rows:
        assert row["score"] == SHIPPED[row["claim"]].score
        assert row["shortened"] == (row["epochs"] < SHIPPED[row["claim"]].epochs)


# Claims as data.


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "other"', 'id = "tiny"', "Two claims of .* have the id 'tiny'"),
        ('id = "other"', 'id = "Other_One"', "lowercase kebab.*Received: 'Other_One'"),
        ("score_every", "score_evry", "Unknown field of claim 'tiny'.*Did you mean 'score_every'"),
        ('than = "tiny"', 'than = "tony"', "Unknown claim to compare 'other' with.*Did you mean 'tiny'"),
        ('criterion = "at most"', 'criterion = "at moist"', "Unknown criterion of claim 'tiny'.*'at most'"),
        ("paper = 100", 'paper = "few"', "Claim 'tiny' has a criterion but no number"),
        ("epochs = 1\n", "", "Claim 'other' of .* lacks epochs"),
        ("epochs = 1\n", "epochs = \n", "is not TOML"),
    ],
)  # fmt: skip
def test_a_claim_that_makes_no_sense_is_refused(tmp_path, old, new, message):
    assert old in TINY
    (tmp_path / "claims.toml").write_text(TINY.replace(old, new))
    with pytest.raises(ValueError, match=message):
        claims.read_claims(tmp_path / "claims.toml")


@pytest.mark.parametrize(
    ("criterion", "tolerance", "same", "different"),
    [
        ("at most", 0.5, [-3, 10, 10.5], [10.6]),
        ("at least", 0.5, [30, 10, 9.5], [9.4]),
        ("near", 0.5, [9.5, 10.5], [9.4, 10.6]),
        (None, 0, [], []),
    ],
)
def test_criteria(root, criterion, tolerance, same, different):
    def claim(**changes):
        changes = {"criterion": criterion, "tolerance": tolerance, **changes}
        return dataclasses.replace(claims.read_claims(root / "claims.toml")["tiny"], **changes)

    for changes, other in [({"paper": 10.0}, None), ({"paper": "words", "target": 10}, None), ({"than": "it"}, 10)]:
        assert all(claim(**changes).reproduced(value, other) is True for value in same)
        assert all(claim(**changes).reproduced(value, other) is False for value in different)
    assert claim(paper=10.0).reproduced(None) is None  # a score without a number proves nothing
    assert claim(than="it").reproduced(10, None) is None  # the other one was not yet run


def test_it_is_scored_on_the_way_and_at_the_end(root):
    claim = claims.read_claims(root / "claims.toml")["tiny"]
    assert dataclasses.replace(claim, score_every=3).checkpoints(7) == [3, 6, 7]
    assert dataclasses.replace(claim, score_every=3).checkpoints(6) == [3, 6]
    assert dataclasses.replace(claim, score_every=None).checkpoints(6) == [6]


# Running one.


@pytest.fixture(scope="module")
def ended(root):
    """The installed command, after the first scores of 100,000: in ``stopped`` by Ctrl-C, in ``runs`` by a kill."""
    signals = {"stopped": signal.SIGINT, "runs": signal.SIGKILL}
    command = [Path(sys.executable).with_name("genzoo"), "reproduce", "tiny", "--file", "claims.toml", "--out"]
    options = {"cwd": root, "env": environment(KERAS_BACKEND=keras.config.backend()), "text": True}
    options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = {out: subprocess.Popen([*command, out], **options) for out in signals}
    try:
        for out, process in processes.items():
            deadline = time.monotonic() + 300
            while not (root / out / "tiny" / "best.keras").exists():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline, f"no epoch of {out} was scored"
                time.sleep(0.02)
            process.send_signal(signals[out])
        return {out: (*process.communicate(timeout=300), process.returncode) for out, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


def epochs_done(directory):
    return json.loads((directory / "run.json").read_text())["epochs_done"]


@pytest.mark.once
def test_ctrl_c_stops_it_and_says_how_to_go_on(root, ended):
    printed, said, code = ended["stopped"]
    assert code == 130
    assert "Traceback" not in said
    on = keras.backend.backend()
    told = f"Stopped. Go on: genzoo reproduce tiny --out stopped --file claims.toml --backend {on}"
    assert printed.splitlines()[-1] == told
    done = epochs_done(root / "stopped" / "tiny")
    assert done >= 1
    assert f"epoch {done} of 100000" in reproduce(root, "--list", "tiny", out="stopped")
    assert not (root / "stopped" / "tiny" / "row.json").exists()


@pytest.mark.once
def test_killed_it_goes_on_as_if_it_had_lived(root, ended):
    directory = root / "runs" / "tiny"
    epochs, unfinished = epochs_done(directory) + 2, "running" in state(directory)
    printed = reproduce(root, "tiny", "--epochs", epochs)
    assert f"tiny, epoch {epochs} of {epochs}: elbo" in printed
    assert f"Row: {directory / 'row.json'}" in printed
    assert [entry["epoch"] for entry in state(directory)["scores"]] == list(range(1, epochs + 1))
    reproduce(root, "tiny", "--epochs", epochs, out="whole")
    row, whole = read_row(root / "runs", "tiny"), read_row(root / "whole", "tiny")
    for part in ("best", "last", "also", "scores", "reproduced", "epochs"):
        assert row[part] == whole[part], part
    assert row["minutes_at_least"] == unfinished  # then nobody knows when it was killed
    assert not whole["minutes_at_least"]


@pytest.fixture(scope="module")
def row(root):
    """The row of two epochs with a seed of its own, which is another run."""
    printed = reproduce(root, "tiny", "--epochs", 2, "--seed", 3, "--record", root / "rows.json")
    return read_row(root / "runs", "tiny", 3), printed


def test_a_row_says_all_that_its_numbers_depend_on(root, row):
    row, printed = row
    directory = directory_of(root / "runs", "tiny", 3)
    model, digits = genzoo.load(directory), genzoo.data.load("digits", "test")
    assert row["last"] == {"epoch": 2, "value": float(-model.log_likelihood(digits.images, 1, seed=3).mean())}
    best = min(state(directory)["scores"], key=lambda entry: entry["scores"]["elbo"]["value"])
    assert row["best"] == {"epoch": best["epoch"], "value": best["scores"]["elbo"]["value"]}
    assert float(
        -genzoo.load(directory / "best.keras").log_likelihood(digits.images, 1, seed=3).mean()
    ) == pytest.approx(row["best"]["value"])
    assert row["reproduced"] == {which: row[which]["value"] <= 100 for which in ("best", "last")}
    assert (row["claim"], row["paper"], row["seeds"], row["backend"]) == ("tiny", 100, [3], keras.config.backend())
    assert (row["epochs"], row["epochs_of_claim"], row["shortened"]) == (2, 100_000, True)
    assert row["versions"] == provenance.versions()
    assert row["commit"] == str(provenance.commit())
    assert row["hardware"].endswith(("core", "cores")) or keras.distribution.list_devices("gpu")
    assert row["minutes"] == pytest.approx(sum(row["minutes_of"].values()), abs=0.11)
    assert row["sha256"]["last"] == provenance.sha256(directory / "model.keras")
    assert set(row["also"]) == {"elbo (standard error)", "active-units", "active-units (of)"}
    assert f"ours is {rows_.rounded(row['last']['value'])} in epoch 2 (shortened: 2 of 100000 epochs)" in printed
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


def test_a_row_that_was_recorded_is_in_the_table(root, row):
    row, _ = row
    table = reproduce(root, "--table", root / "rows.json")
    results, *_, runs = (part.splitlines() for part in table.split("\n\n"))
    for part in (results, runs):
        assert len({line.count(" | ") for line in part}) == 1
    for text in (f"{row['last']['value']:.4g} (epoch 2), shortened: 2 of 100000 epochs", "at most 100"):
        assert text in results[2].replace(f"{row['last']['value']:.2f}", f"{row['last']['value']:.4g}")
    assert "seed 3" in runs[2]
    assert f"| {row['minutes']:g} | {row['backend']}, " in runs[2]
    assert "| not yet run |" in results[3]
    assert "| budget " in runs[3]
    again = rows_.with_row([row, {**row, "seeds": [4]}], {**row, "minutes": 7.0})
    assert [(r["seeds"], r["minutes"]) for r in again] == [([4], row["minutes"]), ([3], 7.0)]


def test_rows_of_other_settings_are_not_mixed(root, row):
    row, _ = row
    claim = claims.read_claims(root / "claims.toml")["tiny"]
    assert row["settings"] == claim.settings
    assert dataclasses.replace(claim, note="other words", epochs=1, target=3.0).settings == claim.settings
    changed = dataclasses.replace(claim, optimizers={"autoencoder": {"clipnorm": 1.0}})
    assert changed.settings != claim.settings
    assert "with other settings than the claim has now" in rows_.markdown_table({"tiny": changed}, [row])
    with pytest.raises(ValueError, match="a row of the claim 'tiny' from when it had other settings"):
        rows_.with_row([row], {**row, "settings": changed.settings})
    before = {key: value for key, value in row.items() if key != "settings"}  # as an earlier genzoo wrote it
    assert rows_.with_row([before], row) == [row]
    assert "other settings" not in rows_.markdown_table({"tiny": claim}, [before])


def test_run_again_nothing_is_done_twice(root, row):
    before = {path: path.read_bytes() for path in directory_of(root / "runs", "tiny", 3).rglob("*.*")}
    reproduce(root, "tiny", "--epochs", 2, "--seed", 3)
    assert before == {path: path.read_bytes() for path in directory_of(root / "runs", "tiny", 3).rglob("*.*")}
    with pytest.raises(ValueError, match=r"has 2 epochs already. Received: epochs=1"):
        reproduce(root, "tiny", "--epochs", 1, "--seed", 3)


def test_a_signal_after_the_last_batch_of_an_epoch_is_not_lost(tmp_path, monkeypatch):
    (tmp_path / "claims.toml").write_text(TINY)
    claim = dataclasses.replace(claims.read_claims(tmp_path / "claims.toml")["tiny"], epochs=3)
    keep = runs.Run.keep

    def keep_and_interrupt(self, *arguments):
        keep(self, *arguments)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(runs.Run, "keep", keep_and_interrupt)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert reproduction.reproduce(claim, tmp_path) is signal.SIGINT
    finally:
        signal.signal(signal.SIGINT, handler)
    assert epochs_done(tmp_path / "tiny") == 1
    monkeypatch.undo()
    assert reproduction.reproduce(claim, tmp_path)["epochs"] == 3
    assert [entry["epoch"] for entry in state(tmp_path / "tiny")["scores"]] == [1, 2, 3]


def test_a_row_is_not_given_to_another_score(root, row):
    """A file of claims may be edited between two runs."""
    edited = root / "edited.toml"
    edited.write_text((root / "claims.toml").read_text().replace('score = "elbo"', 'score = "nll"'))
    with pytest.raises(ValueError, match=r"differs from claim 'tiny' in its scored. Choose another --out"):
        reproduction.reproduce(claims.read_claims(edited)["tiny"], root / "runs", epochs=2, seed=3)
    edited.write_text((root / "claims.toml").read_text().replace('score = "elbo"', 'score = "elbow"'))
    with pytest.raises(ValueError, match=r"Unknown metric. Received: 'elbow'"):
        reproduction.reproduce(claims.read_claims(edited)["tiny"], root / "runs", seed=9)
    assert not directory_of(root / "runs", "tiny", 9).exists()
    with pytest.raises(ValueError, match=r"shortens a claim, and 'tiny' is of 100000. Received: epochs=100001"):
        reproduce(root, "tiny", "--epochs", 100001)


def test_a_table_needs_a_file_of_rows(root, row):
    with pytest.raises(FileNotFoundError, match=r"no-such.json.*--record"):
        reproduce(root, "--table", "no-such.json")
    with pytest.raises(ValueError, match="no file of rows: expected a list"):
        reproduce(root, "--table", directory_of(root / "runs", "tiny", 3) / "row.json")


def test_a_comparison_waits_for_the_other_claim(root, row):
    reproduce(root, "other", "--seed", 5)
    first = read_row(root / "runs", "other", 5)
    assert first["reproduced"] == {"best": None, "last": None}
    reproduce(root, "tiny", "--epochs", 1, "--seed", 5)
    printed = reproduce(root, "other", "--seed", 5)
    second = read_row(root / "runs", "other", 5)
    tiny = read_row(root / "runs", "tiny", 5)["last"]["value"]
    assert second == {**first, "other": tiny, "reproduced": second["reproduced"]}
    assert second["reproduced"]["last"] == (first["last"]["value"] >= tiny)
    assert "Same if at least that of `tiny`" in printed
    images = genzoo.data.load("digits", "test", binarise=0).images
    assert images.dtype == bool
    model = genzoo.load(directory_of(root / "runs", "other", 5))
    assert second["last"]["value"] == pytest.approx(-model.log_likelihood(images, 1, seed=5).mean())


OTHER = "jax" if keras.config.backend() != "jax" else "torch"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backend": OTHER}, rf"was begun on {OTHER}. Received: backend .* Go on with --backend {OTHER}"),
        ({"backend": "theano"}, r"run.json is damaged \(Unknown `backend`. Received: 'theano'"),
        (
            {"learning_rate": 0.5, "seed": 9},
            r"differs from claim 'tiny' in its learning_rate, seed. Choose another --out",
        ),
    ],
)
def test_the_run_of_something_else_is_left_alone(root, row, change, message):
    path = directory_of(root / "runs", "tiny", 3) / "run.json"
    config = path.read_text()
    path.write_text(json.dumps({**json.loads(config), **change}))
    with pytest.raises(ValueError, match=message):
        reproduce(root, "tiny", "--epochs", 3, "--seed", 3)
    path.write_text(config)


def test_an_unknown_claim_is_refused(root):
    with pytest.raises(ValueError, match=r"Unknown claim. Received: 'tinny'. Did you mean 'tiny'"):
        reproduce(root, "tinny")
