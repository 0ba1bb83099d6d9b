"""Models that other packages bring, as entry points of the group ``genzoo.models``. Standard library only.

An entry point's name is a model's name, and its object is the class::

    [project.entry-points."genzoo.models"]
    hello-vae = "genzoo_hello:HelloVAE"
    pack = "genzoo_pack:models"

or it is a function without arguments that returns several ``ModelSpec``. Its entry point ``pack`` then serves the
models ``pack`` and ``pack-*``. ``distribution/name`` always works, for every model that the distribution brings.

A plugin is imported when it is asked for, and never before. What goes wrong in it then is a ``PluginError`` of its own.

``GENZOO_PLUGINS`` selects: distributions, or ``distribution/name``, separated by commas; empty means none.
``GENZOO_STRICT_PLUGINS=1`` raises a broken plugin's own exception.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Mapping

from genzoo.describe import describe
from genzoo.entry_points import Plugin, PluginSpec, distribution_key
from genzoo.errors import PluginError
from genzoo.specs import ModelSpec, key_of, path_of

GROUP = "genzoo.models"


def listed(taken: Mapping[str, ModelSpec]) -> dict[str, PluginSpec]:
    """The plugins' models: by their bare names where those are unambiguous, else by their full names.

    Args:
        taken: the names that plugins cannot have.
    """
    exact, brought = {}, {}
    for plugin in selected():
        for model in plugin.known_models():
            if model.name in taken and path_of(taken[model.name].target) == path_of(model.target):
                continue  # its module registers it as well
            names = exact if model.name == plugin.name else brought
            names.setdefault(model.name, {})[model.full_name] = model
    found = {}
    for names, others in ((exact, {}), (brought, exact)):
        for name, models in names.items():
            alone = len(models) == 1 and name not in taken and name not in others
            for full_name, model in models.items():
                if full_name not in others.get(name, ()):
                    found[name if alone else full_name] = model
    return found


def named(name: str) -> list[PluginSpec]:
    """The models of this bare name: entry points of exactly this name, else what functions bring, for which those of
    the names before a dash are imported.

    Raises:
        PluginError: none brings it, and one that may is broken.
    """
    exact = [plugin.spec() for plugin in selected() if plugin.name == name]
    return exact or _brought(name, [plugin for plugin in selected() if plugin.may_serve(name)])


def of_distribution(distribution: str, name: str) -> list[PluginSpec]:
    """The model of this name that a distribution brings, if it does, as ``named`` finds it."""
    own = _selected_of(distribution)
    exact = [plugin.spec() for plugin in own if plugin.name == name]
    return exact or _brought(name, own)


def _brought(name, among):
    found, broken = {}, []
    for plugin in among:
        if describe(plugin.target).kind != "class":
            try:
                models = plugin.models()
            except PluginError as error:
                broken.append(error)
                continue
            found |= {model.full_name: model for model in models if model.name == name}
    if broken and not found:
        raise broken[0]
    return list(found.values())


def of_class(cls: type) -> Plugin | None:
    """The plugin that a class comes from: that declares it, or else is in the same module, or else in its package."""
    path = path_of(cls)
    if path.startswith("genzoo."):
        return None
    module = path.partition(":")[0]
    near = {}
    for plugin in installed():
        declared = {plugin.target, *(path_of(model.target) for model in plugin.imported)}
        modules = {target.partition(":")[0] for target in declared}
        packages = {name.partition(".")[0] for name in modules}
        for distance, is_near in enumerate((path in declared, module in modules, module.partition(".")[0] in packages)):
            if is_near:
                near.setdefault(distance, plugin)
    return near[min(near)] if near else None


def bring(distribution: str, target: str) -> bool:
    """Imports the class of this target if an entry point of this distribution, or what its functions return, is it.

    Raises:
        PluginError: none does, and one that may is broken.
    """
    broken, own = [], _selected_of(distribution)
    for plugin in sorted(own, key=lambda plugin: plugin.target.partition(":")[2] != target.partition(":")[2]):
        try:
            models = plugin.models()
        except PluginError as error:
            broken.append(error)
            continue
        for model in sorted(models, key=lambda model: path_of(model.target) != target):
            try:
                if path_of(model.load()) == target:
                    return True
            except PluginError as error:  # another model of the same function may be whole
                broken.append(error)
    if broken:
        raise broken[0]
    return False


def why_missing(distribution: str, version: str) -> str:
    """A sentence on why a model of this distribution is not there, and what to do."""
    key = distribution_key(distribution)
    here = {plugin.key: plugin.version for plugin in installed()}
    if key not in here:
        return (
            f"It comes with the package {distribution!r} {version}, which is not installed. "
            f"Install it: pip install {distribution}"
        )
    if any(plugin.key == key for plugin in left_out()):
        return f"It comes with the package {distribution!r}, which GENZOO_PLUGINS leaves out."
    return (
        f"It came with {distribution} {version}; {distribution} {here[key]} is installed and does not bring it. "
        f"Install that version: pip install {distribution}=={version}"
    )


# What is installed, and what of it is selected.


def selected() -> list[Plugin]:
    """The plugins that there are, but for those that ``GENZOO_PLUGINS`` leaves out."""
    wanted = selection()
    return [plugin for plugin in installed() if wanted is None or wanted & selectors(plugin)]


def _selected_of(distribution):
    key = distribution_key(distribution)
    return [plugin for plugin in selected() if plugin.key == key]


def selectors(plugin: Plugin) -> set[str]:
    """What ``GENZOO_PLUGINS`` may say to mean this one."""
    return {plugin.full_name, plugin.key}


def left_out() -> list[Plugin]:
    """What ``GENZOO_PLUGINS`` leaves out."""
    chosen = set(selected())
    return [plugin for plugin in installed() if plugin not in chosen]


def selection() -> set[str] | None:
    """The distributions and full names in ``GENZOO_PLUGINS``, or None where it is not set."""
    if "GENZOO_PLUGINS" not in os.environ:
        return None
    entries = (entry.strip().partition("/") for entry in os.environ["GENZOO_PLUGINS"].split(","))
    return {distribution_key(name) + slash + key_of(model) for name, slash, model in entries if name}


def installed() -> list[Plugin]:
    """The entry points of all distributions, by full name. Looks again when a folder on the path changed."""
    return list(_installed(tuple((path, _modified(path)) for path in sys.path)))


def _modified(path):
    with contextlib.suppress(OSError):
        return os.stat(path or ".").st_mtime_ns


@functools.lru_cache(maxsize=1)
def _installed(path):
    from importlib.metadata import distributions  # a third of what `import genzoo` may take

    found = {}
    for distribution in distributions():
        # Metadata that cannot be read hide their own distribution. The first of a name is the one that Python imports.
        with contextlib.suppress(Exception):
            points = [point for point in distribution.entry_points if point.group == GROUP]
            if points:
                brought = _plugins(points, _metadata(distribution), str(distribution.locate_file("")))
                found.setdefault(brought[0].key, brought)
    return sorted((plugin for plugins in found.values() for plugin in plugins), key=lambda plugin: plugin.full_name)


def _metadata(distribution):
    """Name, version and so on. ``distribution.metadata`` parses the description too, which takes long."""
    from email.parser import HeaderParser

    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO")
    return HeaderParser().parsestr(text.partition("\n\n")[0])


def _plugins(points, metadata, location):
    requires = tuple(metadata.get_all("Requires-Dist", ()))
    about = (metadata["Name"], metadata.get("Version", "?"), requires, location)
    return [Plugin(key_of(point.name), f"{point.module}:{point.attr}", *about) for point in points]
