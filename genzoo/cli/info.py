"""``genzoo info``: what a model's class says of itself."""

import inspect
import json
import re
from typing import Any

from rich.padding import Padding
from rich.table import Table

from genzoo import registry
from genzoo.cli.options import explained
from genzoo.cli.printing import console, plain, say, styled, table


def show(name: str) -> None:
    """Prints a model's options, players, metrics, deviations from its paper, and reference."""
    spec, model = registry.spec(name), registry.get(name)
    cls = type(model)
    title = inspect.cleandoc(cls.__doc__ or "").split("\n")[0]
    console.print(styled((spec.name, "bold"), f"  {spec.summary}"))
    if title not in ("", spec.summary):
        console.print(plain(title))
    say(f"Batch size {model.batch_size}. Tags: {', '.join(sorted(model.tags)) or 'none'}.")
    _options(model)
    for part in (_players(model), _metrics(model)):
        console.print()
        console.print(part)
    _deviations(registry.docstring_section(cls, "Deviations"))
    if reference := registry.docstring_section(cls, "Reference"):
        _heading("Reference")
        say(reference, lines=True)
    if option := next(iter(model.options()), None):
        console.print()
        say(f"Set an option: genzoo train {name} --set {option}={_value(model, option)}")


def _heading(text):
    console.print()
    console.print(styled((text, "bold")))


def _options(model):
    """Every option with its default, and below it what it is."""
    _heading("Options")
    for option, text in explained(type(model)).items():
        console.print(styled((option, "bold"), f"  {_value(model, option)}"), soft_wrap=True)
        if text:
            console.print(Padding(text, (0, 0, 0, 4)))


def _value(model: Any, option: str) -> str:
    return json.dumps(getattr(model, option), default=repr)


def _players(model):
    rows = table("player", "moves", "optimizer")
    for player, networks in model.players.items():
        optimizer = model.optimizer[player]
        rate = f"learning rate {float(optimizer.learning_rate):g}"
        rows.add_row(player, ", ".join(networks), f"{type(optimizer).__name__}, {rate}")
    return rows


def _metrics(model):
    rows = table("metric", "what")
    for metric in model.metrics:
        rows.add_row(metric.name, model.logs.get(metric.name, "what the player minimises"))
    return rows


def _deviations(section):
    """Prints the numbered paragraphs of the section."""
    _, *deviations = re.split(r"^\d+\. ", section, flags=re.MULTILINE)
    if deviations:
        _heading("Deviations from the paper")
        numbered = Table.grid(padding=(0, 1))
        for number, text in enumerate(deviations, 1):
            numbered.add_row(f"{number}.", plain(" ".join(text.split())))
        console.print(numbered)
