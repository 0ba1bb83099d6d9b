"""``genzoo train`` and ``genzoo resume``: train a model in a run directory."""

import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

import keras

from genzoo.cli.printing import console, say
from genzoo.data.progress import telling
from genzoo.errors import TrainingDiverged
from genzoo.experiments.runs import Run, alone, free_directory, new_model
from genzoo.experiments.training import Source, Training
from genzoo.files import expanded


def train(
    name: str,
    data: str,
    *,
    options: dict[str, Any],
    learning_rate: float | None,
    seed: int,
    epochs: int,
    out: Path | None,
    batch_size: int | None,
    **source: Any,
) -> None:
    """Trains a new model. Arguments are those of the command; ``source`` has the other fields of a ``Source``."""
    path = expanded(data)
    location = str(path.resolve()) if data != "digits" and path.exists() else data
    asked = Training(
        model=name,
        data=Source(location, **source),
        options={"seed": seed, **options},
        learning_rate=learning_rate,
        seed=seed,
        epochs=epochs,
    )
    model = new_model(asked)
    _check_data(asked, model.tags, data)
    asked = dataclasses.replace(asked, data=dataclasses.replace(asked.data, batch_size=batch_size or model.batch_size))
    run = Run.create(out or free_directory("runs", re.sub(r"[^\w.-]+", "-", f"{name}-{Path(data).stem}")), asked)
    with alone(run.directory), run.discarded_on_failure():
        _fit(run, model, epochs)


def resume(directory: Path, epochs: int | None, restart: bool = False) -> None:
    """Goes on with a run, up to so many epochs in all; with ``restart`` from the start, where its model is missing."""
    Run.open(directory)  # what is no run gets no lock
    with alone(directory):
        run = Run.open(directory)
        if restart:
            run.restart()
        model, epochs = run.model(), epochs or run.asked.epochs
        if run.epochs_done >= epochs:
            run.repair()  # which training begins with
            raise ValueError(
                f"{directory} has {run.epochs_done} of {epochs} epochs already. Ask for more: "
                f"--epochs {run.epochs_done + 10}"
            )
        if (begun_on := run.made_with.get("backend")) != keras.backend.backend():
            say(f"Begun on {begun_on}: from here on not bit for bit as if it had gone on there. run.json says so.")
        _fit(run, model, epochs)


def _check_data(asked, tags, data):
    """Refuses data, or options of data, that do not go with the model."""
    source = asked.data
    if "translation" in tags and not Path(source.name).is_dir():
        raise ValueError(f"{asked.model!r} learns from pairs of images: --data FOLDER. Received: {data!r}, no folder.")
    if (source.inputs or source.targets) and "translation" not in tags:
        raise ValueError(f"--inputs and --targets go with a model that learns from pairs. Received: {asked.model!r}")
    if source.labels is not None and "classifier" not in tags:
        raise ValueError(f"--labels goes with a model that classifies. Received: {asked.model!r}")


def _fit(run, model, epochs):
    first, source = run.epochs_done + 1, run.asked.data
    with telling():
        images, held_out = run.data(model)
    say(f"{run.asked.model} on {source.name}, {keras.backend.backend()}, into {run.directory}")
    stopped = run.train(model, images, epochs, held_out, verbose=1 if console.is_terminal else 2)
    done = run.epochs_done
    if run.monitor.diverged:
        kept = f"The model of epoch {done} is kept in {run.model_path}" if done else "No model was saved"
        raise TrainingDiverged(f"Training diverged in epoch {run.monitor.findings[-1].epoch} of {epochs}. {kept}.")
    if done < epochs:
        console.print()
        say(f"Stopped in epoch {done + 1} of {epochs}. The model is saved in {run.model_path}")
        say(f"Go on: genzoo resume {run.directory}")
        sys.exit(128 + (stopped.received or 0))
    say(f"{f'Epochs {first} to' if first < done else 'Epoch'} {done}. Model: {run.model_path}")
    say(f"Samples: {run.directory / 'samples' / f'epoch-{done:03d}.png'}")
