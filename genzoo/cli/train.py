"""``genzoo train`` and ``genzoo resume``: train a model in a run directory."""

import dataclasses
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import keras

from genzoo.cli.printing import console, say
from genzoo.data.progress import telling
from genzoo.errors import TrainingDiverged
from genzoo.experiments import claims
from genzoo.experiments.recipes import read_recipe
from genzoo.experiments.runs import Run, alone, free_directory, new_model
from genzoo.experiments.training import Source, Training
from genzoo.files import expanded

USUAL = {"data": "digits", "split": "train", "epochs": 10, "options": {}}  # where neither user nor recipe says


def train(
    name: str | None,
    *,
    claim: str | None = None,
    config: Path | None = None,
    out: Path | None = None,
    seed: int = 0,
    **given: Any,
) -> None:
    """Trains a new model.

    Args:
        name: the model's, or None where a recipe names it.
        claim: the claim to take the recipe of, or None.
        config: a file with a recipe, or None.
        out: the run directory.
        seed: fixes all that is random.
        **given: ``data``, ``options``, ``learning_rate``, ``epochs``, ``batch_size`` and the other fields of a
            ``Source``; None for what the recipe or else ``USUAL`` says.
    """
    recipe, told = _recipe(name, claim, config)
    settings = {**USUAL, "model": name, **recipe, **{key: value for key, value in given.items() if value is not None}}
    if recipe and given.get("data") not in (None, recipe["data"]) and given.get("split") is None:
        settings["split"] = USUAL["split"]  # the recipe's is of its own data
    settings["options"] = {"seed": seed, **recipe.get("options", {}), **(given.get("options") or {})}
    model_name, data, epochs = (settings.pop(key) for key in ("model", "data", "epochs"))
    path = expanded(data)
    location = str(path.resolve()) if data != "digits" and path.exists() else data
    of_run = {key: settings.pop(key, None) for key in ("options", "learning_rate", "optimizers", "batch_size")}
    batch_size = of_run.pop("batch_size")
    asked = Training(model_name, Source(location, **settings), seed=seed, epochs=epochs, claim=claim, **of_run)
    model = new_model(asked)
    _check_data(asked, model.tags, data)
    asked = dataclasses.replace(asked, data=dataclasses.replace(asked.data, batch_size=batch_size or model.batch_size))
    directory = out or free_directory("runs", re.sub(r"[^\w.-]+", "-", claim or f"{model_name}-{Path(data).stem}"))
    run = Run.create(directory, asked)
    if told:
        say(f"{told}{_otherwise(recipe, given)}.")
    with alone(run.directory), run.discarded_on_failure():
        _fit(run, model, epochs)


def _recipe(name, claim, config):
    """What a claim or a file asks for, as settings of the command, and where from, in words; empty without either."""
    if claim is None and config is None:
        return {}, ""
    if name is not None or (claim and config):
        said = {"NAME": name, "--claim": claim, "--config": config}
        told = ", ".join(f"{key} {value}" for key, value in said.items() if value is not None)
        raise ValueError(f"A recipe names its model. Expected one of NAME, --claim and --config. Received: {told}")
    if claim is None:
        found, told = read_recipe(config), f"As {config} says"
    else:
        known, faults = claims.all_claims()
        claims.check_names([claim], known, faults)
        found, told = known[claim], f"As the claim {claim} says"
    fields = ("model", "epochs", "options", "learning_rate", "optimizers", "batch_size")
    own = {key: getattr(found, key) for key in fields if getattr(found, key) is not None}
    source = found.data_options
    return {"data": source.pop("name"), **source, **own}, told


def _otherwise(recipe, given):
    """What the user asked for otherwise than the recipe, in words."""
    old, new = ({**side, **(side.get("options") or {})} for side in (recipe, given))
    changed = {key: value for key, value in new.items() if key != "options" and value is not None}
    said = [
        f"{key.replace('_', ' ')} {value} instead of {old.get(key, 'the usual')}"
        for key, value in changed.items()
        if value != old.get(key)
    ]
    return f", but {', '.join(said)}" if said else ""


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
        say(f"Go on: genzoo resume {shlex.quote(str(run.directory))}")
        sys.exit(128 + (stopped.received or 0))
    say(f"{f'Epochs {first} to' if first < done else 'Epoch'} {done}. Model: {run.model_path}")
    say(f"Samples: {run.directory / 'samples' / f'epoch-{done:03d}.png'}")
