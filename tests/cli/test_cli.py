"""The command: parsing in this process; errors, signals and sudden death in real ones."""

import csv
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from processes import environment
from typer.testing import CliRunner

import genzoo
from genzoo import registry
from genzoo.cli.app import _parsed, app

BUILT_IN = [spec.name for spec in registry._specs.values() if spec.source == "genzoo"]
SCRIPT = [str(Path(sys.executable).with_name("genzoo"))]
MODULE = [sys.executable, "-m", "genzoo"]
SMALL = ("--set", "hidden_dim=16", "--set", "latent_dim=2")


def genzoo_(*arguments, code=0):
    """Runs the command in this process; returns what it printed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exit_code != code:
        raise result.exception or AssertionError(result.output)
    return result.output


def start(command, arguments, cwd, backend):
    """Starts the real command in a process of its own, with ``KERAS_BACKEND`` set or, for None, not."""
    command, environ = [*command, *map(str, arguments)], environment(KERAS_BACKEND=backend)
    return subprocess.Popen(command, cwd=cwd, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def files_below(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def history(run):
    with open(run / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def picture(path):
    return np.asarray(Image.open(path))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two epochs, and what the command printed."""
    directory = tmp_path_factory.mktemp("cli") / "run"
    printed = genzoo_("train", "vae", "--epochs", 2, "--out", directory, "--seed", 3, "--learning-rate", 0.002, *SMALL)
    return directory, printed


# What a user reads.


def test_list_shows_every_model():
    printed = genzoo_("list")
    for name in BUILT_IN:
        assert re.search(rf"^{name}\s.*genzoo\s*$", printed, re.MULTILINE)
    assert "vae" not in genzoo_("list", "*gan*").split()


@pytest.mark.parametrize("name", BUILT_IN)
def test_info_tells_what_a_user_needs_and_no_markup(name):
    model, printed = genzoo.get(name), genzoo_("info", name)
    tables = [line.split() for line in printed.splitlines()]
    for option in model.options():
        assert [option, json.dumps(getattr(model, option))] in tables
    for player, networks in model.players.items():
        row = next(line for line in tables if line[: 1 + len(networks)] == [player, *", ".join(networks).split()])
        assert f"{float(model.optimizer[player].learning_rate):g}" == row[-1]
    assert {metric.name for metric in model.metrics} <= {line[0] for line in tables if line}
    assert type(model).__doc__.splitlines()[0].lstrip() in " ".join(printed.split())
    assert "\nDeviations from the paper\n1. " in printed
    assert "\nReference\n@" in printed
    assert not re.search(r"[$\\]|``", printed)
    assert genzoo_("train", "--help")


def test_info_without_a_docstring_is_short_but_fine(monkeypatch):
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))

    class Silent(genzoo.models.vae.VAE):
        __doc__ = None

    genzoo.register("silent", Silent)
    printed = genzoo_("info", "silent")
    assert "latent_dim" in printed
    assert "Deviations" not in printed
    assert "Reference" not in printed


@pytest.mark.parametrize(
    "arguments",
    [
        ("train",),
        ("train", "vae", "--epochs", "0"),
        ("train", "vae", "--image-size", "0"),
        ("train", "vae", "--backend", "theano"),
        ("sample", "x.keras", "-n", "0"),
        ("samlpe",),
    ],
)
def test_wrong_usage_exits_with_2_and_says_how(arguments):
    assert "Usage:" in genzoo_(*arguments, code=2)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("latent_dim=3", {"latent_dim": 3}),
        ("latent-dim=3", {"latent_dim": 3}),
        ("rate=0.5", {"rate": 0.5}),
        ("flag=true", {"flag": True}),
        ("seed=null", {"seed": None}),
        ("filters=[1, 2]", {"filters": [1, 2]}),
        ("activation=relu", {"activation": "relu"}),
        ("equation=a=b", {"equation": "a=b"}),
        ("empty=", {"empty": ""}),
    ],
)
def test_set_takes_json_and_else_strings(pair, expected):
    assert _parsed([pair]) == expected


@pytest.mark.parametrize("pair", ["latent_dim", "=3", ""])
def test_set_without_a_key_or_value_is_refused(pair):
    with pytest.raises(ValueError, match=r"--set takes KEY=VALUE. Received: "):
        _parsed([pair])


# Training and sampling.


def test_train_writes_a_run(run):
    directory, printed = run
    assert sorted(files_below(directory)) == [
        "history.csv", "model.keras", "run.json", "samples/epoch-001.png", "samples/epoch-002.png",
    ]  # fmt: skip
    config = json.loads((directory / "run.json").read_text())
    assert config["options"] == {"seed": 3, "hidden_dim": 16, "latent_dim": 2}
    assert config["data"] == {"name": "digits", "split": "train", "image_size": None, "batch_size": 128}
    assert (config["model"], config["seed"], config["epochs_done"]) == ("vae", 3, 2)
    assert len(history(directory)) == 2
    first, second = (picture(directory / "samples" / f"epoch-00{i}.png") for i in (1, 2))
    assert first.std() > 0
    assert (first != second).any()
    assert f"vae on digits, {keras.backend.backend()}, into {directory}" in printed
    assert f"Model: {directory / 'model.keras'}" in printed
    assert f"Samples: {directory / 'samples' / 'epoch-002.png'}" in printed
    assert not re.search("[\b\x1b]", printed)  # no progress bars into a file


def test_options_reach_the_model(run):
    model = genzoo.load(run[0])
    assert (model.hidden_dim, model.latent_dim, model.seed) == (16, 2, 3)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.002)


def test_samples_follow_from_the_seed(run, tmp_path):
    grids = {}
    for name, seed, source in [("a", 1, run[0]), ("b", 1, run[0] / "model.keras"), ("c", 2, run[0])]:
        printed = genzoo_("sample", source, "-n", 9, "-o", tmp_path / f"{name}.png", "--seed", seed)
        assert printed == f"9 images in {tmp_path / name}.png\n"
        grids[name] = picture(tmp_path / f"{name}.png")
    np.testing.assert_array_equal(grids["a"], grids["b"])
    assert (grids["a"] != grids["c"]).any()
    np.testing.assert_array_equal(grids["a"], genzoo.viz.image_grid(genzoo.load(run[0]).sample(9, seed=1)))
    genzoo_("sample", run[0], "-n", 9, "-o", tmp_path / "row.png", "--columns", 9)
    assert picture(tmp_path / "row.png").shape[1] > 8 * picture(tmp_path / "row.png").shape[0]


def test_train_never_overwrites_a_run(run):
    before = files_below(run[0])
    with pytest.raises(FileExistsError, match=f"{run[0]} holds a run already.*genzoo resume {run[0]}"):
        genzoo_("train", "vae", "--out", run[0])
    assert files_below(run[0]) == before


def test_resume_needs_something_to_do(run):
    before = files_below(run[0])
    with pytest.raises(ValueError, match=r"has 2 of 2 epochs already. Ask for more: --epochs 12"):
        genzoo_("resume", run[0])
    assert files_below(run[0]) == before


def test_runs_get_directories_of_their_own_and_find_their_data_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my images").mkdir()
    for i in range(4):
        Image.fromarray(np.full((4, 4), 60 * i, "uint8")).save(tmp_path / "my images" / f"{i}.png")
    for _ in range(2):
        genzoo_("train", "vae", "--epochs", 1, "--data", "my images", *SMALL)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["vae-my-images", "vae-my-images-2"]
    monkeypatch.chdir("/")
    genzoo_("resume", tmp_path / "runs" / "vae-my-images", "--epochs", 2)
    assert len(history(tmp_path / "runs" / "vae-my-images")) == 2
    with pytest.raises(ValueError, match="has 2 of 2 epochs already"):  # the wish for more epochs is kept
        genzoo_("resume", tmp_path / "runs" / "vae-my-images")


def test_images_that_do_not_suit_the_model_leave_no_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="must be divisible by 4"):
        genzoo_("train", "dcgan", "--image-size", 6)
    assert list(tmp_path.iterdir()) == []


# The real command.


def half_a_file(directory):
    genzoo_("train", "vae", "--epochs", 1, "--out", directory / "run", *SMALL)
    whole = (directory / "run" / "model.keras").read_bytes()
    (directory / "half.keras").write_bytes(whole[: len(whole) // 2])


FAILURES = {
    "model": (MODULE, ["train", "veaa"], "Unknown model. Received: 'veaa'. Did you mean 'vae'"),
    "option": (
        SCRIPT,
        ["train", "vae", "--set", "latentdim=2"],
        "Unknown option of 'vae'. Received: 'latentdim'. Did you mean 'latent_dim'",
    ),
    "out": (SCRIPT, ["train", "vae", "--out", "half.keras/below/run"], "Not a directory: half.keras/below/run"),
    "data": (SCRIPT, ["train", "vae", "--data", "fashion_mnits"], "Unknown data set. Received: 'fashion_mnits'"),
    "file": (SCRIPT, ["sample", "half.keras", "-o", "new/grid.png"], "half.keras is not a whole .keras file"),
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    """All commands that must fail, run at once because each takes seconds to start, and the files after them."""
    root = tmp_path_factory.mktemp("failures")
    half_a_file(root)
    before = files_below(root)
    started = {what: start(*FAILURES[what][:2], cwd=root, backend=keras.config.backend()) for what in FAILURES}
    ended = {what: (*process.communicate(timeout=300), process.returncode) for what, process in started.items()}
    return ended, before, files_below(root), sorted(path.name for path in root.iterdir())


@pytest.mark.once
@pytest.mark.parametrize("what", FAILURES)
def test_failure_is_one_line_and_leaves_nothing(failures, what):
    ended, before, after, names = failures
    printed, said, code = ended[what]
    assert code == 1
    errors = [line for line in said.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1
    assert FAILURES[what][2] in errors[0]
    assert "Traceback" not in said
    assert "Traceback" not in printed
    assert after == before
    assert names == ["half.keras", "run"]


@pytest.fixture(scope="module")
def ended_early(tmp_path_factory):
    """Two runs that would train for days: one is interrupted (Ctrl-C), one killed, each after its first epoch."""
    root = tmp_path_factory.mktemp("early")
    signals = {"interrupted": signal.SIGINT, "killed": signal.SIGKILL}
    arguments = ("train", "vae", "--epochs", 100_000, *SMALL, "--backend", keras.backend.backend(), "--out")
    processes = {name: start(SCRIPT, [*arguments, root / name], cwd=root, backend=None) for name in signals}
    try:
        for name, process in processes.items():
            deadline = time.monotonic() + 300
            while not (root / name / "model.keras").exists():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline, f"no epoch of {name} ended"
                time.sleep(0.05)
            process.send_signal(signals[name])
        ended = {name: (*process.communicate(timeout=300), process.returncode) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return root, ended


def test_ctrl_c_saves_the_model_and_says_how_to_go_on(ended_early):
    directory, (printed, said, code) = ended_early[0] / "interrupted", ended_early[1]["interrupted"]
    assert code == 130
    assert "Traceback" not in said
    assert printed.startswith(f"vae on digits, {keras.backend.backend()}, into {directory}\n")
    assert f"The model is saved in {directory / 'model.keras'}\nGo on: genzoo resume {directory}\n" in printed
    done = json.loads((directory / "run.json").read_text())["epochs_done"]
    assert done == len(history(directory)) >= 1
    genzoo_("resume", directory, "--epochs", done + 1)
    assert [int(row["epoch"]) for row in history(directory)] == list(range(1, done + 2))
    assert np.isfinite(genzoo.load(directory).sample(2, seed=0)).all()


def test_a_killed_run_goes_on_as_if_it_had_lived(ended_early, tmp_path):
    directory, (_, said, code) = ended_early[0] / "killed", ended_early[1]["killed"]
    assert code == -signal.SIGKILL
    assert "Traceback" not in said
    steps = int(genzoo.load(directory).optimizer.iterations)
    assert steps % 12 == 0  # whole epochs of 1438 digits in batches of 128
    epochs = steps // 12 + 2
    genzoo_("resume", directory, "--epochs", epochs)
    genzoo_("train", "vae", "--epochs", epochs, *SMALL, "--out", tmp_path / "whole")
    one, other = (genzoo.load(path) for path in (directory, tmp_path / "whole"))
    for a, b in zip(
        (*one.variables, *one.optimizer.variables), (*other.variables, *other.optimizer.variables), strict=True
    ):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))
    assert history(directory) == history(tmp_path / "whole")


STRANGERS_MODULE = """
import keras
from genzoo.models.vae import VAE

@keras.saving.register_keras_serializable("stranger")
class Odd(VAE):
    pass
"""


@pytest.mark.once
def test_a_class_in_this_folder_trains_samples_and_resumes(tmp_path):
    (tmp_path / "odd_models.py").write_text(STRANGERS_MODULE)
    backend = keras.config.backend()
    for arguments in (
        ["train", "odd_models:Odd", "--epochs", 1, "--out", "run", *SMALL],
        ["sample", "run", "-n", 4, "-o", "grid.png"],
        ["resume", "run", "--epochs", 2],
    ):
        process = start(SCRIPT, arguments, tmp_path, backend)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    assert (tmp_path / "grid.png").exists()
    assert len(history(tmp_path / "run")) == 2


def test_a_learning_rate_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="--learning-rate must be above 0"):
        genzoo_("train", "vae", "--learning-rate", -1, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()
