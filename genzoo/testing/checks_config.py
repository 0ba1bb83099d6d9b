"""Checks of what can be known of a model before it trains: its arguments, its configuration, its docstring."""

import json
import re

import keras
import numpy as np

from genzoo.registry import docstring_section
from genzoo.testing.suite import check, expect

WRONG = {int: (-1, 1.5, "many"), float: (float("nan"), "many"), bool: ("many",), str: ("no-such-choice",)}


@check()
def init_stores_its_arguments(subject):
    """``__init__`` stores every argument, as it was given, under its own name.

    Mend: write ``self.option = option`` in ``__init__``, for every option; files and ``get_config`` read it there.
    """
    model, given = subject.make(), {**subject.cls.options(), **subject.config}
    for option in subject.cls.options():
        expect(hasattr(model, option), f"there is no `self.{option}`.")
        stored = getattr(model, option)
        expect(_same(stored, given[option]), f"`{option}` was {given[option]!r}, and `self.{option}` is {stored!r}.")


def _same(one, other):
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return [*one] == [*other]  # files know no tuples
    return one == other


@check(after=("unknown_options_are_refused",))
def init_checks_its_arguments(subject):
    """``__init__`` refuses values that an option cannot have, with a ``ValueError`` that names the option.

    Mend: wrap the argument in a function of ``genzoo.validation``: ``self.units = positive_int("units", units)``.
    """
    for option, default in {**subject.cls.options(), "seed": 0}.items():
        for wrong in WRONG.get(type(default), ()):
            try:
                subject.make(**{option: wrong})
            except ValueError as error:
                expect(option in str(error), f"{option}={wrong!r} raised an error that does not name it: {error}")
            except Exception as error:
                expect(False, f"{option}={wrong!r} raised a {type(error).__name__}: {error}")
            else:
                expect(False, f"{option}={wrong!r} was accepted.")


@check()
def unknown_options_are_refused(subject):
    """``__init__`` refuses options that it does not know, so that a misspelt one is not silently ignored.

    Mend: pass ``**kwargs`` on, ``super().__init__(**kwargs)``; Keras refuses what nobody has taken.
    """
    try:
        subject.make(no_such_option=1)
    except (TypeError, ValueError):
        return
    expect(False, "no_such_option=1 was accepted.")


@check(after=("unknown_options_are_refused",))
def float16_is_refused(subject):
    """``dtype="mixed_float16"`` is refused: it needs loss scaling, which several players cannot share.

    Mend: pass ``dtype`` on to ``GenerativeModel``, in ``**kwargs``, which refuses it.
    """
    try:
        subject.make(dtype="mixed_float16")
    except ValueError as error:
        expect("float16" in str(error), f"the error does not name it: {error}")
        return
    expect(False, "it was accepted.")


@check(after=("unknown_options_are_refused", "init_stores_its_arguments"))
def config_round_trips(subject):
    """``get_config`` holds every option, as JSON can, and ``from_config`` makes the same model of it.

    Mend: do without a ``get_config`` of your own, or let it add to ``super().get_config()``; options are numbers,
    strings, booleans, None, or lists and dicts of them.
    """
    model, options = subject.make(), subject.cls.options()
    config = model.get_config()
    missing = sorted({*options} - {*config})
    expect(not missing, f"get_config() leaves out {', '.join(missing)}.")
    for option in options:
        same = _same(config[option], getattr(model, option))
        expect(same, f"get_config() has {option}={config[option]!r}, the model has {getattr(model, option)!r}.")
    try:
        json.dumps({option: config[option] for option in options})
    except TypeError as error:
        expect(False, f"JSON cannot hold the options: {error}")
    again = subject.cls.from_config(config).get_config()
    changed = sorted(key for key in {*config, *again} if config.get(key) != again.get(key))
    expect(not changed, f"the copy's configuration differs in {', '.join(changed)}.")


@check()
def class_is_registered(subject):
    """Keras knows the class by name, so that a file of it can be loaded.

    Mend: decorate the class with ``@keras.saving.register_keras_serializable("your_package")``.
    """
    name = keras.saving.get_registered_name(subject.cls)
    expect(keras.saving.get_registered_object(name) is subject.cls, f"nothing is registered as {name!r}.")


@check()
def docstring_is_complete(subject):
    """The docstring says what the model is, names every option in ``Args``, and has an Example and a Reference.

    Mend: give the class' docstring the sections ``Args:``, ``Example:`` with ``>>>`` and ``Reference:`` with BibTeX,
    as the built-in models have them; ``genzoo info`` and ``genzoo.cite`` show them.
    """
    doc = subject.cls.__doc__ or ""
    expect(doc.strip() and not re.match(r"\s*(Args|Example|Reference):", doc), "it does not start with a summary.")
    arguments, reference = (docstring_section(subject.cls, title) for title in ("Args", "Reference"))
    expect(arguments, "it has no section `Args:` with an indented text.")
    expect(re.search(r"^ *Example:\n\s*>>> ", doc, re.MULTILINE), "it has no `Example:` that goes on with `>>> `.")
    expect("@" in reference, "it has no section `Reference:` with an indented BibTeX entry.")
    silent = [option for option in subject.cls.options() if not re.search(rf"\b{option}\b", arguments)]
    expect(not silent, f"`Args:` does not name {', '.join(silent)}.")


@check()
def metrics_are_described(subject):
    """Every name in ``logs`` says what it measures, and every network in ``players`` belongs to a player.

    Mend: ``logs = {"kl_loss": "KL divergence of q(z | x) from the prior"}``, and
    ``players = {"generator": ("generator",)}`` with the names of attributes.
    """
    model = subject.make()
    expect(model.players, "`players` is empty.")
    for player, networks in model.players.items():
        named = isinstance(networks, (tuple, list)) and networks and all(isinstance(n, str) for n in networks)
        expect(named, f"player {player!r} moves {networks!r}, which is no tuple of names.")
    for name, text in model.logs.items():
        expect(isinstance(text, str) and text.strip(), f"metric {name!r} has no description: {text!r}.")
    names = [metric.name for metric in model.metrics]
    expect(len(names) == len(set(names)), f"two metrics have one name: {', '.join(names)}.")
    expect(np.all([isinstance(tag, str) for tag in model.tags]), f"`tags` holds more than strings: {model.tags!r}.")
