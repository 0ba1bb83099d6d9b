"""Every score says what it depends on, and is the number that the metric alone would give."""

import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import genzoo
from genzoo import evaluation, metrics
from genzoo.cli.app import app
from genzoo.evaluation import provenance, scores

DIGITS = genzoo.data.load("digits", "test")
SMALL = {"hidden_dim": 32, "latent_dim": 3}


def command(*arguments):
    """Runs the command in this process; returns what it printed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    if result.exit_code:
        raise result.exception
    return result.output


def strict(path):
    """Strict JSON: NaN and infinity are none."""
    return json.loads(Path(path).read_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the command, of two epochs."""
    directory = tmp_path_factory.mktemp("evaluation") / "run"
    options = [f"--set={name}={value}" for name, value in SMALL.items()]
    command("train", "vae", "--epochs", 2, "--seed", 3, "--out", directory, *options)
    return directory


@pytest.fixture(scope="module")
def model(run):
    return genzoo.load(run, compile=False)


def built(name, **options):
    """An untrained model for digits."""
    model = genzoo.get(name, seed=0, **options)
    model.build((None, 8, 8, 1))
    return model


NAMES = "sharpness,elbo,nll,parzen,active-units,memorisation,knn,linear-probe"


@pytest.fixture(scope="module")
def evaluated(run):
    """What the command printed and wrote about the run."""
    printed = command(
        "evaluate", run, "--metrics", NAMES, "--samples", 300, "--seed", 4, "--set", "nll.num_samples=20",
        "--set", "memorisation.images=50", "--set", "parzen.sigmas=[0.2, 0.4, 0.8]",
    )  # fmt: skip
    return printed, strict(run / "metrics.json")


def test_the_command_writes_what_the_metrics_give(evaluated, model):
    found = {name: score["value"] for name, score in evaluated[1]["scores"].items()}
    train, x = genzoo.data.load("digits"), DIGITS.images
    samples, codes = model.sample(300, seed=4), model.encode(x)
    pixels = x.astype("float32") / 255
    sigma = metrics.parzen_sigma(samples, pixels[:179], [0.2, 0.4, 0.8])
    nearest = np.linalg.norm((samples[:50, None] - train.images / 255).reshape(50, 1438, -1), axis=2).min(axis=1)
    labelled = (model.encode(train.images), train.labels, codes, DIGITS.labels)
    assert list(found) == NAMES.split(",")
    assert found == pytest.approx(
        {
            "sharpness": metrics.sharpness(samples).mean(),
            "elbo": -model.log_likelihood(x, 1, seed=4).mean(),
            "nll": -model.log_likelihood(x, 20, seed=4).mean(),
            "parzen": metrics.parzen_log_likelihood(samples, pixels[179:], sigma).mean(),
            "active-units": metrics.active_units(codes),
            "memorisation": nearest.mean(),
            "knn": metrics.knn_accuracy(*labelled, k=1),
            "linear-probe": metrics.linear_probe(*labelled),
        },
        rel=1e-4,
    )
    assert evaluated[1]["scores"]["sharpness"]["data"] == pytest.approx(metrics.sharpness(x).mean())
    assert evaluated[1]["scores"]["parzen"]["sigma"] == sigma


def test_every_score_has_its_protocol(evaluated, run):
    document = evaluated[1]
    assert document["model"] == {
        "file": "model.keras",
        "sha256": provenance.sha256(run / "model.keras"),
        "class": "VAE",
    }
    assert document["data"] == {"name": "digits", "split": "test"}
    assert document["commit"] == provenance.commit()
    for score in document["scores"].values():
        assert score["protocol"]["split"] == "test"
        assert score["protocol"]["backend"] == keras.config.backend()
        assert score["protocol"]["versions"] == provenance.versions()
        assert {"genzoo", "keras", "numpy", "scipy", "scikit-learn"} < set(score["protocol"]["versions"])
    own = {name: score["protocol"] for name, score in document["scores"].items()}
    counts = {"n_real": 359, "n_fake": 300, "seed": 4}
    assert counts.items() <= own["sharpness"].items()
    assert {"n_real": 359, "num_samples": 20, "seed": 4}.items() <= own["nll"].items()
    assert {**counts, "n_real": 180, "n_validation": 179}.items() <= own["parzen"].items()  # never the same images
    assert {"n_real": 50, "n_fake": 50, "n_train": 1438}.items() <= own["memorisation"].items()
    assert {"n_real": 359, "n_train": 1438, "k": 1}.items() <= own["knn"].items()


def test_the_table_shows_every_score_with_its_counts(evaluated, run):
    printed, document = evaluated
    for name, score in document["scores"].items():
        (line,) = [line for line in printed.splitlines() if line.split()[:1] == [name]]
        assert f"{score['value']:.4g}"[:5] in line
        assert f"n_real {score['protocol']['n_real']}" in line or score["protocol"]["n_real"] != 180
    assert "Where a score has them: " in printed
    assert f"Every score with its protocol: {run / 'metrics.json'}" in printed


def test_in_the_shipped_features(run, model, tmp_path):
    names = ["fid", "kid", "inception-score", "precision-recall", "density-coverage", "labels"]
    options = ("--metrics", ",".join(names), "--features", "mnist", "--samples", 200, "-o", tmp_path / "scores.json")
    printed = command("evaluate", run, *options)
    found = strict(tmp_path / "scores.json")["scores"]
    network = metrics.feature_network("mnist")
    real, fake = network(DIGITS.images), network(model.sample(200, seed=0))
    assert found["fid"]["value"] == pytest.approx(metrics.frechet_distance(real, fake), rel=1e-4)
    assert found["kid"]["protocol"]["subset_size"] == 200
    assert found["precision-recall"]["recall"] == pytest.approx(metrics.precision_recall(real, fake).recall)
    assert found["labels"]["data"] <= math.log(10)
    assert sum(found["labels"]["histogram"]) == pytest.approx(1)
    for name in names:
        assert found[name]["protocol"]["features"] == network.protocol()
    assert found["fid"]["protocol"]["features"]["sha256"][:8] in printed


def classifier():
    """Untrained, of images of 8x8."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])


def test_the_usual_scores_are_those_that_can_be_computed(model):
    def usual(model, **options):
        return set(evaluation.evaluate(model, DIGITS, samples=20, arguments={"nll": {"num_samples": 2}}, **options))

    assert usual(model) == {"sharpness", "elbo", "nll", "active-units"}
    in_features = {"fid", "kid", "precision-recall", "density-coverage"}
    assert usual(model, features=classifier()) == {"sharpness", "elbo", "nll", "active-units", *in_features}
    assert set(evaluation.evaluate(built("gan", hidden_dim=8), DIGITS, samples=20)) == {"sharpness"}


def test_factors_are_scored(model):
    factors = {"label": DIGITS.labels, "half": np.arange(359) % 2}
    found = evaluation.evaluate(model, DIGITS, metrics=["mig", "sap"], factors=factors)
    codes = model.encode(DIGITS.images)
    assert found["mig"]["value"] == pytest.approx(metrics.mig(codes, factors))
    assert found["sap"]["value"] == pytest.approx(metrics.sap(codes, factors))
    assert found["mig"]["protocol"]["factors"] == ["label", "half"]


def test_a_conditional_model_is_judged_by_the_labels():
    model = built("cvae", num_classes=10, **SMALL)
    found = evaluation.evaluate(model, DIGITS, metrics=["elbo", "active-units"])
    expected = -model.log_likelihood(DIGITS.images, 1, labels=DIGITS.labels, seed=0).mean()
    assert found["elbo"]["value"] == pytest.approx(expected)
    with pytest.raises(ValueError, match="'elbo' cannot be computed: there are no labels of the real images"):
        evaluation.evaluate(model, DIGITS.images, metrics=["elbo"])
    agreement = evaluation.evaluate(model, DIGITS, metrics=["label-agreement"], samples=55, features="mnist")
    asked = np.arange(55) % 10
    read = metrics.feature_network("mnist").probabilities(model.sample(55, labels=asked, seed=0)).argmax(1)
    assert agreement["label-agreement"]["value"] == np.mean(read == asked)


def test_the_sampler_is_the_one_that_was_chosen(run, tmp_path):
    found = []
    for sampler in ([], ["--sampler", "gaussian-mixture"]):
        command("evaluate", run, "--metrics", "sharpness", "--samples", 50, "-o", tmp_path / "s.json", *sampler)
        found.append(strict(tmp_path / "s.json")["scores"]["sharpness"])
    assert found[0]["value"] != found[1]["value"]
    assert found[1]["protocol"]["sampler"] == "gaussian-mixture"
    assert "sampler" not in found[0]["protocol"]


def test_a_number_that_is_none_is_null_with_a_reason(model):
    found = evaluation.evaluate(model, np.zeros((20, 8, 8, 1), "uint8"), metrics="sharpness", samples=20)["sharpness"]
    assert (found["data"], found["ratio"], found["reason"]) == (0.0, None, "ratio is inf")
    json.dumps(found, allow_nan=False)


def test_a_bare_file_needs_the_name_of_its_data(run, tmp_path):
    copy = tmp_path / "mine.keras"
    copy.write_bytes((run / "model.keras").read_bytes())
    with pytest.raises(ValueError, match=r"does not say what it was trained on. Name the data: --data NAME"):
        command("evaluate", copy, "--metrics", "elbo")
    command("evaluate", copy, "--metrics", "elbo", "--data", "digits", "--split", "train")
    document = strict(tmp_path / "mine.metrics.json")
    assert document["data"] == {"name": "digits", "split": "train"}
    assert document["scores"]["elbo"]["protocol"]["n_real"] == 1438
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.keras", "mine.metrics.json"]


def test_a_folder_without_a_test_part_is_judged_by_what_there_is(run, tmp_path):
    np.savez(tmp_path / "few.npz", image=DIGITS.images[:12])
    command("evaluate", run, "--metrics", "sharpness", "--samples", 5, "--data", tmp_path / "few.npz")
    document = strict(run / "metrics.json")
    assert document["data"]["split"] == "train"
    assert document["scores"]["sharpness"]["protocol"]["n_real"] == 12  # fewer than were sampled, or asked for


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metrics", "fdi"], r"Unknown metric. Received: 'fdi'. Did you mean 'fid'"),
        (["--set", "nll.samples=3"], r"Unknown argument of the metric 'nll'.*'samples'. Did you mean 'num_samples'"),
        (["--set", "fid.splits=3"], r"Unknown argument of the metric 'fid'. Received: 'splits'. 'fid' takes none"),
        (["--set", "splits=3"], r"--set takes METRIC.KEY=VALUE"),
        (["--metrics", "fid"], r"The metric 'fid' cannot be computed: there are no features for this data"),
        (["--metrics", "mig"], r"'mig' cannot be computed: there are no known factors"),
        (["--metrics", "label-agreement", "--features", "mnist"], r"cannot be computed: the model has no conditional"),
        (["--data", "digits", "--image-size", "9"], r"makes images of shape \(8, 8, 1\). Received: .*\(9, 9, 1\)"),
        (["--split", "tset"], r"Unknown split of 'digits'. Received: 'tset'"),
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_said_before_anything_is_written(run, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        command("evaluate", run, "-o", tmp_path / "scores.json", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_the_tag_is_refused():
    with pytest.raises(ValueError, match=r"'nll' cannot be computed: the model has no likelihood. Leave it out"):
        evaluation.evaluate(built("gan", hidden_dim=8), DIGITS, metrics=["nll"])


def test_the_default_features_know_the_data():
    assert evaluation.default_features("mnist") == "mnist"
    assert evaluation.default_features("fashion_mnist:3.0.1") == "fashion_mnist"
    assert evaluation.default_features("digits") is None


def test_every_score_has_a_place_in_the_command():
    assert set(scores.SCORES) >= {
        "fid", "kid", "inception-score", "precision-recall", "density-coverage", "sharpness", "labels", "memorisation",
        "nll", "ais", "parzen", "active-units", "knn", "linear-probe", "mig", "sap", "dci",
    }  # fmt: skip
    for score in scores.SCORES.values():
        assert score.what
        assert score.better in {"higher", "lower", ""}
