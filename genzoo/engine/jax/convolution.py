"""Convolutions of images for XLA's CPU backend, which runs gradients of strided ones up to 40 times too slowly.

Three maps between images x, a kernel k and features y, s the stride and p the padding before the images:

- ``_down``, the convolution: y[i] = sum over t of x[s i + t - p] k[t];
- ``_up``, its transpose in the images: the transposed convolution;
- ``_across``, its transpose in the kernel.

Each is linear in both its arguments, and the gradients of each are the other two.
"""

import functools
import itertools
from typing import NamedTuple

import jax
from jax import lax
from jax import numpy as jnp

_FORMAT = ("NHWC", "HWIO", "NHWC")


def conv(x, kernel, strides, padding: str):
    """``keras.ops.conv`` of channels-last images."""
    return _down(tuple(map(_Axis.of, x.shape[1:3], kernel.shape[:2], strides, (padding, padding))), x, kernel)


def conv_transpose(x, kernel, strides, padding: str):
    """``keras.ops.conv_transpose`` of channels-last images."""
    sizes = zip(x.shape[1:3], kernel.shape[:2], strides, strict=True)
    images = [n * s if padding == "same" else (n - 1) * s + max(k, s) for n, k, s in sizes]
    return _up(tuple(map(_Axis.of, images, kernel.shape[:2], strides, (padding, padding))), x, kernel)


class _Axis(NamedTuple):
    """The sizes of one spatial axis."""

    images: int
    kernel: int
    stride: int
    features: int
    before: int  # padding of the images

    @classmethod
    def of(cls, images, kernel, stride, padding):
        if padding == "valid":
            return cls(images, kernel, stride, (images - kernel) // stride + 1, 0)
        features = -(-images // stride)
        return cls(images, kernel, stride, features, max(0, stride * (features - 1) + kernel - images) // 2)

    @property
    def padding(self):
        """Before and after the images; negative where no feature sees the last of them."""
        return self.before, self.stride * (self.features - 1) + self.kernel - self.images - self.before

    @property
    def shift(self):
        """Zeros before the kernel that align images with features, where they cost no further tap."""
        shift = -self.before % self.stride
        return shift if -(-(self.kernel + shift) // self.stride) == -(-self.kernel // self.stride) else 0

    @property
    def taps(self):
        """Features that touch one pixel, at most."""
        return -(-(self.kernel + self.shift) // self.stride)

    @property
    def around_kernel(self):
        return self.shift, self.stride * self.taps - self.kernel - self.shift

    @property
    def around_features(self):
        start = self.before + self.shift
        return self.taps - 1 - start // self.stride, (start + self.images - 1) // self.stride - self.features + 1

    @property
    def cut(self):
        start = (self.before + self.shift) % self.stride
        return slice(start, start + self.images)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _down(axes, x, kernel):
    return _strided(axes, x, kernel)


def _strided(axes, x, kernel):
    return _convolve(x, kernel, [axis.stride for axis in axes], [axis.padding for axis in axes])


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _up(axes, y, kernel):
    """In sub-pixel form: one convolution to all the pixels between two strides, which are then interleaved."""
    (a, b), (rows, columns) = ([axis.stride for axis in axes], [axis.taps for axis in axes])
    channels_out, channels_in = kernel.shape[2:]
    taps = jnp.pad(kernel, (*(axis.around_kernel for axis in axes), (0, 0), (0, 0)))
    taps = taps.reshape(rows, a, columns, b, channels_out, channels_in)[::-1, :, ::-1]
    taps = taps.transpose(0, 2, 5, 1, 3, 4).reshape(rows, columns, channels_in, a * b * channels_out)
    parts = _convolve(y, taps, (1, 1), [axis.around_features for axis in axes])
    batch, height, width, _ = parts.shape
    parts = parts.reshape(batch, height, width, a, b, channels_out).transpose(0, 1, 3, 2, 4, 5)
    return parts.reshape(batch, height * a, width * b, channels_out)[:, axes[0].cut, axes[1].cut]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _across(axes, x, y):
    kernel = jax.ShapeDtypeStruct((*(axis.kernel for axis in axes), x.shape[3], y.shape[3]), x.dtype)
    return jax.linear_transpose(lambda kernel: _strided(axes, x, kernel), kernel)(y)[0]


def _define_gradients(bilinear, by_first, by_second):
    bilinear.defvjp(
        lambda axes, first, second: (bilinear(axes, first, second), (first, second)),
        lambda axes, inputs, slope: (by_first(axes, slope, inputs[1]), by_second(axes, slope, inputs[0])),
    )


_define_gradients(_down, _up, lambda axes, slope, x: _across(axes, x, slope))
_define_gradients(_up, _down, _across)
_define_gradients(_across, lambda axes, slope, y: _up(axes, y, slope), lambda axes, slope, x: _down(axes, x, slope))


def _convolve(x, kernel, strides, padding):
    """The convolution; in bands of rows, each without the rows of the kernel that fall on padding, if they are many."""
    height, size, stride, (before, after) = x.shape[1], kernel.shape[0], strides[0], padding[0]
    rows = range((before + height + after - size) // stride + 1)
    on_image = [(max(0, before - stride * i), min(size, before + height - stride * i)) for i in rows]
    seen = [stop - start for start, stop in on_image]
    if min(seen, default=0) < 1 or sum(seen) > 0.9 * size * len(seen):
        return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=_FORMAT)
    bands = []
    for (start, stop), band in itertools.groupby(rows, on_image.__getitem__):
        first, *_, last = 2 * list(band)
        part = x[:, first * stride + start - before : last * stride + stop - before]
        bands.append(
            lax.conv_general_dilated(part, kernel[start:stop], strides, [(0, 0), padding[1]], dimension_numbers=_FORMAT)
        )
    return jnp.concatenate(bands, axis=1)
