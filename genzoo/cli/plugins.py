"""``genzoo plugins``: what is installed, and what is wrong with it."""

import contextlib
import sys
import warnings

from genzoo import registry
from genzoo.cli.printing import Screen, console, say, table
from genzoo.discovery import installed
from genzoo.errors import PluginError
from genzoo.registry.plugins import models_of, seconds_spent

SLOW = 1.0  # seconds of import that are worth a word


def show() -> None:
    """Imports every plugin and prints a table: distribution, version, names, status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the table has those of entry points that are left out
        faulty = installed.faulty()
    rows = [_row(plugin) for plugin in installed.selected()]
    rows += [(plugin, "", "left out by GENZOO_PLUGINS") for plugin in installed.left_out()]
    rows += [(plugin, plugin.name, f"left out: {plugin.fault}") for plugin in faulty]
    if rows:
        shown = table("distribution", "version", "names", "status")
        for plugin, names, status in rows:
            shown.add_row(plugin.distribution, plugin.version, names or plugin.full_name, status)
        wide = console if console.is_terminal else Screen(width=10_000)  # a reason is one line
        wide.print(shown)
    else:
        say("No plugin is installed.")
    for entry in sorted(installed.selection() or ()):
        if all(entry not in installed.selectors(plugin) for plugin in installed.installed()):
            say(f"GENZOO_PLUGINS names {entry!r}, which is not installed.")


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
