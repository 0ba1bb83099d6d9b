"""Names that JAX, and Keras on JAX, do not promise."""

import contextlib

import jax

from genzoo.engine.borrowed import Borrowed

_SLOW_WEIGHTS = "Initial weights are drawn by JAX, which compiles a program for every shape."


def _is_a_context(threefry_partitionable) -> bool:
    with threefry_partitionable(False):
        return True


threefry_partitionable = Borrowed(
    "jax.threefry_partitionable",
    "Random numbers take three times as long on one device, and a seed gives others.",
    _is_a_context,
)
generator = Borrowed("jax.config.jax_default_prng_impl", _SLOW_WEIGHTS, lambda name: isinstance(name, str))
generator_mode = Borrowed("jax.config.jax_threefry_partitionable", _SLOW_WEIGHTS, lambda mode: isinstance(mode, bool))
state = Borrowed(
    "keras.Model._jax_state", "Keras looks for variables in its state after every step.", using="_jax_state"
)


def cheap_bits():
    """A context for one device, where the bits of an array need not be divisible: they cost a third."""
    found = threefry_partitionable.found
    return contextlib.nullcontext() if found is None else found(False)


def generator_is_threefry() -> bool:
    """Whether JAX draws by its usual generator, in its usual mode."""
    if generator.found is None or generator_mode.found is None:
        return False
    return jax.config.jax_default_prng_impl == "threefry2x32" and jax.config.jax_threefry_partitionable
