"""Initial weights and zeros as JAX makes them, but by NumPy: JAX compiles a program for every shape and function."""

import contextlib
import math
import threading

import jax
import numpy as np
from jax import numpy as jnp

_BLOCK = 2**14
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


@contextlib.contextmanager
def initial_values():
    """Inside, what JAX fills new arrays with is the same but for rounding, and comes without compiling.

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
            setattr(module, name, function if _depth else _JAX[name])


_lock, _depth = threading.Lock(), 0


def _uniform(key, shape=(), dtype=None, minval=0.0, maxval=1.0, **options):
    if options or not _is_plain(key, shape, dtype, minval, maxval):
        return _JAX["uniform"](key, shape, dtype, minval, maxval, **options)
    return jax.device_put(_between(key, shape, minval, maxval))


def _normal(key, shape=(), dtype=None, **options):
    if options or not _is_plain(key, shape, dtype):
        return _JAX["normal"](key, shape, dtype, **options)
    return jax.device_put(_quantiles(_between(key, shape, np.nextafter(np.float32(-1), np.float32(0)), 1)))


def _truncated_normal(key, lower, upper, shape=None, dtype=None, **options):
    if options or not _is_plain(key, shape, dtype, lower, upper):
        return _JAX["truncated_normal"](key, lower, upper, shape, dtype, **options)
    edges = (math.erf(bound / math.sqrt(2)) for bound in (lower, upper))
    inside = (np.nextafter(np.float32(bound), np.float32(end)) for bound, end in ((lower, np.inf), (upper, -np.inf)))
    return jax.device_put(np.clip(_quantiles(_between(key, shape, *edges)), *inside))


def _zeros(shape, dtype=None, **options):
    return _filled("zeros", shape, dtype, options)


def _ones(shape, dtype=None, **options):
    return _filled("ones", shape, dtype, options)


def _filled(name, shape, dtype, options):
    if options or not _is_known(shape, dtype):
        return _JAX[name](shape, dtype, **options)
    return jax.device_put(getattr(np, name)(shape, dtype))


def _is_plain(key, shape, dtype, *bounds):
    """Whether NumPy can draw it: a value, not a tracer, for JAX' usual generator, in float32, between two numbers."""
    return (
        isinstance(key, jax.Array)
        and not isinstance(key, jax.core.Tracer)
        and (key.dtype, key.shape) == ("uint32", (2,))
        and (jax.config.jax_default_prng_impl, jax.config.jax_threefry_partitionable) == ("threefry2x32", True)
        and _is_known(shape, dtype)
        and np.dtype(dtype) == "float32"
        and all(isinstance(bound, int | float) for bound in bounds)
    )


def _is_known(shape, dtype):
    """Whether shape and dtype are as Keras gives them: a tuple and a name."""
    return isinstance(shape, tuple | list) and isinstance(dtype, str)


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
    (jax.random, "uniform"): _uniform,
    (jax.random, "normal"): _normal,
    (jax.random, "truncated_normal"): _truncated_normal,
    (jnp, "zeros"): _zeros,
    (jnp, "ones"): _ones,
}
_JAX = {name: getattr(module, name) for module, name in _OURS}
