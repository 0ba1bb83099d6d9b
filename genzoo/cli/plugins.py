"""``genzoo plugins``: what is installed, and what is wrong with it."""

import contextlib
import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from genzoo import registry
from genzoo.discovery import installed
from genzoo.errors import PluginError
from genzoo.registry.plugins import models_of, seconds_spent

SLOW = 1.0  # seconds of import that are worth a word


def show(console: Console) -> None:
    """Imports every plugin and prints a table: distribution, version, names, status."""
    rows = [_row(plugin) for plugin in installed.selected()]
    rows += [(plugin, "", "left out by GENZOO_PLUGINS") for plugin in installed.left_out()]
    if rows:
        table = Table(box=None, pad_edge=False)
        for column in ("distribution", "version", "names", "status"):
            table.add_column(column, style="bold" if column == "names" else None)
        for plugin, names, status in rows:
            table.add_row(*map(escape, (plugin.distribution, plugin.version, names or plugin.full_name, status)))
        wide = console if console.is_terminal else Console(width=10_000)  # a reason is one line
        wide.print(table, highlight=False)
    else:
        console.print("No plugin is installed.")
    for entry in sorted(installed.selection() or ()):
        if all(entry not in installed.selectors(plugin) for plugin in installed.installed()):
            console.print(f"GENZOO_PLUGINS names {escape(repr(entry))}, which is not installed.", highlight=False)


def _row(plugin):
    before = seconds_spent.get(plugin, 0.0)
    with contextlib.redirect_stdout(sys.stderr):  # what it prints does not belong to the table
        try:
            status = "; ".join(_faults(plugin)) or "ok"
        except KeyboardInterrupt:
            print(f"While {plugin.full_name} was imported:", file=sys.stderr)
            raise
    took = seconds_spent.get(plugin, 0.0) - before
    if took >= SLOW:
        status += f", import took {took:.1f} s"
    names = [name for name, spec in registry.all_specs().items() if getattr(spec, "plugin", None) == plugin]
    return plugin, " ".join(names), status


def _faults(plugin):
    """What is wrong with it, or with each of the models that it brings."""
    try:
        models = models_of(plugin)
    except PluginError as error:
        yield error.reason
        return
    for model in models:
        try:
            model.load()
        except PluginError as error:
            yield error.reason if len(models) == 1 else f"{model.name}: {error.reason}"
