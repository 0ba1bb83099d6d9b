"""Checks on what a ``run.json`` holds, which may be somebody else's: of each value its type and range."""

from collections.abc import Callable, Mapping
from typing import Any

from genzoo.backend import BACKENDS
from genzoo.validation import choice, natural_number, non_negative, positive, positive_int


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
    if not isinstance(value, str):
        natural_number(name, value)


def _epochs_at_step(name, value):
    _object(name, value)
    for step, epochs in value.items():
        natural_number(f"{name}[{step}]", epochs)


def _plugin(name, value):
    _object(name, value)
    for key in ("distribution", "version"):
        _name(f"{name}.{key}", value.get(key))


def _number_or_text(name, value):
    if not isinstance(value, str):
        _of((int, float), "a number or text")(name, value)


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


def _parts(name, value):
    for part in ("name", "train", "test"):
        _name(f"{name}.{part}", value.get(part))
    if value.get("image_size") is not None:
        _size(f"{name}.image_size", value["image_size"])


def _scored(name, value):
    positive_int(f"{name}.epoch", value.get("epoch"))
    _both(_object, _each(_object))(f"{name}.scores", value.get("scores"))


TRAINING = {
    "model": _name,
    "options": _object,
    "learning_rate": _optional(positive),
    "seed": natural_number,
    "epochs": positive_int,
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
    "binarise": _optional(_binarise),
    "background": _optional(_text),
    "white": _optional(positive),
}
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
CLAIM = {
    **dict.fromkeys(("id", "title", "source", "model", "score"), _name),
    **{name: _optional(_text) for name in ("features", "select", "unit", "criterion", "than", "note")},
    **{name: _optional(positive_int) for name in ("batch_size", "score_every")},
    **{name: _both(_list, _each(_text)) for name in ("also", "estimated")},
    "data": _both(_object, _parts),
    "epochs": positive_int,
    "paper": _number_or_text,
    "minutes": _both(_object, _each(positive)),
    "options": _object,
    "learning_rate": _optional(positive),
    "arguments": _both(_object, _each(_object)),
    "samples": positive_int,
    "target": _optional(_of((int, float), "a number")),
    "tolerance": non_negative,
}
ROW = {
    **dict.fromkeys(("claim", "backend", "hardware", "commit", "date"), _name),
    **dict.fromkeys(("epochs", "epochs_of_claim"), positive_int),
    **{name: _both(_object, _each(_optional(_of((int, float), "a number")))) for name in ("best", "last", "also")},
    "reproduced": _object,
    "seeds": _list,
    "minutes": non_negative,
}
REPRODUCTION = {
    "seconds": _both(_object, _each(non_negative)),
    "scores": _both(_list, _each(_both(_object, _scored))),
    "commits": _list,
}
