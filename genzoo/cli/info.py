"""``genzoo info``: what a model's class says of itself."""

import inspect
import json
import re

from rich.markup import escape
from rich.table import Table

from genzoo import registry
from genzoo.cli.printing import console, plain, say, table


def show(name: str) -> None:
    """Prints a model's options, players, metrics, deviations from its paper, and reference."""
    spec, model = registry.spec(name), registry.get(name)
    cls = type(model)
    title = inspect.cleandoc(cls.__doc__ or "").split("\n")[0]
    console.print(f"[bold]{escape(spec.name)}[/]  {escape(spec.summary)}", highlight=False)
    if title not in ("", spec.summary):
        say(plain(title))
    say(f"Batch size {model.batch_size}. Tags: {', '.join(sorted(model.tags)) or 'none'}.")
    for part in (_options(model), _players(model), _metrics(model)):
        console.print()
        console.print(part)
    _deviations(registry.docstring_section(cls, "Deviations"))
    if reference := registry.docstring_section(cls, "Reference"):
        console.print("\nReference", style="bold")
        say(reference)
    if option := next(iter(model.options()), None):
        say(f"\nSet an option: genzoo train {name} --set {option}={_value(model, option)}")


def _options(model):
    rows = table("option", "default")
    for option in model.options():
        rows.add_row(option, _value(model, option))
    return rows


def _value(model, option):
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
        console.print("\nDeviations from the paper", style="bold")
        numbered = Table.grid(padding=(0, 1))
        for number, text in enumerate(deviations, 1):
            numbered.add_row(f"{number}.", escape(plain(" ".join(text.split()))))
        console.print(numbered, highlight=False)
