"""``genzoo evaluate``: scores of a trained model, as a table and as a file that says what they depend on."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from rich.table import Table

from genzoo import evaluation
from genzoo.cli.printing import console, say, table, warn
from genzoo.data import sprites
from genzoo.data.progress import telling
from genzoo.evaluation import provenance, scores
from genzoo.experiments.rows import rounded
from genzoo.experiments.runs import Run
from genzoo.experiments.training import Source
from genzoo.model import samplers
from genzoo.registry import loading

WITH_TRAIN = {"train", "train_labels"}  # what a score may need of the training images


def show(
    source: Path,
    *,
    metrics: str | None,
    data_name: str | None,
    split: str | None,
    image_size: int | None,
    features: str | None,
    arguments: Any,
    output: Path | None,
    **options: Any,
) -> None:
    """Evaluates a model, prints the table and writes the file; ``options`` are for ``genzoo.evaluate``."""
    names = [name.strip() for name in metrics.split(",") if name.strip()] if metrics else None
    arguments = by_metric(arguments)
    for name in {*(names or []), *arguments}:
        scores.find(name, arguments.get(name, ()))
    model, reference = loading.load(source, compile=False), _reference(source, data_name, image_size)
    with telling():
        real, split = _real(reference, split)
        options |= _also(reference, split, model, options["sampler"], [*(names or []), *arguments])
    features = features or evaluation.default_features(reference.name)
    found = evaluation.evaluate(
        model, real, metrics=names, features=features, split=split, arguments=arguments, **options
    )
    output = _written(found, output, source, model, reference, split)
    console.print(table_of(found))
    if shared := in_words(shared_settings(found)):
        console.print()
        console.print(f"Where a score has them: {shared}.")
    console.print()
    say(f"Every score with its protocol: {output}")


def _reference(source, name, image_size):
    """The data to judge by: what a run was trained on, unless another is named; a bare file does not say."""
    known = Run.open(source).asked.data if (Path(source) / "run.json").exists() else None
    if known is not None and name in (None, known.name):
        return dataclasses.replace(known, image_size=image_size or known.image_size)
    if name is None:
        raise ValueError(f"{source} does not say what it was trained on. Name the data: --data NAME")
    return Source(name, image_size=image_size)


def _real(reference, split):
    """The images to judge by and the name of their part: the test part where there is one, if nobody chose."""
    if split is not None:
        return reference.part(split, shuffle=False), split
    try:
        return reference.part("test"), "test"
    except ValueError:  # it has none; what else may be wrong is wrong with the other part too
        images = reference.part("train", shuffle=False)
        warn(f"{reference.name} has no test part: judged by what it was trained on. Name another part: --split")
        return images, "train"


def _also(reference, split, model, sampler, asked):
    """What scores and sampler need beside the images to judge by: those trained on, and factors."""
    found = {}
    unfitted = sampler in samplers.NAMES[1:] and sampler not in model.fitted_samplers
    if unfitted or any(scores.SCORES[name].needs & WITH_TRAIN for name in asked):
        found["train"] = reference.part(reference.split)
    if unfitted:
        model.fit_sampler(sampler, found["train"])
    if reference.name == "sprites":
        found["factors"] = sprites.factors(split)
    return found


def _written(found, output, source, model, reference, split):
    """Writes the scores, with those that the file holds already; returns its path."""
    is_run = Path(source).is_dir()
    path = Path(source) / "model.keras" if is_run else Path(source)
    output = output or (path.with_name("metrics.json") if is_run else path.with_suffix(".metrics.json"))
    prepared = {"image_size": reference.image_size, "binarise": reference.binarise}
    document = {
        "model": {"file": path.name, "sha256": provenance.sha256(path), "class": type(model).__name__},
        "data": {"name": reference.name, "split": split, **{k: v for k, v in prepared.items() if v is not None}},
        "date": provenance.now(),
        "commit": provenance.commit(),
        "scores": {**_known_scores(output, path, reference.name), **found},
    }
    provenance.write_json(output, document)
    return output


def _known_scores(output, path, data_name):
    """What the file holds already of the same model on the same data; each score has a protocol of its own."""
    try:
        known = json.loads(Path(output).read_text())
        same = (known["model"]["sha256"], known["data"]["name"]) == (provenance.sha256(path), data_name)
        return known["scores"] if same else {}
    except (OSError, ValueError, LookupError, TypeError):  # none, or not one of ours
        return {}


def by_metric(pairs: dict) -> dict:
    """``{"nll.num_samples": 50}`` as ``{"nll": {"num_samples": 50}}``."""
    arguments = {}
    for key, value in pairs.items():
        metric, dot, name = key.partition(".")
        if not dot:
            raise ValueError(f"--set takes METRIC.KEY=VALUE, such as nll.num_samples=500. Received: {key!r}")
        arguments.setdefault(metric.replace("_", "-"), {})[name] = value
    return arguments


def table_of(found: dict) -> Table:
    """The scores, what is beside each, and the settings in which its protocol differs from the others'."""
    rows = table()
    for column in ("metric", "score", "beside", "by"):
        rows.add_column(column, style="bold" if column == "metric" else None, no_wrap=column in ("metric", "score"))
    shared = shared_settings(found)
    for name, result in found.items():
        beside = [
            f"{key.replace('_', ' ')} {_number(value)}"
            for key, value in result.items()
            if key not in ("value", "protocol") and not isinstance(value, list)
        ]
        own = {key: value for key, value in _settings(result["protocol"]).items() if key not in shared}
        rows.add_row(name, _number(result["value"]), ", ".join(beside), in_words(own))
    return rows


def shared_settings(found: dict) -> dict:
    """What several protocols hold and no two hold differently."""
    held = {}
    for result in found.values():
        for key, value in _settings(result["protocol"]).items():
            held.setdefault(key, []).append(value)
    return {key: values[0] for key, values in held.items() if len(values) > 1 and len(set(values)) == 1}


def in_words(settings: dict) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items())


def _settings(protocol):
    """Counts, features, seed and settings of a score's own, short."""
    found = {key: value for key, value in protocol.items() if isinstance(value, (int, float)) or key == "split"}
    if "features" in protocol:
        name, digest = protocol["features"]["name"], protocol["features"].get("sha256") or ""
        found["features"] = f"{name} {digest[:8]}".strip()
    return {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in found.items()}


def _number(value):
    return str(value) if isinstance(value, (int, str)) else rounded(value)
