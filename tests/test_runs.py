"""A run directory survives every way of ending: what it holds is whole, and going on changes nothing."""

import csv
import json
import os
import re
import shutil
import signal
from importlib.metadata import version

import keras
import numpy as np
import pytest

import genzoo
from genzoo.batches import ImageBatches
from genzoo.runs import Run, free_directory, new_model

CONFIG = {
    "model": "vae",
    "options": {"latent_dim": 2, "hidden_dim": 4, "seed": 0},
    "learning_rate": None,
    "data": {"name": "digits", "split": "train", "image_size": None, "batch_size": 8},
    "seed": 0,
    "epochs": 4,
}


@pytest.fixture
def batches(images):
    return ImageBatches(*images, batch_size=8, seed=0)


def trained(directory, batches, epochs):
    run = Run.create(directory, CONFIG)
    run.train(run.model(), batches, epochs, verbose=0)
    return run


def resumed(directory, batches, epochs):
    run = Run.open(directory)
    run.train(run.model(), batches, epochs, verbose=0)
    return run


def state(directory):
    """Everything that training moves."""
    model = genzoo.load(directory)
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def history(directory):
    with open(directory / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def assert_same(one, other):
    for a, b in zip(state(one), state(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert history(one) == history(other)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The run of four epochs that every interrupted one must equal. Takes the data, which is the same in each test."""
    directory = tmp_path_factory.mktemp("runs") / "whole"

    def of(batches):
        if not directory.exists():
            trained(directory, batches, 4)
        return directory

    return of


def test_a_run_holds_what_it_says(tmp_path, batches):
    run = trained(tmp_path / "a" / "run", batches, 2)
    files = sorted(str(path.relative_to(run.directory)) for path in run.directory.rglob("*") if path.is_file())
    assert files == ["history.csv", "model.keras", "run.json", "samples/epoch-001.png", "samples/epoch-002.png"]
    config = json.loads((run.directory / "run.json").read_text())
    assert config.items() >= {**CONFIG, "epochs": 2, "epochs_done": 2, "backend": keras.backend.backend()}.items()
    assert config["versions"]["keras"] == version("keras")
    rows = history(run.directory)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert set(rows[0]) == {"epoch", "loss", "reconstruction_loss", "kl_loss"}
    assert 0 < float(rows[1]["loss"]) < float(rows[0]["loss"])


def test_the_same_run_again_is_the_same(tmp_path, batches, uninterrupted):
    trained(tmp_path / "again", batches, 4)
    assert_same(tmp_path / "again", uninterrupted(batches))


def test_resuming_equals_never_having_stopped(tmp_path, batches, uninterrupted):
    trained(tmp_path / "run", batches, 2)
    run = resumed(tmp_path / "run", batches, 4)
    assert run.config["epochs_done"] == 4
    assert_same(tmp_path / "run", uninterrupted(batches))
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 4


@pytest.mark.parametrize("epochs", [0, 2])
def test_killed_while_saving_nothing_is_lost_or_done_twice(tmp_path, batches, uninterrupted, epochs):
    """The model's file is renamed into place last: before that, all other files are an epoch ahead of it."""
    directory = tmp_path / "run"
    if epochs:
        trained(directory, batches, epochs)
        shutil.copy(directory / "model.keras", tmp_path / "model.keras")
        resumed(directory, batches, epochs + 1)
        shutil.copy(tmp_path / "model.keras", directory / "model.keras")
    else:
        trained(directory, batches, 1)
        (directory / "model.keras").unlink()
    assert len(history(directory)) == epochs + 1
    resumed(directory, batches, 4)
    assert_same(directory, uninterrupted(batches))


def test_half_a_row_of_history_is_dropped(tmp_path, batches, uninterrupted):
    trained(tmp_path / "run", batches, 2)
    with open(tmp_path / "run" / "history.csv", "a") as file:
        file.write("3,12.")
    resumed(tmp_path / "run", batches, 4)
    assert_same(tmp_path / "run", uninterrupted(batches))


class Interrupting(keras.utils.PyDataset):
    """Five batches an epoch. Sends the process a signal when one of them is fetched."""

    def __init__(self, images, epoch, index):
        super().__init__()
        self.images, self.when, self.epoch = images, (epoch, index), -1

    def __len__(self):
        return 5

    def on_epoch_begin(self):
        self.epoch += 1

    def __getitem__(self, index):
        if (self.epoch, index) == self.when:
            self.when = None
            os.kill(os.getpid(), signal.SIGTERM)
        return (self.images[4 * index : 4 * index + 4],)


def test_interrupted_in_an_epoch_it_keeps_the_model_and_counts_whole_epochs(tmp_path, images):
    data = Interrupting(images[0], epoch=1, index=1)
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
                os.kill(os.getpid(), signal.SIGINT)

    run = Run.create(tmp_path / "run", CONFIG)
    stopped = run.train(run.model(), AtEpochEnd(images[0], epoch=9, index=9), 4, verbose=0, shuffle=False)
    assert stopped.received == signal.SIGINT
    assert run.config["epochs_done"] == 2
    assert len(history(run.directory)) == 2
    assert int(genzoo.load(run.directory).optimizer.iterations) == 10


def test_a_run_without_a_model_starts_with_all_its_settings(tmp_path):
    Run.create(tmp_path / "run", {**CONFIG, "model": "dcgan", "options": {"latent_dim": 3}, "learning_rate": 0.25})
    model = Run.open(tmp_path / "run").model()
    assert model.latent_dim == 3
    assert [float(model.optimizer[player].learning_rate) for player in model.optimizer.names] == [0.25, 0.25]


def test_without_a_learning_rate_the_papers_stay():
    assert float(new_model(CONFIG).optimizer.learning_rate) == pytest.approx(1e-3)


def test_a_run_is_never_overwritten(tmp_path, batches):
    Run.create(tmp_path / "run", CONFIG)
    with pytest.raises(FileExistsError, match=r"holds a run already. Choose another --out, or go on with it: genzoo"):
        Run.create(tmp_path / "run", CONFIG)


def test_what_is_no_run_is_named(tmp_path, batches):
    with pytest.raises(FileNotFoundError, match=r"is not a run directory: it has no run.json"):
        Run.open(tmp_path)
    (tmp_path / "run.json").write_text('{"model": ')
    with pytest.raises(ValueError, match=r"run.json is damaged"):
        Run.open(tmp_path)


def test_a_model_of_another_run_is_refused(tmp_path, batches):
    trained(tmp_path / "one", batches, 3)
    trained(tmp_path / "other", batches, 1)
    shutil.copy(tmp_path / "other" / "model.keras", tmp_path / "one" / "model.keras")
    with pytest.raises(ValueError, match=r"model.keras is not the model that .*run.json describes"):
        Run.open(tmp_path / "one").model()


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


def test_failure_after_the_first_model_keeps_the_run(tmp_path, batches):
    run = Run.create(tmp_path / "run", CONFIG)
    with pytest.raises(RuntimeError, match="on purpose"), run.discarded_on_failure():  # noqa: PT012
        run.train(run.model(), batches, 1, verbose=0)
        raise RuntimeError("on purpose")
    assert Run.open(tmp_path / "run").config["epochs_done"] == 1


def test_directories_are_numbered_where_the_name_is_taken(tmp_path):
    names = []
    for _ in range(3):
        directory = free_directory(tmp_path, "vae-digits")
        directory.mkdir()
        names.append(directory.name)
    assert names == ["vae-digits", "vae-digits-2", "vae-digits-3"]


def test_nothing_is_left_beside_the_files(tmp_path, batches):
    run = trained(tmp_path / "run", batches, 1)
    assert not [path for path in run.directory.rglob("*") if re.match(r"\.|.*\.new$", path.name)]
