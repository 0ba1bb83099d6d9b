"""What a user may change of a built model: freeze layers, set their options. It counts from the next ``fit`` on."""

import types
from typing import Any

import keras

from genzoo.layers import flattened
from genzoo.model.part import Part


class Changes(Part):
    """Compiled functions follow the networks as they are now, and ``trainable`` flags go into the model's file."""

    def make_train_function(self, force: bool = False) -> None:
        """Keras' own. A step that was compiled for other variables than those that train now is compiled anew."""
        now = [v.trainable for player in self.players for v in self.optimizer.known_to(player)]
        super().make_train_function(force or now != self._trained)
        self._trained = now

    def follow_changes(self) -> None:
        """What was compiled for layers with other options is compiled anew, at the next call. ``fit`` does so.

        Raises:
            ValueError: there are weights to train that the optimizers were not made for.
        """
        self._check_networks()
        now = "\n".join(map(_state_of, flattened(self)))
        if self._compiled_for not in ("", now):
            self.train_function = self.test_function = self.predict_function = None
            self._compiled_verbs = types.SimpleNamespace()
        self._compiled_for = now

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, keras.Layer) and getattr(self, "image_shape", None) is not None:
            self._keep_network(name, value)
        super().__setattr__(name, value)

    def trainable_flags(self) -> dict[str, list[bool]]:
        """By network that a player moves, whether each layer in it is trainable, the network itself first."""
        return {name: [layer.trainable for layer in flattened(getattr(self, name))] for name in self._moved()}

    def set_trainable_flags(self, flags: dict[str, list[bool]]) -> None:
        """Sets what ``trainable_flags`` has read of a model of the same layers."""
        for name, of_layers in flags.items():
            for layer, trainable in zip(flattened(getattr(self, name)), of_layers, strict=True):
                layer.trainable = trainable

    def _keep_network(self, name, value):
        if isinstance(old := getattr(self, name, None), keras.Layer) and value is not old:
            raise ValueError(
                f"A built model keeps its networks, and `{name}` is one. Give it other weights, "
                f"model.{name}.set_weights(other.get_weights()), or another network in a class of your own: "
                "build_networks(image_shape)."
            )

    def _check_networks(self):
        """Refuses weights that the optimizers were not made for, and those that one of them cannot leave out."""
        self.optimizer.check_frozen()
        known = {id(variable) for player in self.players for variable in self.optimizer.known_to(player)}
        for name in self._moved():
            if any(id(variable) not in known for variable in getattr(self, name).trainable_variables):
                raise ValueError(
                    f"The optimizers do not know all weights of `{name}`, which has got more that train since the "
                    "model was compiled. Make optimizers for them: model.compile()."
                )

    def _moved(self):
        """The names of the networks that players move, each once."""
        return dict.fromkeys(name for names in self.players.values() for name in names)


def _state_of(layer):
    """What a compiled step depends on beside the values of weights."""
    try:
        return f"{id(layer)} {layer.trainable} {layer.get_config()}"
    except Exception:  # a layer of the user's own, which may have no config
        return f"{id(layer)} {layer.trainable}"
