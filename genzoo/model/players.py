"""One optimizer per named player, presented to Keras as the model's single ``optimizer``."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

import genzoo.optimizers  # noqa: F401  (registers those that a file may hold)
from genzoo import engine
from genzoo.errors import unknown_name


@dataclasses.dataclass
class _Seat:
    """A player's optimizer and the variables it moves. Not a tuple: Keras would track what is inside."""

    optimizer: keras.optimizers.Optimizer
    variables: list[keras.Variable] = dataclasses.field(default_factory=list)


@keras.saving.register_keras_serializable("genzoo")
class Players(engine.Averages, keras.optimizers.Optimizer):
    """The optimizers of all players behind Keras' optimizer interface.

    ``model.optimizer["generator"]`` is the generator's own optimizer, with its own ``iterations`` and moments;
    ``model.optimizer.iterations`` counts training steps. Players may share variables: each keeps moments of its own.

    Args:
        optimizers: dict from player name to a ``keras.optimizers.Optimizer`` that no other player uses.
        name: name of the whole.

    Example:
    >>> import genzoo
    >>> model = genzoo.get("dcgan")
    >>> model.optimizer.names
    ('discriminator', 'generator')
    >>> round(float(model.optimizer["generator"].learning_rate), 6)
    0.0001
    """

    def __init__(self, optimizers: Mapping[str, keras.optimizers.Optimizer], name: str = "players"):
        # A callable learning rate, because a number would become one more variable that nobody uses.
        super().__init__(learning_rate=self._first_learning_rate, name=name)
        self._seats = {player: _Seat(optimizer) for player, optimizer in optimizers.items()}

    def __getitem__(self, player: str) -> keras.optimizers.Optimizer:
        return self._seat(player).optimizer

    @property
    def names(self) -> tuple[str, ...]:
        """The players' names, in the order in which the model declares them."""
        return tuple(self._seats)

    def variables_of(self, player: str) -> list[keras.Variable]:
        """The variables that this player moves: those that are not frozen."""
        return [variable for variable in self._seat(player).variables if variable.trainable]

    def check_frozen(self) -> None:
        """Refuses a ``MultiOptimizer`` of whose variables some are frozen since it was built."""
        for player, seat in self._seats.items():
            if _is_several(seat.optimizer) and len(self.variables_of(player)) < len(seat.variables):
                raise ValueError(
                    f"The MultiOptimizer of {player!r} takes gradients of all weights that it was made for, and some "
                    "are frozen since. Compile the model again, with a new one."
                )

    def known_to(self, player: str) -> list[keras.Variable]:
        """The variables that this player's optimizer keeps state of, frozen ones too."""
        return self._seat(player).variables

    def build(self, variables: Mapping[str, Sequence[keras.Variable]]) -> None:
        """Gives every player its variables: a dict from player name to a list of ``keras.Variable``."""
        for player, seat in self._seats.items():
            seat.variables = list(variables[player])
            if _is_several(seat.optimizer):  # and takes only gradients of all that it knows
                seat.variables = self.variables_of(player)
            engine.build_optimizer(seat.optimizer, seat.variables)
            _check(player, seat.optimizer)  # again: a MultiOptimizer may learn only now what is in it
        self.built = True

    def advance(self) -> None:
        """Counts one training step of the whole."""
        self.iterations.assign_add(1)

    @property
    def variables(self) -> list[keras.Variable]:
        return [*super().variables, *(v for seat in self._seats.values() for v in seat.optimizer.variables)]

    @property
    def learning_rate(self) -> Any:
        """The first player's learning rate. Setting it scales every player's by the same factor.

        So a schedule or ``ReduceLROnPlateau`` keeps the ratio between the players, which is part of the recipe (but
        from 0, where there is no ratio, all get the same). Its ``assign`` reaches the first player only.
        """
        return self._first_learning_rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        for player, seat in self._seats.items():
            if not isinstance(seat.optimizer.learning_rate, keras.Variable):
                raise TypeError(
                    f"The optimizer of {player!r} follows a schedule, so its learning rate cannot be set. Make it with "
                    "a number, or set the others' by themselves: model.optimizer[player].learning_rate."
                )
        current = float(keras.ops.convert_to_numpy(self._first_learning_rate()))
        for seat in self._seats.values():
            mine = float(keras.ops.convert_to_numpy(seat.optimizer.learning_rate))
            seat.optimizer.learning_rate = value if current in (mine, 0.0) else mine * float(value) / current

    def averages(self) -> list[tuple[keras.Variable, keras.Variable]] | None:
        """Variables that are not frozen, each with its average; of two players' averages the last, as after ``fit``."""
        seats = [seat for seat in self._seats.values() if seat.optimizer.use_ema and seat.optimizer.built]
        pairs = [pair for seat in seats for pair in engine.averages_of(seat.optimizer, seat.variables)]
        found = {id(variable): (variable, average) for variable, average in pairs if variable.trainable}
        return list(found.values()) if seats else None

    def finalize_variable_values(self, var_list: Any) -> None:
        for seat in self._seats.values():
            # An average overwrites what is frozen too, and on JAX shares its memory with the variables.
            frozen = [(v, keras.ops.copy(v.value)) for v in seat.variables if not v.trainable]
            seat.optimizer.finalize_variable_values(seat.variables)
            if seat.optimizer.use_ema:
                for variable in seat.variables:
                    variable.assign(keras.ops.copy(variable.value))
                for variable, value in frozen:
                    variable.assign(value)

    def save_own_variables(self, store: Any) -> None:
        for key, variable in self._named_variables().items():
            store[key] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        variables = self._named_variables()
        if set(store.keys()) != set(variables):
            raise ValueError(
                f"The file's optimizer state does not fit this model. Expected: {sorted(variables)}. "
                f"Received: {sorted(store.keys())}. Load with compile=False to go on without it."
            )
        for key, variable in variables.items():
            variable.assign(store[key])

    def get_config(self) -> dict[str, Any]:
        return {"optimizers": {p: _portable_config(s.optimizer) for p, s in self._seats.items()}, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> "Players":
        config = dict(config)
        config["optimizers"] = {
            player: keras.saving.deserialize_keras_object(optimizer, custom_objects=custom_objects)
            for player, optimizer in config["optimizers"].items()
        }
        return cls(**config)

    def _seat(self, player):
        if player not in self._seats:
            raise unknown_name("player", player, self._seats)
        return self._seats[player]

    def _first_learning_rate(self):
        return next(iter(self._seats.values())).optimizer.learning_rate

    def _named_variables(self):
        named = {f"{player}.{i}": v for player in self._seats for i, v in enumerate(self[player].variables)}
        return {"iterations": self.iterations, **named}


def _portable_config(optimizer):
    """The serialized optimizer under its public name: torch has private subclasses that no other backend can run."""
    config = keras.saving.serialize_keras_object(optimizer)
    public = getattr(keras.optimizers, config["class_name"], None)
    if isinstance(public, type) and isinstance(optimizer, public):
        config |= {"module": "keras.optimizers", "registered_name": None}
    return config


def assign_optimizers(
    names: Sequence[str], optimizer: Any, defaults: Callable[[], Mapping[str, keras.optimizers.Optimizer]]
) -> Players:
    """The ``Players`` that ``compile(optimizer=...)`` means.

    Args:
        names: the model's players.
        optimizer: ``None`` (the model's defaults), a dict from player to optimizer (the rest keep their defaults),
            one optimizer for all (each player gets a copy), or a ready ``Players``. Where Keras takes a name
            (``"adam"``) or a config, so does this.
        defaults: gives the model's default optimizers by player; asked where one is missing.

    Raises:
        ValueError: an unknown player.
    """
    if isinstance(optimizer, Players):
        return optimizer
    if optimizer is None:
        optimizer = {}
    elif not isinstance(optimizer, dict) or "class_name" in optimizer:
        shared = _optimizer(optimizer)
        optimizer = {player: engine.copied(shared) for player in names}
    for player in optimizer:
        if player not in names:
            raise unknown_name("player", player, names)
    optimizer = optimizer if set(optimizer) == set(names) else {**defaults(), **optimizer}
    chosen = {player: _optimizer(optimizer[player]) for player in names}
    for player, chosen_one in chosen.items():
        _check(player, chosen_one)
    if len({id(o) for o in chosen.values()}) < len(chosen):
        raise ValueError(
            "Two players have the same optimizer object, which cannot hold the moments of both. "
            "Pass it alone (each player gets a copy), or one object per player."
        )
    return Players(chosen)


def _optimizer(wanted):
    """The optimizer, or the one of this name or config."""
    try:
        return keras.optimizers.get(wanted)
    except ValueError as error:
        if isinstance(wanted, str):
            raise unknown_name("optimizer", wanted, _names_of_optimizers()) from error
        if isinstance(wanted, Mapping):
            raise
        raise ValueError(f"Expected an optimizer of Keras, or its name. Received: {wanted!r}") from error


def _names_of_optimizers():
    kind = keras.optimizers.Optimizer
    return [name.lower() for name, found in vars(keras.optimizers).items() if isinstance(found, type)
            if issubclass(found, kind) and found not in (kind, keras.optimizers.LossScaleOptimizer)]  # fmt: skip


def _is_several(optimizer):
    """Whether it is a ``MultiOptimizer``."""
    return hasattr(optimizer, "optimizers")


def _check(player, optimizer):
    """Refuses an optimizer that would not do here what it does in Keras, or nothing sensible."""
    for each in optimizer.optimizers if _is_several(optimizer) else [optimizer]:
        rate = float(keras.ops.convert_to_numpy(each.learning_rate))
        if not 0 <= rate < math.inf:
            raise ValueError(f"A learning rate is at least 0, and finite. Received: {rate} for {player!r}")
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError(
            f"A LossScaleOptimizer scales losses for float16, in which no model here trains. Received: one for "
            f"{player!r}. Pass the optimizer inside it: its inner_optimizer."
        )
    if _is_several(optimizer) and any(each.use_ema for each in optimizer.optimizers):
        raise ValueError(
            f"Averages (use_ema) inside a MultiOptimizer are not supported. Received: one for {player!r}. Leave "
            "use_ema out."
        )
