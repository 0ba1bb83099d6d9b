"""What a model's file holds: its arguments, its weights and optimizers, and all its random state."""

import contextlib
import inspect
import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from genzoo import validation
from genzoo.discovery import installed
from genzoo.files import written
from genzoo.model.part import Part
from genzoo.model.samplers import Samplers


class State(Part):
    """Configuration and files of a ``GenerativeModel``, and the random state that Keras' files leave out."""

    _note: Mapping[str, Any] | None = None

    @classmethod
    def options(cls) -> dict[str, Any]:
        """The model's own arguments and their defaults, in the order of its ``__init__``."""
        own = {}
        for parent in cls.__mro__[: cls.__mro__.index(keras.Model)]:
            if "__init__" in vars(parent):
                parameters = [p for p in inspect.signature(parent.__init__).parameters.values() if p.name != "self"]
                inherited = {p.name: p.default for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
                own = {**own, **{name: default for name, default in inherited.items() if name not in own}}
                if all(p.kind is not p.VAR_KEYWORD for p in parameters):
                    break
        return own

    def get_build_config(self) -> dict[str, Any] | None:
        """With what the user froze, the classes, the plugin that the class comes from, and the note."""
        config, plugin = super().get_build_config(), installed.of_class(type(self))
        if config is None:
            return None
        if self.image_shape is not None and (flags := self.trainable_flags()) != self._flags_as_built:
            config = {**config, "trainable": flags}
        comes_from = {"distribution": plugin.distribution, "version": plugin.version} if plugin else {}
        note = {"note": dict(self._note)} if self._note else {}
        return {**config, **self._classes_config(), **comes_from, **note}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **{name: getattr(self, name) for name in self.options()}}

    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        zipped: bool | None = None,
        *,
        note: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Keras' ``save``. A ``.keras`` file holds weights, every player's optimizer and all random state.

        It is written beside its place and renamed, so an interrupted save leaves the old file whole.

        Args:
            filepath, overwrite, zipped, **kwargs: as for Keras.
            note: what JSON can hold, for ``genzoo.registry.loading.note`` to read in the file. The model that is loaded
                from it has forgotten it.
        """
        path = validation.path("filepath", filepath)
        if zipped is False or "://" in str(filepath):
            return super().save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)
        if path.suffix != ".keras":
            raise ValueError(f"A model is saved as a .keras file. Received: {str(filepath)!r}")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"There is no folder {path.parent} to save {path.name} in. Make it first.")
        if not overwrite and path.exists():
            raise FileExistsError(f"{path} exists. Pass overwrite=True to replace it, or save under another name.")
        self._note = note
        try:
            with written(path) as beside:
                super().save(beside, overwrite=True, zipped=zipped, **kwargs)
        finally:
            self._note = None

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        for i, variable in enumerate(self._random_state()):
            store[f"random_state_{i}"] = ops.convert_to_numpy(variable)
        for key, array in self._samplers.arrays().items():
            store[f"sampler.{key}"] = array

    def load_own_variables(self, store: Any) -> None:
        random_state = self._random_state()
        stored = {key: store[key] for key in store.keys()}  # noqa: SIM118  (an H5 store is no dict)
        seeds = [stored.pop(f"random_state_{i}") for i in range(len(random_state))]
        keys = [key for key in stored if key.startswith("sampler.")]
        self._samplers = Samplers.from_arrays({key.partition(".")[2]: np.asarray(stored.pop(key)) for key in keys})
        super().load_own_variables(stored)
        for variable, value in zip(random_state, seeds, strict=True):
            variable.assign(value)

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, dict[str, Any]]:
        """Keras' ``get_state_tree``, which ``OrbaxCheckpoint`` saves, with numbers where Keras has names.

        Keras numbers layers in the order in which a process makes them, so that names would be others in another one,
        and Keras leaves as it is what it does not find by name.
        """
        if value_format not in ("backend_tensor", "numpy_array"):
            raise ValueError(f"Expected value_format='backend_tensor' or 'numpy_array'. Received: {value_format!r}")

        def value(variable):
            return variable.value if value_format == "backend_tensor" else ops.convert_to_numpy(variable)

        groups = self._state_groups().items()
        return {group: {f"{i:04d}": value(v) for i, v in enumerate(variables)} for group, variables in groups}

    def set_state_tree(self, state_tree: Mapping[str, Mapping[str, Any]]) -> None:
        """Sets what ``get_state_tree`` has read of a model of the same settings.

        Raises:
            ValueError: it has other variables.
        """
        for group, values in state_tree.items():
            variables = self._state_groups().get(group, [])
            if sorted(values) != [f"{i:04d}" for i in range(len(variables))]:
                raise ValueError(
                    f"The state is not of such a model. Expected: {len(variables)} {group}, by number. Received: "
                    f"{len(values)}, such as {sorted(values)[:2]}. Read it by get_state_tree() of a model of this kind."
                )
            for key, value in values.items():
                variables[int(key)].assign(value)

    def _state_groups(self):
        return {
            "trainable_variables": self.trainable_variables,
            "non_trainable_variables": self.non_trainable_variables,
            "optimizer_variables": self.optimizer.variables if self.compiled else [],
            "metrics_variables": self.metrics_variables,
        }

    @contextlib.contextmanager
    def _random_state_kept(self):
        state = [(v, ops.convert_to_numpy(v)) for v in self._random_state()]
        try:
            yield
        finally:
            for variable, value in state:
                variable.assign(value)

    def _random_state(self):
        """The variables of every seed generator, which Keras leaves out of ``weights`` and of files."""
        weights = {id(v) for v in self.weights}
        return [v for v in self.variables if id(v) not in weights]
