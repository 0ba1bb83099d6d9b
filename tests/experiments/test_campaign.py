"""Killed again and again, before, in and after each write and rename, a run ends as if nothing had happened."""

import collections
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import keras
import kills
import pytest
from kills import Killed, Moments
from processes import environment
from small_models import CONFIG, assert_equal, train

import genzoo
from genzoo.data.batches import ImageBatches
from genzoo.experiments.runs import Run

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads names of open files from /proc")


def state(directory):
    """Weights, optimizers and random state."""
    model = genzoo.load(directory)
    return [keras.ops.convert_to_numpy(variable) for variable in (*model.variables, *model.optimizer.variables)]


def assert_same(one, other):
    assert_equal(state(one), state(other))
    assert (one / "history.csv").read_text() == (other / "history.csv").read_text()
    names = [sorted(str(path.relative_to(root)) for path in root.rglob("*")) for root in (one, other)]
    assert names[0] == names[1]  # nothing left over


# A test of seconds: the process lives on, but writes nothing more and tidies nothing up.
DEATHS = [
    "half epoch-001.png",
    "before replace model.keras",
    "after replace model.keras",
    "half history.csv",
    "half model.keras",
    "before replace model.keras",
    "half model.keras",
    "after replace model.keras",
    "half run.json",
    "before replace run.json",
]


def test_whatever_was_being_written_nothing_is_lost(tmp_path, images, monkeypatch):
    batches = ImageBatches(images[0], batch_size=20, seed=0)
    straight = Run.create(tmp_path / "straight", CONFIG)
    train(straight, straight.model(), batches, 3)
    Run.create(tmp_path / "run", CONFIG)
    monkeypatch.setattr("genzoo.files._lives", lambda process: False)  # so many processes in one
    for chosen in DEATHS:
        run = Run.open(tmp_path / "run")
        model = run.model()

        def die(number, name, chosen=chosen):
            if name == chosen:
                raise Killed

        with Moments(die).watched(), pytest.raises(Killed):
            train(run, model, batches, 3)
    run = Run.open(tmp_path / "run")
    train(run, run.model(), batches, 3)
    assert_same(tmp_path / "run", tmp_path / "straight")


# A test of many minutes: real processes, real kills.
OPTIONS = {"vae": ("hidden_dim=8", "latent_dim=2"), "gan": ("hidden_dim=8", "latent_dim=2")}
EPOCHS, KILLS, AT_ONCE = 3, 17, 4


def command(*arguments, at=0):
    """Runs the command in a process that is killed at a moment; returns its status and what it was killed in."""
    argv = [sys.executable, kills.__file__, str(at), *map(str, arguments)]
    environ = environment(KERAS_BACKEND=keras.backend.backend())
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    said = re.search(r"^(?:killed|moments) (.+)$", done.stdout, re.MULTILINE)
    nothing_left = done.returncode == 2 and f"has {EPOCHS} of {EPOCHS} epochs already" in done.stderr
    assert nothing_left or done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, said[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_kills_lose_no_run(name, tmp_path):
    """Seventeen of each model, a hundred on three backends, up to four in a row; prints where they struck."""
    chance, struck, runs = random.Random(f"{name} on {keras.backend.backend()}"), collections.Counter(), 0
    asked = ["train", name, "--epochs", EPOCHS]
    asked += [word for option in OPTIONS[name] for word in ("--set", option)]
    _, moments = command(*asked, "--out", tmp_path / "straight")
    while struck.total() < KILLS:
        run, runs = tmp_path / f"run-{runs}", runs + 1
        for _ in range(chance.randint(1, AT_ONCE)):
            begun = ["resume", run] if (run / "run.json").exists() else [*asked, "--out", run]
            status, where = command(*begun, at=chance.randint(1, int(moments)))
            if status != -signal.SIGKILL:  # there was less left to write
                break
            struck[where] += 1
        if status == -signal.SIGKILL:
            command(*(["resume", run] if (run / "run.json").exists() else [*asked, "--out", run]))
        assert_same(run, tmp_path / "straight")
    print(f"\n{name} on {keras.backend.backend()}: {struck.total()} kills over {runs} runs, none lost")
    for where, count in sorted(struck.items()):
        print(f"  {where:32}{count:4}")
