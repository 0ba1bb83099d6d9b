"""Part "trainings" of ``gpu.py``: the trainings that wait for a GPU, with their scores as they come.

Each has a folder beside the results, from which a second call goes on. Models with few labels are trained here, by
genzoo's public functions; the others are claims, which ``genzoo reproduce`` trains in a process of its own.
"""

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import gpu_results
import numpy as np

SAVING_S = 15  # what a training gets to save its model before the part's time is up
POLL_S = 1


class Labelled(NamedTuple):
    """A model that learns from few labels; scored by its errors among the test images, after these epochs."""

    model: str
    epochs: int
    labels: int = 100
    options: dict = {}
    every: int = 10

    def checkpoints(self):
        first = {epoch for epoch in (1, 2, 5) if epoch < self.epochs}
        return sorted({*first, *range(self.every, self.epochs, self.every), self.epochs})


CLAIM = "claim"
TRAININGS = {
    "ssgan": Labelled("ssgan", 300),
    "vae-mnist": CLAIM,  # a minute; dcgan-mnist is compared with it
    "dcgan-mnist": CLAIM,
    "adgm": Labelled("adgm", 300),
    "iwae-5": CLAIM,
}
TINY_TRAININGS = {"ssgan": Labelled("ssgan", 2, 20, {"hidden_dim": 8, "latent_dim": 2}, 1), "tiny": CLAIM}


def cases(backend, tiny):
    return TINY_TRAININGS if tiny else TRAININGS


def main():
    args = gpu_results.child_arguments()
    known, results = cases(args.backend, args.tiny), gpu_results.Results(args.results)
    for name in args.cases:
        if args.deadline - time.time() < SAVING_S and not args.tiny:
            return
        folder = args.results.parent / "trainings" / args.backend / name
        put = Putter(results, args.backend, name)
        put(status="running")
        data = "digits" if args.tiny else str(args.data)
        if known[name] is CLAIM:
            done = reproduced(name, folder.parent, data, args, put)
        else:
            done = labelled(known[name], folder, data, args.deadline - (0 if args.tiny else SAVING_S), put)
        put(status="done" if done else "cut off")


class Putter:
    def __init__(self, results, backend, case):
        self.backend, self.identity, self.results = backend, ("trainings", backend, case), results

    def __call__(self, **fields):
        self.results.put(*self.identity, **fields)

    def row(self):
        return self.results.row(*self.identity)


def labelled(training, folder, data, deadline, put):
    """Trains from checkpoint to checkpoint, as long as the next one may come in time. Returns whether it is through."""
    import genzoo

    gpu_results.on_the_right_device(put.backend)
    path = folder / "model.keras"
    train, test = (genzoo.data.load(data, split) for split in ("train", "test"))
    model = genzoo.load(path) if path.exists() else genzoo.get(training.model, seed=0, **training.options)
    options = {"num_labelled": training.labels, "batch_size": model.batch_size, "seed": 0}
    batches = genzoo.data.semi_supervised(train, **options)
    done = steps_of(model) // len(batches) if path.exists() else 0
    scores = [score for score in put.row().get("scores", []) if score["epoch"] <= done]
    put(dtype="float32", batch=model.batch_size, epochs=training.epochs, labels=training.labels, scores=scores)
    per_epoch = 0.0
    for until in [epoch for epoch in training.checkpoints() if epoch > done]:
        if time.time() + 1.1 * per_epoch * (until - done) > deadline:
            return False
        start = time.time()
        history = model.fit(batches, initial_epoch=done, epochs=until, verbose=0).history
        per_epoch = (time.time() - start) / (until - done)
        folder.mkdir(parents=True, exist_ok=True)
        model.save(path)
        errors = int(np.sum(model.classify(test.images, batch_size=1000).argmax(1) != test.labels))
        score = {"epoch": until, "errors": errors, "of": len(test.images), "seconds_per_epoch": per_epoch}
        scores.append(score | {name: values[-1] for name, values in history.items()})
        put(scores=scores, epochs_done=until)
        done = until
    return done >= training.epochs


def steps_of(model):
    import keras

    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


def reproduced(claim, folder, data, args, put):
    """Runs ``genzoo reproduce`` until it is through, or has to save its model. Returns whether it is through.

    This process leaves the device alone: JAX takes most of its memory at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    claims = folder / "claims.toml"
    claims.write_text(claims_of(data))
    command = [sys.executable, "-m", "genzoo", "reproduce", claim, "--file", claims, "--out", folder]
    log = folder / f"{claim}.log"
    with open(log, "a") as output:
        ending = {"preexec_fn": gpu_results.end_with_parent}
        child = subprocess.Popen(command, stdout=output, stderr=output, **ending)
    seen, stopping = None, False
    while child.poll() is None:
        seen = told(folder / claim, seen, put)
        if not stopping and time.time() > args.deadline - SAVING_S:
            child.send_signal(signal.SIGTERM)  # genzoo ends the batch and saves the model
            stopping = True
        time.sleep(POLL_S)
    told(folder / claim, seen, put)
    if child.returncode and not stopping:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {child.returncode}:\n{log.read_text()[-2000:]}")
    return (folder / claim / "row.json").exists()


def claims_of(data):
    """genzoo's claims and those beside this file, of this file of MNIST."""
    (shipped,) = Path(importlib.util.find_spec("genzoo").origin).parent.glob("**/claims.toml")
    text = shipped.read_text() + Path(__file__).with_name("gpu_claims.toml").read_text()
    return text.replace('name = "mnist"', f"name = {json.dumps(data)}")


def told(folder, seen, put):
    """Puts what a run directory says of its progress, where it is news."""
    progress, config = (read_json(folder / name) for name in ("reproduction.json", "run.json"))
    row = read_json(folder / "row.json")
    scores = [
        {"epoch": entry["epoch"], **{name: found["value"] for name, found in entry["scores"].items()}}
        for entry in progress.get("scores", [])
    ]
    found = {
        "epochs_done": config.get("epochs_done", 0),
        "scores": scores,
        "seconds": progress.get("seconds"),
        "row": row,
    }
    if found != seen:
        put(dtype="float32", batch=config.get("data", {}).get("batch_size"), **found)
    return found


def read_json(path):
    """What a file holds that is replaced as a whole, or nothing."""
    return json.loads(path.read_text()) if path.exists() else {}


if __name__ == "__main__":
    main()
