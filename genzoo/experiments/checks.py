"""Checks on what a ``run.json`` or a claim holds, which may be somebody else's: of each value its type and range."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from genzoo.backend import BACKENDS
from genzoo.validation import choice, fraction, natural_number, non_negative, positive, positive_int


def check(found: Mapping[str, Any], checks: Mapping[str, Callable]) -> None:
    """Calls for each value that is there the check of its name.

    Raises:
        ValueError: names the value.
    """
    for name, is_right in checks.items():
        if name in found:
            is_right(name, found[name])


def _of(kind, words):
    def is_right(name, value):
        if not isinstance(value, kind):
            raise ValueError(f"`{name}` must be {words}. Received: {name}={repr(value)[:80]}")

    return is_right


def _optional(is_right):
    return lambda name, value: None if value is None else is_right(name, value)


_text, _object, _list = _of(str, "text"), _of(Mapping, "an object"), _of(list, "a list")


def _name(name, value):
    _text(name, value)
    if not value.strip():
        raise ValueError(f"`{name}` must not be empty.")


def _size(name, value):
    for side in value if isinstance(value, (list, tuple)) and len(value) == 2 else [value]:
        positive_int(name, side)


def _binarise(name, value):
    if isinstance(value, str):
        choice(name, value, ("threshold", "dynamic"))
    else:
        natural_number(name, value)


def _epochs_at_step(name, value):
    _object(name, value)
    for step, epochs in value.items():
        natural_number(f"{name}[{step}]", epochs)


def _optimizers(name, value):
    _object(name, value)
    for player, options in value.items():
        _object(f"{name}.{player}", options)


def _plugin(name, value):
    _object(name, value)
    for key in ("distribution", "version"):
        _name(f"{name}.{key}", value.get(key))


def _each(is_right):
    """Of every value of an object, or of a list."""

    def is_right_throughout(name, value):
        for key, one in value.items() if isinstance(value, Mapping) else enumerate(value):
            is_right(f"{name}[{key}]", one)

    return is_right_throughout


def _both(*checks):
    def is_right(name, value):
        for one in checks:
            one(name, value)

    return is_right


def _scored(name, value):
    positive_int(f"{name}.epoch", value.get("epoch"))
    _both(_object, _each(_object))(f"{name}.scores", value.get("scores"))


def _result(name, value):
    """A number of a row, or mean and standard deviation over seeds."""
    _object(name, value)
    for key in ("value", "sd"):
        _optional(_number)(f"{name}.{key}", value.get(key))
    for epoch in value["epoch"] if isinstance(value.get("epoch"), list) else [value.get("epoch")]:
        positive_int(f"{name}.epoch", epoch)


def _texts(name, value):
    if not isinstance(value, (list, tuple)) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"`{name}` must be a list of texts. Received: {name}={repr(value)[:80]}")


def _number(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"`{name}` must be a number. Received: {name}={repr(value)[:80]}")


def _minutes(name, value):
    _object(name, value)
    for machine, minutes in value.items():
        choice(f"machine in {name}", machine, ("cpu", "gpu"))
        positive(f"{name}.{machine}", minutes)


def _arguments(name, value):
    _object(name, value)
    for score, arguments in value.items():
        _object(f"{name}.{score}", arguments)


RECIPE = {
    "model": _name,
    "options": _object,
    "learning_rate": _optional(positive),
    "optimizers": _optional(_optimizers),
    "data": _object,
    "epochs": positive_int,
    "batch_size": _optional(positive_int),
}
CLAIM = {
    **dict.fromkeys(("id", "title", "source", "model", "unit", "note"), _text),
    "score": _name,
    "paper": lambda name, value: _text(name, value) if isinstance(value, str) else _number(name, value),
    "minutes": _minutes,
    "also": _texts,
    "arguments": _arguments,
    "samples": positive_int,
    "features": _optional(_text),
    "select": _optional(_name),
    "select_on": lambda name, value: choice(name, value, (None, "validation")),
    "score_every": _optional(positive_int),
    "seeds": positive_int,
    "target": _optional(_number),
    "tolerance": non_negative,
    "than": _optional(_name),
    "estimated": _texts,
    "reduces": _optional(_name),
}
TRAINING = {
    **{name: RECIPE[name] for name in ("model", "options", "learning_rate", "optimizers", "epochs")},
    "seed": natural_number,
    "claim": _optional(_text),
    "scored": _optional(_object),
}
SOURCE = {
    "name": _name,
    "split": _name,
    "image_size": _optional(_size),
    "batch_size": positive_int,
    "inputs": _optional(_text),
    "targets": _optional(_text),
    "labels": _optional(positive_int),
    "labelled_fraction": _optional(fraction),
    "binarise": _optional(_binarise),
    "background": _optional(_text),
    "white": _optional(positive),
}
SPLITS = {f"data.{name}": _name for name in ("train", "test", "validation")}  # of a recipe
PROGRESS = {"epochs_done": natural_number, "epochs_at_step": _epochs_at_step}
MADE_WITH = {
    "id": _optional(_text),
    "backend": lambda name, value: choice(name, value, BACKENDS),
    "versions": _object,
    "plugin": _optional(_plugin),
    "before": _list,
    "num_classes": positive_int,
    "class_names": _list,
}
ROW = {
    **dict.fromkeys(("claim", "backend", "hardware", "commit", "date"), _name),
    **dict.fromkeys(("epochs", "epochs_of_claim"), positive_int),
    "best": _result,
    "last": _result,
    "also": _both(_object, _each(_optional(_of((int, float), "a number")))),
    "reproduced": _object,
    "seeds": _list,
    "minutes": non_negative,
}
REPRODUCTION = {
    "seconds": _both(_object, _each(non_negative)),
    "scores": _both(_list, _each(_both(_object, _scored))),
    "commits": _list,
}
