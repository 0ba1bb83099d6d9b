"""Lets ``keras.saving.load_model`` load models whose classes nobody has imported yet.

Keras finds a class by its registered name, which an import registers. Until then a stand-in is there that imports the
class when a file asks for it. What is imported is what ``genzoo.load`` would import: built-in models, and what
installed plugins declare.
"""

from typing import Any

from genzoo import registry
from genzoo.discovery.specs import ModelSpec


class Awaited:
    """Stands in Keras' registry for a class that is not imported yet, and has its path.

    Args:
        spec: of the model, whose target is ``"package.module:Class"``.
    """

    def __init__(self, spec: ModelSpec):
        self.spec = spec
        self.__module__, _, self.__qualname__ = spec.target.partition(":")

    def __repr__(self) -> str:
        return f"<the model {self.spec.name!r}, not imported yet>"

    def from_config(self, config: dict[str, Any]) -> Any:
        """The model, of the class that is now imported and takes this place."""
        cls: Any = self.spec.load()
        return cls.from_config(config)


def announce() -> None:
    """Puts stand-ins for all models into Keras' registry, where nothing of their names is. Keras is imported."""
    from keras.saving import get_custom_objects

    known = get_custom_objects()
    for spec in registry.all_specs().values():
        if isinstance(spec.target, str) and ":" in spec.target:
            for name in _registered_names(*spec.target.split(":", 1)):
                known.setdefault(name, Awaited(spec))


def _registered_names(module, name):
    """The names by which the class may be registered: by its package, as ours are, or by its module."""
    return dict.fromkeys(f"{package}>{name}" for package in (module.partition(".")[0], module))
