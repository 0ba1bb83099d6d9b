"""Layers' arithmetic. Images lie in memory with channels last, which PyTorch's CPU kernels like best."""

import torch
from keras import ops
from torch.nn import functional

from genzoo.engine import plain
from genzoo.engine.subpixel import MOST_CHANNELS, blocks
from genzoo.engine.torch import borrowed


def dense(x, kernel, bias=None):
    x, kernel, bias = _tensors(x, kernel, bias)
    if bias is None or x.ndim != 2 or not x.dtype == kernel.dtype == bias.dtype:
        return plain.dense(x, kernel, bias)
    return torch.addmm(bias, x, kernel)


def conv(x, kernel, bias=None, *, strides, padding, data_format):
    x, kernel, bias = _tensors(x, kernel, bias)
    x, weight = _channels_first(x, data_format), _weight(kernel)
    if padding == "same" and _has_subpixel_form(x, x.shape[2:], weight, strides):
        return _as_given(_Down.apply(x, weight, bias, strides), data_format)
    x, pads = _padded(x, weight, strides) if padding == "same" else (x, 0)
    return _as_given(functional.conv2d(x, weight, bias, strides, pads), data_format)


def conv_transpose(x, kernel, bias=None, *, strides, padding, data_format):
    if padding != "same" or any(stride > size for stride, size in zip(strides, kernel.shape, strict=False)):
        return plain.conv_transpose(x, kernel, bias, strides=strides, padding=padding, data_format=data_format)
    x, kernel, bias = _tensors(x, kernel, bias)
    x, weight = _channels_first(x, data_format), _weight(kernel)
    sizes = [stride * size for stride, size in zip(strides, x.shape[2:], strict=True)]
    # Of what the kernel writes beyond the image, the smaller half lies before it.
    before = [(size - stride) // 2 for size, stride in zip(kernel.shape, strides, strict=False)]
    if _has_subpixel_form(x, sizes, weight, strides):
        x = _Up.apply(x, weight, strides)
        return _as_given(x if bias is None else x + bias[:, None, None], data_format)
    x = functional.conv_transpose2d(x, weight, bias, strides, before)
    if x.shape[2:] != tuple(sizes):
        x = x[:, :, : sizes[0], : sizes[1]].contiguous(memory_format=torch.channels_last)
    return _as_given(x, data_format)


def batch_norm(x, scale, offset, axis, epsilon):
    native = borrowed.native_batch_norm.found
    if native is None:
        return plain.batch_norm(x, scale, offset, axis, epsilon)
    x, scale, offset = _tensors(x, scale, offset)
    x, mean, inverse = native(x.movedim(axis, 1), scale, offset, None, None, True, 0.0, epsilon)
    return x.movedim(1, axis), mean, (inverse**-2 - epsilon).clamp(min=0)


def normalise(x, mean, variance, scale, offset, axis, epsilon):
    native = borrowed.native_batch_norm.found
    if native is None:
        return plain.normalise(x, mean, variance, scale, offset, axis, epsilon)
    x, mean, variance, scale, offset = _tensors(x, mean, variance, scale, offset)
    x, *_ = native(x.movedim(axis, 1), scale, offset, mean, variance, False, 0.0, epsilon)
    return x.movedim(1, axis)


def leaky_relu(x, negative_slope):
    if negative_slope <= 0:  # then a result does not tell the sign of what came in
        return plain.leaky_relu(x, negative_slope)
    return _LeakyReLU.apply(ops.convert_to_tensor(x), negative_slope)


class _LeakyReLU(torch.autograd.Function):
    """PyTorch's own, without its second derivative: that is 0, and PyTorch sends it back through the whole network.

    It keeps its result and not its input, so that a recording may write the result over the input.
    """

    @staticmethod
    def forward(ctx, x, slope):
        result = functional.leaky_relu(x, slope)
        ctx.save_for_backward(result)
        ctx.slope = slope
        return result

    @staticmethod
    def backward(ctx, gradient):
        (result,) = ctx.saved_tensors
        native = borrowed.leaky_relu_backward.found
        if native is None:
            return torch.where(result.detach() > 0, gradient, ctx.slope * gradient), None
        return native(gradient, result.detach(), ctx.slope, False), None


def _has_subpixel_form(x, image_size, weight, strides):
    channels, *kernel = weight.shape[1:]
    return (
        x.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and x.dtype == torch.float32 == weight.dtype
        and channels <= MOST_CHANNELS
        and strides[0] == strides[1] > 1
        and all(size >= stride for size, stride in zip(kernel, strides, strict=True))
        and all(size % stride == 0 for size, stride in zip(image_size, strides, strict=True))
    )


class _Down(torch.autograd.Function):
    """A strided convolution of images of few channels; its gradient by them is ``_Up``, whose own is this one."""

    @staticmethod
    def forward(ctx, images, weight, bias, strides):
        ctx.save_for_backward(images, weight)
        ctx.strides, ctx.biased = strides, bias is not None
        images, pads = _padded(images, weight, strides)
        return functional.conv2d(images, weight, bias, strides, pads)

    @staticmethod
    def backward(ctx, slope):
        images, weight = ctx.saved_tensors
        needs_images, *needs_weights, _ = ctx.needs_input_grad
        by_images = _Up.apply(slope, weight, ctx.strides) if needs_images else None
        by_weights = _by_weight(images, slope, weight, ctx.strides, ctx.biased) if any(needs_weights) else (None, None)
        return by_images, *by_weights, None


class _Up(torch.autograd.Function):
    """A transposed convolution to images of few channels, in its sub-pixel form; its gradient is ``_Down``."""

    @staticmethod
    def forward(ctx, features, weight, strides):
        ctx.save_for_backward(features, weight)
        ctx.strides = strides
        stride = strides[0]
        inputs, channels, *kernel = weight.shape
        (height, rows, around_rows), (width, columns, around_columns) = (blocks(taps, stride) for taps in kernel)
        weight = functional.pad(weight, (*columns, *rows)).view(inputs, channels, height, stride, width, stride)
        weight = weight.flip(2, 4).permute(1, 3, 5, 0, 2, 4).reshape(-1, inputs, height, width)
        features, pads = _padded_by(features, around_rows, around_columns)
        return functional.pixel_shuffle(functional.conv2d(features, weight, padding=pads), stride)

    @staticmethod
    def backward(ctx, slope):
        features, weight = ctx.saved_tensors
        needs_features, needs_weight, _ = ctx.needs_input_grad
        by_features = _Down.apply(slope, weight, None, ctx.strides) if needs_features else None
        by_weight = _by_weight(slope, features, weight, ctx.strides, False)[0] if needs_weight else None
        return by_features, by_weight, None


def _by_weight(images, features, weight, strides, biased):
    """The gradients of a convolution from images to features by its weight and by its bias."""
    images, pads = _padded(images, weight, strides)
    native = borrowed.convolution_backward.found
    if native is None:
        by_weight = torch.nn.grad.conv2d_weight(images, weight.shape, features, strides, pads)
        return by_weight, features.sum((0, 2, 3)) if biased else None
    mask = [False, True, biased]
    biases = [weight.shape[0]] if biased else None
    return native(features, images, weight, biases, strides, pads, (1, 1), False, (0, 0), 1, mask)[1:]


def _tensors(*values):
    return [None if value is None else ops.convert_to_tensor(value) for value in values]


def _padded(x, weight, strides):
    """Images and a convolution's padding, which together are "same"."""
    return _padded_by(x, *map(_same, x.shape[2:], weight.shape[2:], strides))


def _padded_by(x, rows, columns):
    """Images with what is more on one side, because a convolution pads both sides alike; and what it shall pad."""
    pads = min(rows), min(columns)
    more = [
        n - pad
        for axis, pad in ((columns, pads[1]), (rows, pads[0]))  # of the last axis first, as `pad` wants it
        for n in axis
    ]
    return functional.pad(x, more) if any(more) else x, pads


def _same(size, kernel, stride):
    """Padding before and after, so that a convolution gives ``size / stride``, rounded up."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def _weight(kernel):
    return kernel.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)


def _channels_first(x, data_format):
    return x.permute(0, 3, 1, 2) if data_format == "channels_last" else x


def _as_given(x, data_format):
    return x.permute(0, 2, 3, 1) if data_format == "channels_last" else x
