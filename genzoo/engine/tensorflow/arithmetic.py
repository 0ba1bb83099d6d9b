"""Arithmetic where TensorFlow has a faster way than the operations that Keras composes."""

import tensorflow as tf

from genzoo.engine import plain
from genzoo.engine.subpixel import MOST_CHANNELS, blocks

SMALLEST_EPSILON = 1.001e-5  # of cuDNN's batch normalisation


def dropout(x, rate, seed_generator):
    """16 random bits per unit decide, so that a word of 64 serves four."""
    threshold = round(rate * 2**16)
    if not 0 < threshold < 2**16:
        return plain.dropout(x, rate, seed_generator)
    words = (tf.size(x) + 3) // 4
    bits = tf.random.stateless_uniform([words], seed_generator.next(), None, None, tf.int64)
    bits = tf.reshape(tf.reshape(tf.bitcast(bits, tf.uint16), [-1])[: tf.size(x)], tf.shape(x))
    kept = tf.cast(1.0 / (1.0 - rate), x.dtype)
    return x * tf.where(bits < tf.constant(threshold, tf.uint16), tf.zeros_like(kept), kept)


def batch_norm(x, scale, offset, axis, epsilon):
    """By the fused kernel. The statistics have no gradient."""
    if axis % x.ndim != x.ndim - 1 or x.ndim not in (2, 4) or epsilon < SMALLEST_EPSILON:
        return plain.batch_norm(x, scale, offset, axis, epsilon)
    images = x[:, None, None, :] if x.ndim == 2 else x
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=images, scale=scale, offset=offset, mean=[], variance=[], epsilon=epsilon
    )
    n = tf.cast(tf.size(x) // x.shape[-1], tf.float32)
    variance *= (n - 1.0) / n  # the kernel's estimate is unbiased, Keras' moving variance averages the biased one
    return tf.reshape(y, tf.shape(x)), mean, variance


def leaky_relu(x, negative_slope):
    """TensorFlow's own, without its second derivative: that is 0, and TensorFlow sends it back through the network."""

    @tf.custom_gradient
    def apply(x):
        def gradient(slope):
            sign = tf.stop_gradient(x)
            return tf.raw_ops.LeakyReluGrad(gradients=slope, features=sign, alpha=negative_slope)

        return tf.nn.leaky_relu(x, negative_slope), gradient

    return apply(tf.convert_to_tensor(x))


def conv(x, kernel, bias=None, **options):
    """From images of few channels, with the gradient by the images in sub-pixel form."""
    if not _has_subpixel_form(x, x, kernel, **options):
        return plain.conv(x, kernel, bias, **options)
    y = _conv(x, tf.convert_to_tensor(kernel), options["strides"][0])
    return y if bias is None else tf.nn.bias_add(y, bias)


def conv_transpose(x, kernel, bias=None, **options):
    """To images of few channels in sub-pixel form."""
    if not _has_subpixel_form(None, x, kernel, **options):
        return plain.conv_transpose(x, kernel, bias, **options)
    y = _conv_transpose(x, tf.convert_to_tensor(kernel), options["strides"][0])
    return y if bias is None else tf.nn.bias_add(y, bias)


def _has_subpixel_form(images, x, kernel, strides, padding, data_format):
    rows, columns, channels, _ = kernel.shape
    stride = strides[0]
    return (
        padding == "same"
        and data_format == "channels_last"
        and rows >= stride == strides[1] > 1
        and columns >= stride
        and channels <= MOST_CHANNELS
        and x.dtype == tf.float32 == kernel.dtype
        and (images is None or (images.shape[-1] == channels and _divisible(images.shape[1:3], stride)))
    )


def _divisible(sizes, stride):
    return all(size is not None and size % stride == 0 for size in sizes)


def _conv(images, kernel, stride):
    """A strided convolution, and below its adjoint; each is the other's gradient."""

    @tf.custom_gradient
    def apply(images, kernel):
        def gradient(slope):
            return _conv_transpose(slope, kernel, stride), _kernel_gradient(images, kernel.shape, slope, stride)

        return tf.nn.conv2d(images, kernel, stride, "SAME"), gradient

    return apply(images, kernel)


def _conv_transpose(x, kernel, stride):
    @tf.custom_gradient
    def apply(x, kernel):
        def gradient(slope):
            return _conv(slope, kernel, stride), _kernel_gradient(slope, kernel.shape, x, stride)

        return _subpixel(x, kernel, stride), gradient

    return apply(x, kernel)


def _kernel_gradient(images, shape, slope, stride):
    return tf.raw_ops.Conv2DBackpropFilter(
        input=images, filter_sizes=shape, out_backprop=slope, strides=[1, stride, stride, 1], padding="SAME"
    )


def _subpixel(x, kernel, stride):
    """The transposed convolution as one of stride 1 that gives the pixels of a stride-by-stride block as channels."""
    rows, columns, channels, features = kernel.shape
    (height, *row_paddings), (width, *column_paddings) = (blocks(taps, stride) for taps in (rows, columns))
    kernel = tf.pad(kernel, [row_paddings[0], column_paddings[0], [0, 0], [0, 0]])
    kernel = tf.reverse(tf.reshape(kernel, [height, stride, width, stride, channels, features]), [0, 2])
    kernel = tf.transpose(kernel, [0, 2, 5, 1, 3, 4])
    kernel = tf.reshape(kernel, [height, width, features, stride * stride * channels])
    pixels = tf.nn.conv2d(x, kernel, 1, [[0, 0], row_paddings[1], column_paddings[1], [0, 0]])
    return tf.nn.depth_to_space(pixels, stride)
