"""The plugins that are installed: entry points of the group ``genzoo.models``, read from the metadata of packages.

Nothing is imported here. ``GENZOO_PLUGINS`` selects: distributions, or ``distribution/name``, separated by commas;
empty means none.
"""

import contextlib
import dataclasses
import functools
import os
import re
import sys
import warnings

from genzoo.discovery.specs import ModelSpec, is_name, key_of, path_of

GROUP = "genzoo.models"


@dataclasses.dataclass(frozen=True)
class Plugin:
    """An entry point of an installed distribution.

    Attributes:
        name: the entry point's, as a key.
        target: ``"package.module:object"``.
        distribution, version: as its metadata spell them.
        requires: what the distribution declares that it needs.
        location: the folder that it was found in.
        fault: what keeps its entry point from being one, or empty. Such a plugin is only told of.
    """

    name: str
    target: str
    distribution: str
    version: str
    requires: tuple[str, ...] = ()
    location: str = ""
    fault: str = ""

    @property
    def key(self) -> str:
        """The distribution's name as it is compared."""
        return distribution_key(self.distribution)

    @property
    def full_name(self) -> str:
        return f"{self.key}/{self.name}"

    def may_serve(self, name: str) -> bool:
        """Whether a model of this name may be among those that its function returns."""
        return name.startswith(f"{self.name}-")


imported: dict[Plugin, tuple[ModelSpec, ...]] = {}  # what each plugin has turned out to bring, once it was imported


def selected() -> list[Plugin]:
    """The plugins that there are, but for those that ``GENZOO_PLUGINS`` leaves out."""
    wanted = selection()
    return [plugin for plugin in installed() if wanted is None or wanted & selectors(plugin)]


def selected_of(distribution: str) -> list[Plugin]:
    """Those of them that this distribution declares."""
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
    return [plugin for plugin in _found() if not plugin.fault]


def faulty() -> list[Plugin]:
    """Entry points that cannot be any model's."""
    return [plugin for plugin in _found() if plugin.fault]


def _found():
    return _installed(tuple((path, _modified(path)) for path in sys.path))


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
    plugins = sorted((plugin for plugins in found.values() for plugin in plugins), key=lambda plugin: plugin.full_name)
    for plugin in plugins:
        if plugin.fault:
            who = f"The entry point {plugin.name!r} of {plugin.distribution} {plugin.version}"
            warnings.warn(f"{who} is left out: {plugin.fault}. Tell its author.", stacklevel=2)
    return plugins


def _metadata(distribution):
    """Name, version and so on. ``distribution.metadata`` parses the description too, which takes long."""
    from email.parser import HeaderParser

    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO")
    return HeaderParser().parsestr(text.partition("\n\n")[0])


def _plugins(points, metadata, location):
    requires = tuple(metadata.get_all("Requires-Dist", ()))
    about = (metadata["Name"], metadata.get("Version", "?"), requires, location)
    return [_plugin(point, about) for point in points]


def _plugin(point, about):
    try:
        target = f"{point.module}:{point.attr}"
    except AttributeError:  # what the standard library raises for a value that it does not understand
        return Plugin(
            point.name, point.value, *about, fault=f"it must be 'package.module:Class', and is {point.value!r}"
        )
    name = key_of(point.name)
    fault = "" if is_name(name) else "a model's name is lowercase kebab, such as 'beta-vae'"
    return Plugin(name, target, *about, fault=fault)


def of_class(cls: type) -> Plugin | None:
    """The plugin that a class comes from: that declares it, or else is in the same module, or else in its package."""
    path = path_of(cls)
    if path.startswith("genzoo."):
        return None
    module = path.partition(":")[0]
    near = {}
    for plugin in installed():
        declared = {plugin.target, *(path_of(model.target) for model in imported.get(plugin, ()))}
        modules = {target.partition(":")[0] for target in declared}
        packages = {name.partition(".")[0] for name in modules}
        for distance, is_near in enumerate((path in declared, module in modules, module.partition(".")[0] in packages)):
            if is_near:
                near.setdefault(distance, plugin)
    return near[min(near)] if near else None


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


def strict() -> bool:
    """Whether a broken plugin's own exception is wanted, with its traceback."""
    return os.environ.get("GENZOO_STRICT_PLUGINS", "") not in ("", "0")


def distribution_key(name: str) -> str:
    """A distribution's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()
