"""``reproduce``: trains what a claim says, scores it on the way, and writes a row that says what came out.

RUN/                    a run directory, so that an interrupted one goes on where it stopped
RUN/best.keras          the model at its best score
RUN/reproduction.json   every score so far with its protocol, and the time spent
RUN/row.json            the row, once all is done
"""

import contextlib
import os
import shutil
import signal
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import keras

from genzoo import evaluation
from genzoo.errors import FileError, TrainingDiverged
from genzoo.evaluation import provenance, scores
from genzoo.experiments import checks, runs
from genzoo.experiments.claims import Claim
from genzoo.experiments.rows import check_row, counting, number_of, rounded, verdict
from genzoo.files import read_json_object, written
from genzoo.registry import loading


def directory_of(root: str | os.PathLike[str], claim: str, seed: int = 0) -> Path:
    """The directory of a claim's run, below ``root``."""
    return Path(root) / (claim if seed == 0 else f"{claim}-seed-{seed}")


def reproduce(
    claim: Claim,
    root: str | os.PathLike[str] = "runs/reproduce",
    *,
    epochs: int | None = None,
    seed: int = 0,
    say: Callable[[str], object] = print,
    verbose: int | str = 0,
) -> dict | signal.Signals:
    """Trains and scores a claim; one that was interrupted goes on where it stopped.

    Args:
        claim: as ``genzoo.experiments.claims.read_claims`` gives it.
        root: directory for the runs of all claims.
        epochs: to train for, by default the claim's; the row says so if it is less.
        seed: natural number that fixes weights, noise, the order of the data and the scores' samples.
        say: function that is given lines of text on what is done.
        verbose: as for Keras' ``fit``.

    Returns:
        The row, or the signal that ended the training; call it again to go on.

    Raises:
        ValueError: the run there is of another claim, backend or score, or is further than ``epochs``; there are more
            ``epochs`` than the claim's; one of its scores is unknown.
        BlockingIOError: another process is at it.
        genzoo.errors.TrainingDiverged: it did.
    """
    epochs = claim.epochs if epochs is None else epochs
    if epochs > claim.epochs:
        raise ValueError(f"`epochs` shortens a claim, and {claim.id!r} is of {claim.epochs}. Received: epochs={epochs}")
    for name in {*claim.scored_by, *claim.arguments}:
        scores.find(name, claim.arguments.get(name, ()))
    if ":" in claim.model:
        loading.named_class(claim.model)  # whoever wrote the claim is trusted, unlike whoever wrote a run
    directory = directory_of(root, claim.name, seed)
    asked = _training(claim, seed, epochs)
    new = None if (directory / "run.json").exists() else runs.Run.create(directory, asked)
    with runs.alone(directory):
        run = new or _run(claim, directory, asked)
        row = read_row(root, claim.name, seed)
        if row is None or row["epochs"] != epochs:  # else only its verdict may have changed
            with run.discarded_on_failure():
                progress = _Progress(directory, claim.name)
                if ended := _completed(claim, run, progress, epochs, say, verbose):
                    return ended
            row = _row(claim, run, progress)
        row = judged(row, claim, [read_row(root, claim.rival, seed)] if claim.rival else [])
        provenance.write_json(directory / "row.json", row)
    return row


def _completed(claim, run, progress, epochs, say, verbose):
    """Trains and scores what is not done yet; returns the signal that ended the training, or None."""
    model, seed = run.model(), run.asked.seed
    if run.epochs_done > epochs:
        raise ValueError(f"{run.directory} has {run.epochs_done} epochs already. Received: epochs={epochs}")
    train, _ = run.data(model)
    names = [name for name in ("test", "validation") if name in claim.data]
    parts = {name: run.asked.data.part(claim.data[name], shuffle=False, seed=seed) for name in names}
    for until in claim.checkpoints(epochs):
        if until in progress.scored or until < run.epochs_done:
            continue
        if until > run.epochs_done:
            with progress.timed("training"):
                stopped = run.train(model, train, until, verbose=verbose)
            if stopped.received:  # maybe after the last batch, when there was nothing left to stop
                return stopped.received
        if run.monitor and run.monitor.diverged:
            raise TrainingDiverged(f"{claim.id} diverged after epoch {run.epochs_done} of {epochs}.")
        with progress.timed("scoring"):
            found = _scores(claim, model, seed, train=train, **parts)
            chosen_by = _chosen_by(claim, model, seed, train=train, **parts)
        progress.add(claim, until, found, chosen_by, run.model_path)
        say(f"{claim.id}, epoch {until} of {epochs}: {claim.score} {rounded(found[claim.score]['value'])}")
    return None


def _scores(claim, model, seed, *, train, test, validation=None, split="test", names=None):
    """The claim's scores of a model, see ``genzoo.evaluate``."""
    names = claim.scored_by if names is None else names
    return evaluation.evaluate(
        model,
        test,
        metrics=names,
        samples=claim.samples,
        features=claim.features,
        seed=seed,
        split=claim.data[split],
        train=train,
        validation=validation,
        arguments={name: value for name, value in claim.arguments.items() if name in names},
    )


def _chosen_by(claim, model, seed, *, train, test, validation=None):
    """The score by which a checkpoint is chosen, on images that are not reported; or None where it is among those."""
    if claim.select_on is None:
        return None
    name = claim.select or claim.score
    return _scores(claim, model, seed, train=train, test=validation, split=claim.select_on, names=[name])


def read_row(root: str | os.PathLike[str], claim: str, seed: int = 0, file: str = "row.json") -> dict | None:
    """The row of a claim that was run, or None."""
    path = directory_of(root, claim, seed) / file
    if not path.exists():
        return None
    row = read_json_object(path)
    try:
        check_row(row)
    except ValueError as error:
        raise FileError(f"{path} is damaged ({error}). Remove it: it is written again.") from error
    return row


def state_of(claim: Claim, root: str | os.PathLike[str], seed: int = 0, file: str = "row.json") -> str:
    """How far a claim is in a directory, in a few words; ``file`` is the one that holds its row."""
    directory = directory_of(root, claim.name, seed)
    if row := read_row(root, claim.name, seed, file):
        same = {True: ", the same", False: ", not the same", None: ""}[verdict(row)]
        short = f" after {row['epochs']} of {row['epochs_of_claim']} epochs" if row["shortened"] else ""
        value = counting(row)["value"]
        return f"{'no number' if value is None else number_of(counting(row))}{short}{same}"
    if (directory / "run.json").exists():
        return f"epoch {runs.Run.open(directory).epochs_done} of {claim.epochs}"
    return "not yet run"


class _Progress:
    """The scores so far, the seconds that training and scoring took, and the commits that they ran at."""

    def __init__(self, directory, claim):
        self.path = Path(directory) / "reproduction.json"
        self.state = {"claim": claim, "seconds": {"training": 0.0, "scoring": 0.0}, "scores": [], "commits": []}
        if self.path.exists():
            self.state = {**self.state, **read_json_object(self.path)}
            try:
                checks.check(self.state, checks.REPRODUCTION)
            except ValueError as error:
                raise FileError(f"{self.path} is damaged ({error}).") from error
            if self.state.pop("running", None):  # killed, and nobody knows when
                self.state["seconds_lost"] = True
        if (commit := provenance.commit()) not in self.state["commits"]:
            self.state["commits"].append(commit)

    @property
    def scored(self):
        return [entry["epoch"] for entry in self.state["scores"]]

    @contextlib.contextmanager
    def timed(self, what):
        start = time.perf_counter()
        provenance.write_json(self.path, {**self.state, "running": what})
        try:
            yield
        finally:
            self.state["seconds"][what] += time.perf_counter() - start
            provenance.write_json(self.path, self.state)

    def add(self, claim, epoch, found, chosen_by, model_path):
        """Keeps scores of an epoch, and the model if they are the best."""
        further = {} if chosen_by is None else {"chosen_by": chosen_by}
        entries = [*self.state["scores"], {"epoch": epoch, "scores": found, **further}]
        if _best(claim, entries)["epoch"] == epoch:
            with written(model_path.with_name("best.keras")) as beside:
                shutil.copyfile(model_path, beside)
        self.state["scores"] = entries
        provenance.write_json(self.path, self.state)


def _best(claim, entries):
    """The entry whose score is best, the later of two that are equal; one without a number is the worst."""
    name = claim.select or claim.score
    sign = -1 if scores.find(name).better == "lower" else 1

    def rank(entry):
        value = entry.get("chosen_by", entry["scores"])[name]["value"]
        return (value is not None, 0 if value is None else sign * value, entry["epoch"])

    return max(entries, key=rank)


def _training(claim, seed, epochs):
    """What it takes to try the claim."""
    scored = {"by": claim.scored_by, "test": claim.data["test"], "samples": claim.samples, "features": claim.features}
    scored |= {"arguments": claim.arguments, "validation": claim.data.get("validation")}
    if claim.select_on:
        scored["select"] = [claim.select or claim.score, claim.select_on]
    return claim.training(seed, epochs=epochs, claim=claim.name, scored=scored)


def _run(claim, directory, asked):
    """The claim's run, as it was left."""
    run, backend = runs.Run.open(directory), keras.backend.backend()
    before = run.asked.to_json()
    differing = [name for name, value in asked.to_json().items() if name != "epochs" and before.get(name) != value]
    if differing:
        raise ValueError(
            f"The run in {directory} differs from claim {claim.id!r} in its {', '.join(differing)}. "
            "Choose another --out."
        )
    if (begun_on := run.made_with["backend"]) != backend:
        raise ValueError(
            f"The run in {directory} was begun on {begun_on}. Received: backend {backend}. Go on with "
            f"--backend {begun_on}, or choose another --out."
        )
    return run


def judged(row: dict, claim: Claim, others: list[dict | None]) -> dict:
    """The row with its verdict, which may wait for that of another claim.

    Args:
        row: as ``reproduce`` gives it, of one seed or of several.
        claim: whose it is.
        others: the rows of the claim that this one is compared with, of the same seeds, or None where it was not run.
    """
    values = [counting(row)["value"] for row in others if row is not None]
    known = len(values) == len(others) > 0 and None not in values
    other = statistics.fmean(values) if known else None
    verdicts = {which: claim.reproduced(row[which]["value"], other) for which in ("best", "last")}
    said = {"paper": claim.paper, "unit": claim.unit, "source": claim.source, "same_if": claim.condition()}
    return {**row, **said, **({"other": other} if claim.than else {}), "reproduced": verdicts}


def _row(claim, run, progress):
    """What came out, with all that the numbers depend on."""
    state = progress.state
    last, best = state["scores"][-1], _best(claim, state["scores"])
    return {
        "claim": claim.name,
        **({"reduced": claim.reduced} if claim.reduced else {}),
        **({"counts": "best", "chosen_on": claim.select_on} if claim.select_on else {}),
        "paper": claim.paper,
        "unit": claim.unit,
        "source": claim.source,
        "score": claim.score,
        "best": {"epoch": best["epoch"], "value": best["scores"][claim.score]["value"], **_chosen(best)},
        "last": {"epoch": last["epoch"], "value": last["scores"][claim.score]["value"]},
        "same_if": claim.condition(),
        "also": _also(claim, (best if claim.select_on else last)["scores"]),
        "epochs": last["epoch"],
        "epochs_of_claim": claim.epochs,
        "shortened": last["epoch"] < claim.epochs,
        "seeds": [run.asked.seed],
        "backend": keras.backend.backend(),
        "hardware": provenance.hardware(),
        "minutes": round(sum(state["seconds"].values()) / 60, 1),
        "minutes_of": {what: round(seconds / 60, 1) for what, seconds in state["seconds"].items()},
        "minutes_at_least": "seconds_lost" in state,
        "command": claim.command,
        "settings": claim.settings,
        "commit": ", ".join(map(str, state["commits"])),
        "versions": provenance.versions(),
        "date": provenance.now(),
        "sha256": {"last": provenance.sha256(run.model_path), "best": provenance.sha256(run.directory / "best.keras")},
        "scores": (best if claim.select_on else last)["scores"],
    }


def _chosen(entry):
    """The number by which a checkpoint was chosen, where it is not that of the test images."""
    if "chosen_by" not in entry:
        return {}
    return {"chosen_by": {name: found["value"] for name, found in entry["chosen_by"].items()}}


def _also(claim, found):
    """The numbers beside the score that the claim is about."""
    also = {}
    for name in claim.scored_by:
        numbers = {key: value for key, value in found[name].items() if isinstance(value, (int, float))}
        for key, value in numbers.items():
            if (name, key) != (claim.score, "value"):
                also[name if key == "value" else f"{name} ({key.replace('_', ' ')})"] = value
    return also
