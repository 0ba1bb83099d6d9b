"""Checks on what a ``run.json`` holds, which may be somebody else's: of each value its type and range."""

from collections.abc import Callable, Mapping
from typing import Any

from genzoo.backend import BACKENDS
from genzoo.validation import choice, natural_number, positive, positive_int


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
