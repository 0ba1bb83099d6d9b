"""A player's optimizer as data, as claims and ``run.json`` have it: Keras' class and options, and schedules in epochs.

::

    generator = { class = "SGD", momentum = 0.5, learning_rate = { schedule = "linear", start = 0.1, ... } }

Without a class the model's own optimizer is meant, with these options changed. Schedules are functions of the player's
updates. So an optimizer's file holds them whole, and a run that is resumed follows them exactly.
"""

import inspect
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras.optimizers import schedules

from genzoo.errors import unknown_name
from genzoo.model import GenerativeModel
from genzoo.optimizers import Later, ScheduledSGD
from genzoo.validation import natural_number, positive, positive_int

SCHEDULED = ("learning_rate", "momentum")  # options that may follow a schedule
BURDA = 8  # stages of Burda et al. (2016)


def compile_with(
    model: GenerativeModel,
    optimizers: Mapping[str, Mapping[str, Any]],
    learning_rate: float | None,
    steps_per_epoch: int | None,
) -> None:
    """Gives players the optimizers that were asked for. The others keep their own.

    Args:
        model: not yet trained.
        optimizers: by player, as data.
        learning_rate: of every player, in place of what ``optimizers`` say and where their schedules start; or None.
        steps_per_epoch: what epochs are turned into steps by; None where nobody knows.

    Raises:
        ValueError: an unknown player, class, option or schedule, or a value that it cannot have.
    """
    for player in optimizers:
        if player not in model.players:
            raise unknown_name("player with an optimizer", player, model.players)
    made = {player: model.optimizer[player] for player in model.players}
    for player, asked in optimizers.items():
        updates = None if steps_per_epoch is None else steps_per_epoch * model.updates_per_step(player)
        asked = asked if learning_rate is None else _from(learning_rate, asked)
        made[player] = optimizer(player, asked, made[player], updates)
    if optimizers:
        model.compile(made)
    if learning_rate is not None:
        for player in set(model.players) - set(optimizers):
            model.optimizer[player].learning_rate = learning_rate


def optimizer(
    player: str, asked: Mapping[str, Any], own: keras.optimizers.Optimizer, updates: int | None
) -> keras.optimizers.Optimizer:
    """The optimizer that was asked for.

    Args:
        player: whose it is, for errors.
        asked: options of Keras, and maybe the ``class``.
        own: what the model would give the player.
        updates: that the player makes in an epoch, or None.
    """
    asked, default = dict(asked), {} if "class" in asked else own.get_config()
    cls = _class(player, asked.pop("class", None) or _public_name(own))
    options = {**default, **asked}
    known = set(inspect.signature(cls.__init__).parameters) - {"self", "args", "kwargs"}
    for name, value in asked.items():
        if name not in known:
            raise unknown_name(f"option of {player}'s optimizer {cls.__name__}", name, {*known, "class"})
        if isinstance(value, Mapping) and name in SCHEDULED:
            options[name] = _schedule(f"{player}.{name}", {"start": default.get(name), **value}, updates)
        elif not isinstance(value, (bool, int, float)) or not math.isfinite(value):
            raise ValueError(f"`{player}.{name}` must be a number, true or false. Received: {repr(value)[:80]}")
        elif name == "learning_rate":
            positive(f"{player}.{name}", value)
    if isinstance(options.get("momentum"), schedules.LearningRateSchedule):
        cls = ScheduledSGD
    if isinstance(options.get("momentum"), int):
        options["momentum"] = float(options["momentum"])  # Keras takes no 0
    try:
        return cls.from_config(options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The optimizer of {player!r} cannot be made: {error}") from error


def _class(player, name):
    known = [
        key
        for key, value in vars(keras.optimizers).items()
        if isinstance(value, type) and issubclass(value, keras.optimizers.Optimizer)
    ]
    known = sorted({*known} - {"Optimizer", "LossScaleOptimizer"})
    if name not in known:
        raise unknown_name(f"class of {player}'s optimizer", name, known, "It is one of keras.optimizers.")
    return getattr(keras.optimizers, name)


def _public_name(own):
    """Of the class. On PyTorch an optimizer is of another than it was asked for, of the same name."""
    return "SGD" if isinstance(own, ScheduledSGD) else type(own).__name__


def _from(learning_rate, asked):
    """The same optimizer with another rate, from which its schedule starts."""
    rate = asked.get("learning_rate")
    return {**asked, "learning_rate": {**rate, "start": learning_rate} if isinstance(rate, Mapping) else learning_rate}


def _schedule(name, asked, updates):
    """The schedule of Keras that a table means."""
    kinds = {
        "piecewise": (_piecewise, {"start", "epochs", "factors"}, {"start", "epochs", "factors"}),
        "exponential": (_exponential, {"start", "factor"}, {"start", "factor", "epochs", "steps"}),
        "linear": (_linear, {"start", "end", "epochs"}, {"start", "end", "epochs"}),
        "burda": (_burda, {"start"}, {"start"}),
    }
    kind, given = asked.get("schedule"), {key: value for key, value in asked.items() if key != "schedule"}
    if not isinstance(kind, str) or kind not in kinds:
        raise unknown_name(f"schedule of {name}", kind, kinds)
    make, needed, known = kinds[kind]
    for key in given:
        if key not in known:
            raise unknown_name(f"field of {name}, a schedule {kind!r}", key, known)
    missing = sorted(key for key in needed if given.get(key) is None)
    if missing:
        raise ValueError(f"`{name}`, a schedule {kind!r}, lacks {', '.join(missing)}.")
    given["start"] = positive(f"{name}.start", given["start"])
    return make(name, _in_updates(name, updates), **given)


def _in_updates(name, updates) -> Callable[[int], int]:
    """The function from an epoch to the updates before it."""

    def before(epoch):
        if updates is None:
            raise ValueError(f"`{name}` is told in epochs, and nobody knows how many steps an epoch of this data has.")
        return natural_number(f"{name}.epochs", epoch) * updates

    return before


def _piecewise(name, before, start, epochs, factors):
    """From each of these epochs on the start times its factor."""
    ends = _rising(name, before, epochs)
    if not isinstance(factors, (list, tuple)) or len(factors) != len(ends):
        raise ValueError(f"`{name}` takes as many factors as epochs. Received: {epochs=}, {factors=}")
    values = [start, *(start * positive(f"{name}.factors", factor) for factor in factors)]
    return schedules.PiecewiseConstantDecay([end - 1 for end in ends], values)


def _exponential(name, before, start, factor, epochs=None, steps=None):
    """Times the factor in every so many steps, or between two epochs; constant before the first of them."""
    if (epochs is None) == (steps is None):
        raise ValueError(f"`{name}` takes either two epochs or steps. Received: epochs={epochs!r}, steps={steps!r}")
    if steps is None:
        begin, end = _rising(name, before, epochs, 2)
        return _later(schedules.ExponentialDecay(start, end - begin, positive(f"{name}.factor", factor)), begin)
    steps, factor = positive_int(f"{name}.steps", steps), positive(f"{name}.factor", factor)
    # Told over about as many steps as it takes to fall e-fold: in float32 a factor near 1 would be rounded.
    many = max(1, round(abs(1 / math.log(factor)))) if factor != 1 else 1
    return schedules.ExponentialDecay(start, steps * many, factor**many)


def _linear(name, before, start, end, epochs):
    """In a straight line from start to end between two epochs, constant before and after."""
    first, last = _rising(name, before, epochs, 2)
    return _later(schedules.PolynomialDecay(start, last - first, positive(f"{name}.end", end)), first)


def _burda(name, before, start):
    """3^i epochs at start times 10^(-i/7), for i = 0 to 7 (Burda et al. 2016)."""
    ends = [sum(3**j for j in range(i)) for i in range(1, BURDA)]
    return _piecewise(name, before, start, ends, [10 ** (-i / 7) for i in range(1, BURDA)])


def _rising(name, before, epochs, count=None):
    """Epochs, each later than the one before it, in updates."""
    found = [before(epoch) for epoch in epochs] if isinstance(epochs, (list, tuple)) else []
    if not found or len(found) != (count or len(found)) or any(a >= b for a, b in itertools.pairwise(found)):
        raise ValueError(f"`{name}.epochs` must be {count or 'some'} epochs, later ones last. Received: {epochs!r}")
    return found


def _later(schedule, begin):
    return Later(schedule, begin) if begin else schedule
