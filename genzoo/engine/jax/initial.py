"""Initial weights that equal JAX' own but are drawn by NumPy: JAX compiles a program for every shape and function."""

import math

import jax
import keras
import numpy as np
from keras import initializers

from genzoo.engine import plain
from genzoo.engine.jax import borrowed

_CUT = 2.0  # standard deviations, where Keras truncates
_KEPT_DEVIATION = 0.87962566103423978  # of a standard normal that is truncated there
_SCALED = (
    initializers.VarianceScaling,
    initializers.GlorotNormal,
    initializers.GlorotUniform,
    initializers.HeNormal,
    initializers.HeUniform,
    initializers.LecunNormal,
    initializers.LecunUniform,
)
_BLOCK = 2**14
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def initializer(given):
    """A function with the values of a Keras initializer, up to rounding, that compiles nothing where it can."""
    theirs = initializers.get(given)
    if theirs is None or keras.distribution.distribution() is not None:
        return theirs

    def values(shape, dtype=None):
        ours = _values(theirs, tuple(shape), dtype or keras.config.floatx())
        return theirs(shape, dtype=dtype) if ours is None else jax.device_put(ours)

    return values


def build_optimizer(optimizer, variables) -> None:
    """As Keras builds it, but its zeros come without compiling."""
    add_variable = optimizer.add_variable

    def add(*args, **options):
        options["initializer"] = initializer(options.get("initializer", "zeros"))
        return add_variable(*args, **options)

    optimizer.add_variable = add
    try:
        plain.build_optimizer(optimizer, variables)
    finally:
        del optimizer.add_variable


def _values(given, shape, dtype):
    """The values of an initializer as an array, or None where NumPy cannot make them."""
    kind = type(given)
    if kind in (initializers.Zeros, initializers.Ones):
        return (np.zeros if kind is initializers.Zeros else np.ones)(shape, dtype)
    if dtype != "float32":
        return None
    if kind is initializers.Constant and isinstance(given.value, int | float):
        return np.full(shape, given.value, dtype)
    if not isinstance(getattr(given, "seed", None), int) or not borrowed.generator_is_threefry():
        return None
    key = np.array([given.seed & 0xFFFFFFFF, 0], "uint32")
    if kind is initializers.RandomUniform:
        return _between(key, shape, given.minval, given.maxval)
    if kind is initializers.RandomNormal:
        return _scaled(_normal(key, shape), given.stddev, given.mean)
    if kind is initializers.TruncatedNormal:
        return _scaled(_truncated_normal(key, shape), given.stddev, given.mean)
    return _variance_scaled(given, key, shape) if kind in _SCALED else None


def _variance_scaled(given, key, shape):
    """``keras.initializers.VarianceScaling``, by whose rule Glorot's, He's and LeCun's initializers draw too."""
    if getattr(given, "input_axes", None) is not None or getattr(given, "output_axes", None) is not None:
        return None
    field = math.prod(shape[:-2])
    fan_in, fan_out = (shape[-2] * field, shape[-1] * field) if len(shape) > 1 else 2 * (shape or (1,))
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}
    scale = given.scale / max(1.0, fans[given.mode])
    if given.distribution == "uniform":
        limit = math.sqrt(3.0 * scale)
        return _between(key, shape, -limit, limit)
    if given.distribution == "truncated_normal":
        return _scaled(_truncated_normal(key, shape), math.sqrt(scale) / _KEPT_DEVIATION)
    return _scaled(_normal(key, shape), math.sqrt(scale))


def _normal(key, shape):
    return _quantiles(_between(key, shape, np.nextafter(np.float32(-1), np.float32(0)), 1))


def _truncated_normal(key, shape):
    edge, inside = math.erf(_CUT / math.sqrt(2)), np.nextafter(np.float32(_CUT), np.float32(0))
    return np.clip(_quantiles(_between(key, shape, -edge, edge)), -inside, inside)


def _scaled(drawn, stddev, mean=0.0):
    return drawn * np.float32(stddev) + np.float32(mean)


def _between(key, shape, low, high):
    """Numbers uniform in [low, high): 23 random bits make a float in [1, 2), which is scaled with one rounding."""
    low, high = np.float32(low), np.float32(high)
    fractions = (_bits(key, math.prod(shape)) >> np.uint32(9) | np.uint32(0x3F800000)).view("float32") - np.float32(1)
    scaled = (fractions.astype("float64") * (high - low) + low).astype("float32")
    return np.maximum(low, scaled).reshape(shape)


def _quantiles(x):
    """Normal numbers from numbers uniform in (-1, 1). JAX computes them in blocks of one shape, so compiles once."""
    blocks = np.zeros((max(1, -(-x.size // _BLOCK)), _BLOCK), "float32")
    blocks.reshape(-1)[: x.size] = x.reshape(-1)
    with jax.ensure_compile_time_eval():
        quantiles = [_quantiles_of_block(block) for block in blocks]
    return np.concatenate(quantiles)[: x.size].reshape(x.shape)


@jax.jit
def _quantiles_of_block(x):
    return np.float32(math.sqrt(2)) * jax.lax.erf_inv(x)


def _bits(key, count):
    """The bits of ``jax.random.bits``: Threefry-2x32 (Salmon et al. 2011) of 0, 1, 2 ..., the two words xored."""
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
