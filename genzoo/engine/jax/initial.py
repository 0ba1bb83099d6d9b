"""Initial weights and zeros as on JAX, but made by NumPy: JAX compiles a program for every shape and function."""

import contextlib
import math
import threading

import jax
import keras
import numpy as np
from jax import numpy as jnp

# Not jax.random: what Keras does to its numbers, it compiles too.
from keras.src.backend.jax import random as keras_random
from keras.src.backend.jax.random import jax_draw_seed

_CUT = 2.0  # standard deviations, where Keras truncates
_BLOCK = 2**14
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


@contextlib.contextmanager
def initial_values():
    """Inside, what Keras fills new arrays with is the same but for rounding, and comes without compiling.

    In every thread, and until the outermost of these contexts ends.
    """
    _enter(1)
    try:
        yield
    finally:
        _enter(-1)


def _enter(change):
    global _depth
    with _lock:
        _depth += change
        for (module, name), function in _OURS.items():
            setattr(module, name, function if _depth else _THEIRS[name])


_lock, _depth = threading.Lock(), 0


def _uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    key = jax_draw_seed(seed)
    if not _is_plain(key, shape, dtype, minval, maxval):
        return _THEIRS["uniform"](shape, minval, maxval, dtype, key)
    return jax.device_put(_between(key, shape, minval, maxval))


def _normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    key = jax_draw_seed(seed)
    if not _is_plain(key, shape, dtype, mean, stddev):
        return _THEIRS["normal"](shape, mean, stddev, dtype, key)
    drawn = _quantiles(_between(key, shape, np.nextafter(np.float32(-1), np.float32(0)), 1))
    return _scaled(drawn, stddev, mean)


def _truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    key = jax_draw_seed(seed)
    if not _is_plain(key, shape, dtype, mean, stddev):
        return _THEIRS["truncated_normal"](shape, mean, stddev, dtype, key)
    edge, inside = math.erf(_CUT / math.sqrt(2)), np.nextafter(np.float32(_CUT), np.float32(0))
    return _scaled(np.clip(_quantiles(_between(key, shape, -edge, edge)), -inside, inside), stddev, mean)


def _scaled(drawn, stddev, mean):
    return jax.device_put(drawn * np.float32(stddev) + np.float32(mean))


def _zeros(shape, dtype=None, **options):
    return _filled("zeros", shape, dtype, options)


def _ones(shape, dtype=None, **options):
    return _filled("ones", shape, dtype, options)


def _filled(name, shape, dtype, options):
    as_keras_gives_them = isinstance(shape, tuple | list) and isinstance(dtype, str)
    if options or not as_keras_gives_them:
        return _THEIRS[name](shape, dtype, **options)
    return jax.device_put(getattr(np, name)(shape, dtype))


def _is_plain(key, shape, dtype, *parameters):
    """Whether NumPy can draw it: a value, not a tracer, for JAX' usual generator, in float32, with numbers."""
    return (
        isinstance(key, jax.Array)
        and not isinstance(key, jax.core.Tracer)
        and (key.dtype, key.shape) == ("uint32", (2,))
        and (jax.config.jax_default_prng_impl, jax.config.jax_threefry_partitionable) == ("threefry2x32", True)
        and isinstance(shape, tuple | list)
        and (dtype or keras.config.floatx()) == "float32"
        and all(isinstance(number, int | float) for number in parameters)
    )


def _between(key, shape, low, high):
    """Uniform in [low, high): 23 random bits as the fraction of a float in [1, 2), and from there in one rounding."""
    low, high = np.float32(low), np.float32(high)
    fractions = (_bits(key, math.prod(shape)) >> np.uint32(9) | np.uint32(0x3F800000)).view("float32") - np.float32(1)
    scaled = (fractions.astype("float64") * (high - low) + low).astype("float32")
    return np.maximum(low, scaled).reshape(shape)


def _quantiles(x):
    """Of a normal distribution, by numbers uniform in (-1, 1): by JAX, in blocks of one shape."""
    blocks = np.zeros((max(1, -(-x.size // _BLOCK)), _BLOCK), "float32")
    blocks.reshape(-1)[: x.size] = x.reshape(-1)
    with jax.ensure_compile_time_eval():
        quantiles = [_quantiles_of_block(block) for block in blocks]
    return np.concatenate(quantiles)[: x.size].reshape(x.shape)


@jax.jit
def _quantiles_of_block(x):
    return np.float32(math.sqrt(2)) * jax.lax.erf_inv(x)


def _bits(key, count):
    """Threefry-2x32 (Salmon et al. 2011) of the numbers from 0 on, its two words made one, as ``jax.random.bits``."""
    first, second = np.asarray(key)
    keys = first, second, first ^ second ^ np.uint32(0x1BD11BDA)
    x, y = np.full(count, first), np.arange(count, dtype="uint32") + second
    for i in range(5):
        for rotation in _ROTATIONS[i % 2]:
            x += y
            y = y << np.uint32(rotation) | y >> np.uint32(32 - rotation)
            y ^= x
        x += keys[(i + 1) % 3]
        y += keys[(i + 2) % 3] + np.uint32(i + 1)
    return x ^ y


_OURS = {
    (keras_random, "uniform"): _uniform,
    (keras_random, "normal"): _normal,
    (keras_random, "truncated_normal"): _truncated_normal,
    (jnp, "zeros"): _zeros,
    (jnp, "ones"): _ones,
}
_THEIRS = {name: getattr(module, name) for module, name in _OURS}
