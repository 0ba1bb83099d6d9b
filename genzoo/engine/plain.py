"""What every backend can do in Keras' own terms. A backend module takes from here what it does no better itself."""

import contextlib
import random

import keras
import numpy as np
from keras import ops

from genzoo.engine import borrowed

# What Keras' optimizers may do besides their rule, and its value where they do not.
_EXTRAS = {
    "weight_decay": None,
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
    "amsgrad": False,
}


def has_extras(optimizer) -> bool:
    """Whether an update by this Keras optimizer is more than the rule of its name."""
    return any(getattr(optimizer, name, value) != value for name, value in _EXTRAS.items())


def update(optimizer, gradients, variables) -> None:
    """One update of the variables by a Keras optimizer."""
    optimizer.apply(gradients, variables)


def normal(shape, seed_generator):
    """Standard normal numbers, float32."""
    return keras.random.normal(shape, seed=seed_generator)


def uniform(shape, seed_generator):
    """Numbers uniform in [0, 1), float32."""
    return keras.random.uniform(shape, seed=seed_generator)


def dropout(x, rate: float, seed_generator):
    """Units set to 0 with probability ``rate``, the others divided by ``1 - rate``."""
    return keras.random.dropout(x, rate, seed=seed_generator)


def dense(x, kernel, bias=None):
    """``x @ kernel + bias``."""
    x = ops.matmul(x, kernel)
    return x if bias is None else ops.add(x, bias)


def conv(x, kernel, bias=None, **options):
    """``keras.ops.conv`` of images, and a bias. ``options`` are strides, padding and data_format."""
    return _with_bias(ops.conv(x, kernel, **options), bias, options["data_format"])


def conv_transpose(x, kernel, bias=None, **options):
    """``keras.ops.conv_transpose`` of images, and a bias. ``options`` are strides, padding and data_format."""
    return _with_bias(ops.conv_transpose(x, kernel, **options), bias, options["data_format"])


def batch_norm(x, scale, offset, axis: int, epsilon: float):
    """Batch normalisation by the batch's own mean and (biased) variance: ``(normalised, mean, variance)``."""
    axes = [i for i in range(x.ndim) if i != axis % x.ndim]
    mean, variance = ops.moments(x, axes)
    return ops.batch_normalization(x, mean, variance, axis, offset, scale, epsilon), mean, variance


def normalise(x, mean, variance, scale, offset, axis: int, epsilon: float):
    """Batch normalisation by a given mean and variance."""
    return ops.batch_normalization(x, mean, variance, axis, offset, scale, epsilon)


def leaky_relu(x, negative_slope: float):
    """``x`` where it is positive, else ``negative_slope * x``."""
    return ops.leaky_relu(x, negative_slope)


def fill(array, tensor):
    """Writes the first rows of a tensor into an array, once they are computed."""
    array[...] = np.asarray(tensor)[: len(array)]


def export(path, format, endpoints, verbose):
    """Writes functions as an artifact, where a backend can."""
    raise ValueError(
        "A model is exported as format='tf_saved_model' on the backend 'tensorflow'. Received: "
        f"{format=} on {keras.config.backend()!r}. Save it (model.save), set KERAS_BACKEND=tensorflow, load it there "
        "(genzoo.load) and export it."
    )


def padded(array, size: int):
    """A batch with rows of zeros up to ``size``, so that a short one needs no program of its own."""
    missing = size - len(array)
    return np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1)) if missing else array


def feed(batches):
    """What Keras' ``fit`` shall read ``ImageBatches`` from."""
    return batches


def weights_kept(model):
    """Nothing to do where variables keep their values whatever raises."""
    return contextlib.nullcontext()


def initializer(given):
    """A Keras initializer as it is, where it makes new arrays without compiling."""
    return given


def build_optimizer(optimizer, variables) -> None:
    """Makes a Keras optimizer's state for these variables."""
    optimizer.build(variables)


def pin_seeds(layers) -> None:
    """Nothing to do where every seed generator draws from its own state."""


@contextlib.contextmanager
def seeded(seed: int | None):
    """Inside, seeds that nobody gives to Keras' layers and initializers follow from this one. None changes nothing."""
    if seed is None:
        yield
        return
    python, numpy = random.getstate(), np.random.get_state()
    if borrowed.python_seed.found is not None:
        borrowed.python_seed.found(seed)
    else:
        keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        if borrowed.python_seed.found is None:
            np.random.set_state(numpy)


def _with_bias(x, bias, data_format):
    if bias is None:
        return x
    return ops.add(x, ops.reshape(bias, (1, 1, 1, -1) if data_format == "channels_last" else (1, -1, 1, 1)))
