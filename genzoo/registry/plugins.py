"""Models that other packages bring: imports plugins and checks what they bring.

An entry point's name is a model's name, and its object is the class::

    [project.entry-points."genzoo.models"]
    hello-vae = "genzoo_hello:HelloVAE"
    pack = "genzoo_pack:models"

or it is a function without arguments that returns several ``ModelSpec``. Its entry point ``pack`` then serves the
models ``pack`` and ``pack-*``. ``distribution/name`` always works, for every model that the distribution brings.

A plugin is imported when it is asked for, and never before. An exception in its code becomes a ``PluginError``; with
``GENZOO_STRICT_PLUGINS=1`` it is raised as it is.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from genzoo.discovery import installed
from genzoo.discovery.installed import Plugin, distribution_key
from genzoo.discovery.source import describe
from genzoo.discovery.specs import ModelSpec, is_name, key_of, load_target, path_of, summary_of
from genzoo.errors import PluginError, Terminated
from genzoo.version import __version__

# What `models_of` has put there, and only it.
_imported = cast(dict[Plugin, tuple["PluginSpec", ...]], installed.imported)
seconds_spent: dict[Plugin, float] = {}  # spent in each plugin's own code


@dataclasses.dataclass(frozen=True)
class PluginSpec(ModelSpec):
    """A model that a plugin brings."""

    plugin: Plugin = dataclasses.field(kw_only=True)

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
        models = {model.name: model for model in models_of(self.plugin)}
        if self.name not in models:
            raise ValueError(
                f"{self.full_name!r} brings several models and none of this name. Ask for one of them: "
                f"{', '.join(sorted(models))}."
            )
        return models[self.name]

    def load(self) -> type:
        return model_class(self.plugin, self.resolve().target)


def listed(taken: Mapping[str, ModelSpec]) -> dict[str, PluginSpec]:
    """The plugins' models: by their bare names where those are unambiguous, else by their full names.

    Args:
        taken: the names that plugins cannot have.
    """
    exact, brought = {}, {}
    for plugin in installed.selected():
        for model in known_models(plugin):
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
    """The models of this bare name: entry points of exactly this name, or else what functions return.

    To find the latter, plugins whose name is the beginning of this one, up to a dash, are imported.

    Raises:
        PluginError: no plugin brings it, and one that might is broken.
    """
    exact = [spec_of(plugin) for plugin in installed.selected() if plugin.name == name]
    return exact or _brought(name, [plugin for plugin in installed.selected() if plugin.may_serve(name)])


def of_distribution(distribution: str, name: str) -> list[PluginSpec]:
    """The model of this name that a distribution brings, if it does, as ``named`` finds it."""
    own = installed.selected_of(distribution)
    exact = [spec_of(plugin) for plugin in own if plugin.name == name]
    return exact or _brought(name, own)


def _brought(name, among):
    found, broken = {}, []
    for plugin in among:
        if describe(plugin.target).kind != "class":
            try:
                models = models_of(plugin)
            except PluginError as error:
                broken.append(error)
                continue
            found |= {model.full_name: model for model in models if model.name == name}
    if broken and not found:
        raise broken[0]
    return list(found.values())


def bring(distribution: str, target: str) -> bool:
    """Imports the class of this target if the distribution brings it; returns whether it does.

    Raises:
        PluginError: no plugin of the distribution brings it, and one that might is broken.
    """
    broken, own = [], installed.selected_of(distribution)
    for plugin in sorted(own, key=lambda plugin: plugin.target.partition(":")[2] != target.partition(":")[2]):
        try:
            models = models_of(plugin)
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


# One plugin.


def spec_of(plugin: Plugin) -> PluginSpec:
    """What is known of the model of its own name, without importing it."""
    known = {model.name: model for model in _imported.get(plugin, ())}
    return known.get(plugin.name) or PluginSpec(plugin.name, plugin.target, source=plugin.distribution, plugin=plugin)


def known_models(plugin: Plugin) -> tuple[PluginSpec, ...]:
    """The models that it serves by their bare names; before it is imported, only that of the entry point is known."""
    brought = _imported.get(plugin, ())
    if not brought:
        return (spec_of(plugin),)
    return tuple(model for model in brought if model.name == plugin.name or plugin.may_serve(model.name))


def models_of(plugin: Plugin) -> tuple[PluginSpec, ...]:
    """Imports it and returns all that it brings.

    Raises:
        PluginError: it is broken.
    """
    if plugin not in _imported:
        _check_version(plugin)
        _imported[plugin] = _run(plugin, lambda: _brings(plugin, load_target(plugin.target)))
    return _imported[plugin]


def model_class(plugin: Plugin, target: Any) -> type:
    """Imports the class of one of its models.

    Raises:
        PluginError: it is broken.
    """
    return _run(plugin, lambda: _checked(load_target(target)))


def _brings(plugin, target):
    if isinstance(target, type) or not callable(target):
        cls = _checked(target)
        return (dataclasses.replace(spec_of(plugin), tags=frozenset(cls.tags), summary=summary_of(cls.__doc__)),)
    given = target()
    models = list(given) if isinstance(given, Iterable) else []
    if not models or not all(isinstance(model, ModelSpec) for model in models):
        raise _Unfit(f"its function must return genzoo.ModelSpec objects. {path_of(target)} returned {given!r}")
    return tuple(_owned(plugin, model) for model in models)


def _owned(plugin, model):
    tags, summary = model.tags, model.summary
    if not isinstance(model.target, str):
        tags, summary = tags or getattr(model.target, "tags", ()), summary or summary_of(model.target.__doc__)
    name = key_of(model.name)
    if not is_name(name):
        raise _Unfit(f"it brings a model of the name {model.name!r}, which is not lowercase kebab, such as 'beta-vae'")
    return PluginSpec(name, model.target, model.config, frozenset(tags), summary, plugin.distribution, plugin=plugin)


def _run(plugin: Plugin, function: Callable):
    """Runs the plugin's own code; an exception in it becomes a ``PluginError`` that names the plugin."""
    import keras

    import genzoo.model  # noqa: F401  (what fails here is not the plugin's fault, nor is the time it takes)

    classes, start = keras.saving.get_custom_objects(), time.perf_counter()
    before = dict(classes)
    try:
        return function()
    except (KeyboardInterrupt, Terminated):
        raise
    except _Unfit as error:
        raise _error(plugin, str(error), "Tell its author.") from None
    except BaseException as error:  # SystemExit too
        if installed.strict():
            raise
        raise _error(plugin, *_blame(plugin, error)) from error
    finally:
        seconds_spent[plugin] = seconds_spent.get(plugin, 0.0) + time.perf_counter() - start
        for name, cls in before.items():  # no plugin takes over another's class in files
            if classes.get(name) is not cls and path_of(classes.get(name)) != path_of(cls):
                classes[name] = cls


def _check_version(plugin):
    """Compares the genzoo that it declares, ``Requires-Dist: genzoo<0.2``, with this one. pip does so only once."""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in plugin.requires:
        with contextlib.suppress(InvalidRequirement):
            needed = Requirement(line)
            if distribution_key(needed.name) != "genzoo" or (needed.marker and not needed.marker.evaluate()):
                continue
            if not needed.specifier.contains(__version__, prereleases=True):
                raise _error(
                    plugin,
                    f"it needs genzoo{needed.specifier}, and this is genzoo {__version__}",
                    f"Try another version: pip install --upgrade {plugin.distribution}",
                )


def _blame(plugin, error):
    """The reason in one line, and what to do about it."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and f"{plugin.target.partition(':')[0]}.".startswith(f"{missing}."):
        return f"its own module {missing!r} is missing", f"Install it again: pip install {plugin.distribution}"
    if missing:
        advice = f"pip install --upgrade {plugin.distribution} installs what it declares"
        return f"it needs the module {missing!r}, which is not installed", f"{advice}; else ask its author."
    told = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}{told and ': '}{told}".rstrip("."), "GENZOO_STRICT_PLUGINS=1 shows where."


def _error(plugin, reason, advice):
    who = f"Plugin {plugin.name!r} of {plugin.distribution} {plugin.version}"
    return PluginError(f"{who} cannot be used: {reason}. {advice}", plugin.distribution, plugin.version, reason)


class _Unfit(Exception):
    """A plugin that can be imported, but does not bring what a plugin must."""


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
