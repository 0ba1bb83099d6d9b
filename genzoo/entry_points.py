"""An entry point of the group ``genzoo.models``: what it brings, what can be wrong with it. Standard library only."""

import contextlib
import dataclasses
import os
import re
import time
from collections.abc import Iterable

from genzoo.describe import describe
from genzoo.errors import PluginError
from genzoo.specs import ModelSpec, key_of, load_target, path_of, summary_of


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
    def key(self) -> str:
        """The distribution's name as it is compared."""
        return distribution_key(self.distribution)

    @property
    def full_name(self) -> str:
        return f"{self.key}/{self.name}"

    @property
    def imported(self) -> tuple[PluginSpec, ...]:
        """All that it brings; nothing before it is imported."""
        return _models.get(self, ())

    def spec(self) -> PluginSpec:
        """What is known of the model of its own name, without importing it."""
        known = {model.name: model for model in self.imported}
        return known.get(self.name) or PluginSpec(self.name, self.target, source=self.distribution, plugin=self)

    def known_models(self) -> tuple[PluginSpec, ...]:
        """The models that it serves by their bare names: as it is not imported yet, the entry point's own name."""
        if not self.imported:
            return (self.spec(),)
        return tuple(model for model in self.imported if model.name == self.name or self.may_serve(model.name))

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
