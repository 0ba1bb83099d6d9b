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
import dataclasses
import functools
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping

from genzoo.describe import describe
from genzoo.errors import PluginError
from genzoo.specs import ModelSpec, key_of, load_target, path_of, summary_of

GROUP = "genzoo.models"


@dataclasses.dataclass(frozen=True)
class PluginSpec(ModelSpec):
    """A model that a plugin brings."""

    plugin: "Plugin | None" = None

    @property
    def full_name(self) -> str:
        return f"{distribution_key(self.source)}/{self.name}"

    def described(self) -> "PluginSpec":
        """With summary and tags, which an entry point does not have, from the source: nothing is imported."""
        if self.summary or not isinstance(self.target, str):
            return self
        _, summary, tags = describe(self.target)
        return dataclasses.replace(self, summary=summary, tags=self.tags or tags)

    def resolve(self) -> "PluginSpec":
        if self.target != self.plugin.target:
            return self
        models = {model.name: model for model in self.plugin.models()}
        if self.name not in models:
            raise ValueError(
                f"{self.full_name!r} brings several models and none of this name. Ask for one of them: "
                f"{', '.join(sorted(models))}."
            )
        return models[self.name]

    def load(self):
        return self.plugin.model_class(self.resolve().target)


@dataclasses.dataclass(frozen=True)
class Plugin:
    """An entry point of an installed distribution.

    Attributes:
        name: the entry point's, as a key.
        target: ``"package.module:object"``.
        distribution, version: as its metadata spell them.
        requires: what the distribution declares that it needs.
        location: the folder that it was found in.
    """

    name: str
    target: str
    distribution: str
    version: str
    requires: tuple[str, ...] = ()
    location: str = ""

    @property
    def full_name(self) -> str:
        return f"{distribution_key(self.distribution)}/{self.name}"

    def spec(self) -> PluginSpec:
        """What is known of the model of its own name, without importing it."""
        known = {model.name: model for model in _models.get(self, ())}
        return known.get(self.name) or PluginSpec(self.name, self.target, source=self.distribution, plugin=self)

    def known_models(self) -> tuple[PluginSpec, ...]:
        """The models that it serves by their bare names: as it is not imported yet, the entry point's own name."""
        if self not in _models:
            return (self.spec(),)
        return tuple(model for model in _models[self] if model.name == self.name or self.may_serve(model.name))

    def may_serve(self, name: str) -> bool:
        return name.startswith(f"{self.name}-")

    def models(self) -> tuple[PluginSpec, ...]:
        """Imports it and returns all that it brings.

        Raises:
            PluginError: it is broken.
        """
        if self not in _models:
            self._check_version()
            _models[self] = self._run(lambda: self._found(load_target(self.target)))
        return _models[self]

    def model_class(self, target):
        """Imports the class of one of its models.

        Raises:
            PluginError: it is broken.
        """
        return self._run(lambda: _checked(load_target(target)))

    def _found(self, target):
        if isinstance(target, type) or not callable(target):
            cls = _checked(target)
            return (dataclasses.replace(self.spec(), tags=frozenset(cls.tags), summary=summary_of(cls.__doc__)),)
        given = target()
        models = list(given) if isinstance(given, Iterable) else []
        if not models or not all(isinstance(model, ModelSpec) for model in models):
            raise _Unfit(f"its function must return genzoo.ModelSpec objects. {path_of(target)} returned {given!r}")
        return tuple(self._owned(model) for model in models)

    def _owned(self, model):
        tags, summary = model.tags, model.summary
        if not isinstance(model.target, str):
            tags, summary = tags or getattr(model.target, "tags", ()), summary or summary_of(model.target.__doc__)
        name = key_of(model.name)
        return PluginSpec(name, model.target, model.config, frozenset(tags), summary, self.distribution, self)

    def _run(self, function):
        """The result of the plugin's own code, whose faults stay its own."""
        import keras

        import genzoo.model  # noqa: F401  (what fails here is not the plugin's fault, nor is the time it takes)

        classes, start = keras.saving.get_custom_objects(), time.perf_counter()
        before = dict(classes)
        try:
            return function()
        except KeyboardInterrupt:
            raise
        except _Unfit as error:
            raise self._error(str(error), "Tell its author.") from None
        except BaseException as error:  # SystemExit too
            if strict():
                raise
            raise self._error(*self._blame(error)) from error
        finally:
            seconds[self] = seconds.get(self, 0.0) + time.perf_counter() - start
            for name, cls in before.items():  # no plugin takes over another's class in files
                if classes.get(name) is not cls and path_of(classes.get(name)) != path_of(cls):
                    classes[name] = cls

    def _check_version(self):
        """Compares the genzoo that it declares, ``Requires-Dist: genzoo<0.2``, with this one. pip does so only once."""
        from packaging.requirements import InvalidRequirement, Requirement

        from genzoo import __version__

        for line in self.requires:
            with contextlib.suppress(InvalidRequirement):
                needed = Requirement(line)
                if distribution_key(needed.name) != "genzoo" or (needed.marker and not needed.marker.evaluate()):
                    continue
                if not needed.specifier.contains(__version__, prereleases=True):
                    raise self._error(
                        f"it needs genzoo{needed.specifier}, and this is genzoo {__version__}",
                        f"Try another version: pip install --upgrade {self.distribution}",
                    )

    def _blame(self, error):
        """The reason in one line, and what to do about it."""
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{self.target.partition(':')[0]}.".startswith(f"{missing}."):
            return f"its own module {missing!r} is missing", f"Install it again: pip install {self.distribution}"
        if missing:
            advice = f"pip install --upgrade {self.distribution} installs what it declares"
            return f"it needs the module {missing!r}, which is not installed", f"{advice}; else ask its author."
        told = str(error).strip().split("\n")[0]
        return f"{type(error).__name__}{told and ': '}{told}".rstrip("."), "GENZOO_STRICT_PLUGINS=1 shows where."

    def _error(self, reason, advice):
        who = f"Plugin {self.name!r} of {self.distribution} {self.version}"
        return PluginError(f"{who} cannot be used: {reason}. {advice}", self.distribution, self.version, reason)


_models: dict[Plugin, tuple[PluginSpec, ...]] = {}
seconds: dict[Plugin, float] = {}  # spent in each plugin's own code


class _Unfit(Exception):
    """A plugin that could be imported, and is none."""


def _checked(cls):
    """The class, if genzoo can use it."""
    from keras.saving import get_registered_name, get_registered_object

    from genzoo.model import GenerativeModel

    if not isinstance(cls, type) or not issubclass(cls, GenerativeModel):
        raise _Unfit(
            "its entry point must be a subclass of genzoo.GenerativeModel, or a function that returns genzoo.ModelSpec "
            f"objects, and is {cls!r}"
        )
    registered = get_registered_name(cls)
    known = get_registered_object(registered)
    if known is not None and path_of(known) != path_of(cls):
        raise _Unfit(
            f"its class {cls.__name__} registers with Keras as {registered!r}, which is the name of {path_of(known)}"
        )
    return cls


def strict() -> bool:
    return os.environ.get("GENZOO_STRICT_PLUGINS", "") not in ("", "0")


def distribution_key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


# Finding one.


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
    key = distribution_key(distribution)
    own = [plugin for plugin in selected() if distribution_key(plugin.distribution) == key]
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
        declared = {plugin.target, *(path_of(model.target) for model in _models.get(plugin, ()))}
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
    key, broken = distribution_key(distribution), []
    own = [plugin for plugin in selected() if distribution_key(plugin.distribution) == key]
    for plugin in sorted(own, key=lambda plugin: plugin.target.partition(":")[2] != target.partition(":")[2]):
        try:
            if any(path_of(model.load()) == target for model in plugin.models()):
                return True
        except PluginError as error:
            broken.append(error)
    if broken:
        raise broken[0]
    return False


def why_missing(distribution: str, version: str) -> str:
    """A sentence on why a model of this distribution is not there, and what to do."""
    key = distribution_key(distribution)
    here = {distribution_key(plugin.distribution): plugin.version for plugin in installed()}
    if key not in here:
        return (
            f"It comes with the package {distribution!r} {version}, which is not installed. "
            f"Install it: pip install {distribution}"
        )
    if any(distribution_key(plugin.distribution) == key for plugin in left_out()):
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


def selectors(plugin: Plugin) -> set[str]:
    """What ``GENZOO_PLUGINS`` may say to mean this one."""
    return {plugin.full_name, distribution_key(plugin.distribution)}


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
                found.setdefault(distribution_key(brought[0].distribution), brought)
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
