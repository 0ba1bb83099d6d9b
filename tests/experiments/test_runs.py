"""A run directory survives every way of ending: what it holds is whole, and going on changes nothing."""

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from interrupting import Interrupting, send
from small_models import CONFIG, train

import genzoo
from genzoo.callbacks import SampleGrid
from genzoo.data.batches import ImageBatches
from genzoo.experiments.runs import Run, alone, free_directory, new_model
from genzoo.experiments.training import Source, Training


@pytest.fixture
def batches(images):
    return ImageBatches(*images, batch_size=8, seed=0)


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """Trains a run of so many epochs in one go, once, and gives its directory."""
    root = tmp_path_factory.mktemp("runs")

    def directory_of(epochs, batches):
        if not (root / str(epochs)).exists():
            run = Run.create(root / str(epochs), CONFIG)
            train(run, run.model(), batches, epochs)
        return root / str(epochs)

    return directory_of


@pytest.fixture
def two_epochs(tmp_path, run_of, batches):
    """A run of two epochs that a test may change."""
    return shutil.copytree(run_of(2, batches), tmp_path / "run")


def resumed(directory, batches, epochs):
    run = Run.open(directory)
    train(run, run.model(), batches, epochs)
    return run


def state(directory):
    """Everything that training moves."""
    model = genzoo.load(directory)
    return [keras.ops.convert_to_numpy(variable) for variable in (*model.variables, *model.optimizer.variables)]


def history(directory):
    with open(directory / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def assert_same(one, other):
    for a, b in zip(state(one), state(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert history(one) == history(other)


def test_a_run_holds_what_it_says_and_nothing_else(two_epochs):
    files = sorted(str(path.relative_to(two_epochs)) for path in two_epochs.rglob("*") if path.is_file())
    assert files == ["history.csv", "model.keras", "run.json", "samples/epoch-001.png", "samples/epoch-002.png"]
    config = json.loads((two_epochs / "run.json").read_text())
    done = {"epochs": 2, "epochs_done": 2, "backend": keras.backend.backend()}
    assert config.items() >= {**CONFIG.to_json(), **done}.items()
    assert config["versions"]["keras"] == keras.__version__
    rows = history(two_epochs)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert set(rows[0]) == {"epoch", "loss", "reconstruction_loss", "kl_loss"}
    for row in rows:
        parts = float(row["reconstruction_loss"]) + float(row["kl_loss"])
        assert float(row["loss"]) == pytest.approx(parts, rel=1e-5)


def test_resuming_equals_never_having_stopped(two_epochs, batches, run_of):
    run = resumed(two_epochs, batches, 4)
    assert run.config["epochs_done"] == 4
    assert_same(two_epochs, run_of(4, batches))
    assert len(list((two_epochs / "samples").iterdir())) == 4


@pytest.mark.parametrize("ahead", ["model.keras", "run.json history.csv"])
def test_whichever_file_is_ahead_the_model_says_where_to_go_on(tmp_path, two_epochs, batches, run_of, ahead):
    """What a kill, a power cut or a backup leaves: files of different epochs."""
    shutil.copytree(two_epochs, tmp_path / "before")
    resumed(two_epochs, batches, 3)
    for name in {"model.keras", "run.json", "history.csv"} - {*ahead.split()}:
        shutil.copy(tmp_path / "before" / name, two_epochs / name)
    run = Run.open(two_epochs)
    run.model()
    assert run.epochs_done == (3 if ahead == "model.keras" else 2)
    resumed(two_epochs, batches, 4)
    expected = history(run_of(4, batches))
    if ahead == "model.keras":
        del expected[2]  # that row is lost
    assert history(two_epochs) == expected
    for a, b in zip(state(two_epochs), state(run_of(4, batches)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_disk_that_is_full_twice_loses_no_epoch(two_epochs, batches, run_of, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("os.replace", full_disk)
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                resumed(two_epochs, batches, 4)
    resumed(two_epochs, batches, 4)
    assert_same(two_epochs, run_of(4, batches))
    assert not list(two_epochs.rglob(".*"))


def full_disk(old, new):
    raise OSError(28, "No space left on device", str(new))


def test_a_model_that_is_missing_is_said_and_never_made_anew_unasked(two_epochs):
    (two_epochs / "model.keras").unlink()
    run = Run.open(two_epochs)
    with pytest.raises(FileNotFoundError, match=r"model.keras is missing.* 2 epochs behind it.*resume .* --restart"):
        run.model()
    run.restart()
    assert run.model().steps_made == run.epochs_done == 0


def test_restarting_removes_no_model(two_epochs):
    with pytest.raises(FileExistsError, match="Remove it to train from the start"):
        Run.open(two_epochs).restart()


def test_a_model_that_its_user_has_saved_anew_is_still_the_runs(two_epochs, batches):
    model = genzoo.load(two_epochs)
    model.save(two_epochs / "model.keras")  # after `fit_sampler`, say
    assert resumed(two_epochs, batches, 3).epochs_done == 3


def test_what_killed_processes_left_is_removed_and_nothing_else(two_epochs, batches):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead = int(dead.stdout)
    gone = [f".model.{dead}.keras", f".run.{dead}.json", f".history.{dead}.csv", f"samples/.epoch-003.{dead}.png"]
    kept = [f".model.{os.getppid()}.keras", f".notes.{dead}.json", ".model.keras", f".photo.{dead}.png"]
    for name in [*gone, *kept]:
        (two_epochs / name).write_text("half a fi")
    resumed(two_epochs, batches, 3)
    assert {path.name for path in two_epochs.rglob(".*")} == {*kept}


def test_two_trainings_of_one_run_are_refused(two_epochs):
    lock = two_epochs / "run.lock"
    code = f"from genzoo.files import locked\nwith locked({str(lock)!r}):\n    print(1, flush=True)\n    input()"
    with alone(two_epochs):
        with pytest.raises(BlockingIOError, match=f"Another process trains in {two_epochs}"), alone(two_epochs):
            pass
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "BlockingIOError" in other.stderr
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"1\n"
        with pytest.raises(BlockingIOError), alone(two_epochs):
            pass
        other.kill()
    with alone(two_epochs):  # its lock has died with it
        assert lock.exists()
    assert not lock.exists()


def test_another_backend_is_recorded(two_epochs, batches):
    other = next(name for name in ("jax", "torch") if name != keras.backend.backend())
    config = json.loads((two_epochs / "run.json").read_text())
    (two_epochs / "run.json").write_text(json.dumps({**config, "backend": other}))
    config = resumed(two_epochs, batches, 3).config
    assert config["backend"] == keras.backend.backend()
    (before,) = config["before"]
    assert (before["backend"], before["epochs_done"]) == (other, 2)
    assert Run.open(two_epochs).config == config


def test_interrupted_in_an_epoch_it_keeps_the_model_and_counts_whole_epochs(tmp_path, images):
    data = Interrupting(images[0], signal.SIGTERM, epoch=1)
    run = Run.create(tmp_path / "run", CONFIG)
    stopped = run.train(run.model(), data, 4, verbose=0, shuffle=False)
    assert stopped.received == signal.SIGTERM
    assert run.config["epochs_done"] == 1
    assert [row["epoch"] for row in history(run.directory)] == ["1"]
    steps = int(genzoo.load(run.directory).optimizer.iterations)
    assert 5 < steps < 10

    run = Run.open(tmp_path / "run")
    model = run.model()
    assert run.config["epochs_done"] == 1
    assert run.train(model, data, 4, verbose=0, shuffle=False).received is None
    assert [row["epoch"] for row in history(run.directory)] == ["1", "2", "3", "4"]
    assert int(genzoo.load(run.directory).optimizer.iterations) == steps + 15


def test_interrupted_after_the_last_batch_the_epoch_is_whole(tmp_path, images):
    class AtEpochEnd(Interrupting):
        def on_epoch_end(self):
            if self.epoch == 1:
                send(signal.SIGINT)()

    run = Run.create(tmp_path / "run", CONFIG)
    stopped = run.train(run.model(), AtEpochEnd(images[0], None, epoch=9), 4, verbose=0, shuffle=False)
    assert stopped.received == signal.SIGINT
    assert run.config["epochs_done"] == 2
    assert len(history(run.directory)) == 2
    assert int(genzoo.load(run.directory).optimizer.iterations) == 10


def test_interrupted_while_an_epoch_is_kept_the_epoch_is_whole(tmp_path, batches, monkeypatch):
    """On JAX the first grid's program takes longer to compile than both epochs take to train."""
    draw = SampleGrid.on_epoch_end

    def draw_and_interrupt(self, *arguments):
        draw(self, *arguments)
        send(signal.SIGTERM)()

    monkeypatch.setattr(SampleGrid, "on_epoch_end", draw_and_interrupt)
    run = Run.create(tmp_path / "run", CONFIG)
    assert run.train(run.model(), batches, 2, verbose=0).received == signal.SIGTERM
    assert run.config["epochs_done"] == len(history(run.directory)) == 1
    assert not run.monitor.diverged
    run = Run.open(tmp_path / "run")
    with pytest.raises(AssertionError, match=r"SIGTERM.* ended the training that it is about"):
        train(run, run.model(), batches, 3)
    assert run.config["epochs_done"] == 2


def test_a_run_without_a_model_starts_with_all_its_settings(tmp_path):
    Run.create(
        tmp_path / "run", dataclasses.replace(CONFIG, model="dcgan", options={"latent_dim": 3}, learning_rate=0.25)
    )
    model = Run.open(tmp_path / "run").model()
    assert model.latent_dim == 3
    assert [float(model.optimizer[player].learning_rate) for player in model.optimizer.names] == [0.25, 0.25]


def test_without_a_learning_rate_the_papers_stay():
    assert float(new_model(CONFIG).optimizer.learning_rate) == pytest.approx(1e-3)


def test_a_run_is_never_overwritten(tmp_path):
    Run.create(tmp_path / "run", CONFIG)
    with pytest.raises(FileExistsError, match=r"holds a run already. Choose another --out, or go on with it: genzoo"):
        Run.create(tmp_path / "run", CONFIG)


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is not a run directory: it has no run.json"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b'{"model": ', "Expecting value"),
        (b"", "Expecting value"),
        (b"[]", "expected an object in braces, received a list"),
        (b"3", "received a int"),
        (b"[" * 100_000, "recursion"),
        (b"\xff\xfe", "'utf-8' codec"),
        (b" " * (2**24 + 1), "larger than 16777216 bytes"),
        (b'{"model": "vae"}', "its data is no object"),
        (b'{"model": "vae", "data": {"split": "train"}}', "its data lacks name"),
        (b'{"data": {"name": "digits"}}', "its run lacks model"),
        (b'{"model": "vae", "data": {"name": "digits", "spilt": "test"}}', "Unknown field of its data.*mean 'split'"),
        (b'{"model": 3, "data": {"name": "digits"}}', "`model` must be text. Received: model=3"),
        (b'{"model": "vae", "data": {"name": ""}}', "`name` must not be empty"),
        (b'{"model": "vae", "data": {"name": "digits", "image_size": 0}}', "`image_size` must be .* at least 1"),
        (b'{"model": "vae", "data": {"name": "digits"}, "epochs": -1}', "`epochs` must be .* at least 1"),
        (b'{"model": "vae", "data": {"name": "digits"}, "options": null}', "`options` must be an object"),
        (b'{"model": "vae", "data": {"name": "digits"}, "learning_rate": NaN}', "`learning_rate` must be a number"),
        (b'{"model": "vae", "data": {"name": "digits"}, "plugin": 3}', "`plugin` must be an object"),
        (b'{"model": "vae", "data": {"name": "digits"}, "epochs_done": "2"}', "`epochs_done` must be an integer"),
        (b'{"model": "vae", "data": {"name": "digits"}, "epochs_at_step": {"3": "x"}}', "epochs_at_step.3.` must be"),
        (b'{"model": "vae", "data": {"name": "digits"}, "backend": "theano"}', "Unknown `backend`"),
    ],
)
def test_what_is_damaged_is_named(tmp_path, text, what):
    (tmp_path / "run.json").write_bytes(text)
    with pytest.raises(ValueError, match=rf"run.json is damaged \(.*{what}"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    "asked",
    [
        CONFIG,
        Training("pix2pix", Source("facades", image_size=64, inputs="A", targets="B"), learning_rate=0.1),
        Training("adgm", Source("digits", labels=30), seed=3),
        Training("vae", Source("mnist", binarise=0), claim="some", scored={"by": ["elbo"]}),
    ],
)
def test_what_was_asked_survives_the_file(asked):
    written = asked.to_json()
    assert Training.from_json(json.loads(json.dumps(written))) == asked
    assert None not in [value for name, value in written["data"].items() if name != "image_size"]


def test_a_folder_in_place_of_the_description_is_named(tmp_path):
    (tmp_path / "run.json").mkdir()
    with pytest.raises(ValueError, match=r"run.json is damaged \(it is a folder"):
        Run.open(tmp_path)


def test_a_model_of_another_run_is_refused(two_epochs, batches, run_of):
    shutil.copy(run_of(4, batches) / "model.keras", two_epochs / "model.keras")
    with pytest.raises(ValueError, match=r"model.keras is not the model that .*run.json describes"):
        Run.open(two_epochs).model()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failure_before_the_first_model_leaves_no_trace(tmp_path, error):
    run = Run.create(tmp_path / "a" / "b" / "run", CONFIG)
    with pytest.raises(error), run.discarded_on_failure():  # noqa: PT012
        (run.directory / "samples").mkdir()
        raise error
    assert list(tmp_path.iterdir()) == []


def test_failure_leaves_what_was_there_before(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    run = Run.create(tmp_path / "run", CONFIG)
    with pytest.raises(ValueError, match="on purpose"), run.discarded_on_failure():
        raise ValueError("on purpose")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_failure_after_a_model_is_saved_keeps_the_run(two_epochs):
    with pytest.raises(RuntimeError, match="on purpose"), Run.open(two_epochs).discarded_on_failure():
        raise RuntimeError("on purpose")
    assert Run.open(two_epochs).config["epochs_done"] == 2


def test_directories_are_numbered_where_the_name_is_taken(tmp_path):
    names = []
    for _ in range(3):
        directory = free_directory(tmp_path, "vae-digits")
        directory.mkdir()
        names.append(directory.name)
    assert names == ["vae-digits", "vae-digits-2", "vae-digits-3"]
