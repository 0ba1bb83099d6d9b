"""Layers' arithmetic. Images lie in memory with channels last, which PyTorch's CPU kernels like best."""

import torch
from keras import ops
from torch.nn import functional

from genzoo.engine import plain


def dense(x, kernel, bias=None):
    x, kernel, bias = _tensors(x, kernel, bias)
    if bias is None or x.ndim != 2 or not x.dtype == kernel.dtype == bias.dtype:
        return plain.dense(x, kernel, bias)
    return torch.addmm(bias, x, kernel)


def conv(x, kernel, bias=None, *, strides, padding, data_format):
    x, kernel, bias = _tensors(x, kernel, bias)
    x, pads = _channels_first(x, data_format), [(0, 0), (0, 0)]
    if padding == "same":
        pads = [_same(*sizes) for sizes in zip(x.shape[2:], kernel.shape, strides, strict=False)]
    (top, bottom), (left, right) = pads
    if (top, left) != (bottom, right):
        x = functional.pad(x, (0, right - left, 0, bottom - top))
    return _as_given(functional.conv2d(x, _weight(kernel), bias, strides, (top, left)), data_format)


def conv_transpose(x, kernel, bias=None, *, strides, padding, data_format):
    if padding != "same" or any(stride > size for stride, size in zip(strides, kernel.shape, strict=False)):
        return plain.conv_transpose(x, kernel, bias, strides=strides, padding=padding, data_format=data_format)
    x, kernel, bias = _tensors(x, kernel, bias)
    x = _channels_first(x, data_format)
    sizes = [stride * size for stride, size in zip(strides, x.shape[2:], strict=True)]
    # Of what the kernel writes beyond the image, the smaller half lies before it.
    before = [(size - stride) // 2 for size, stride in zip(kernel.shape, strides, strict=False)]
    x = functional.conv_transpose2d(x, _weight(kernel), bias, strides, before)
    if x.shape[2:] != tuple(sizes):
        x = x[:, :, : sizes[0], : sizes[1]].contiguous(memory_format=torch.channels_last)
    return _as_given(x, data_format)


def batch_norm(x, scale, offset, axis, epsilon):
    x, scale, offset = _tensors(x, scale, offset)
    x, mean, inverse = torch.native_batch_norm(x.movedim(axis, 1), scale, offset, None, None, True, 0.0, epsilon)
    return x.movedim(1, axis), mean, (inverse**-2 - epsilon).clamp(min=0)


def leaky_relu(x, negative_slope):
    if negative_slope <= 0:  # then a result does not tell the sign of what came in
        return plain.leaky_relu(x, negative_slope)
    return _LeakyReLU.apply(ops.convert_to_tensor(x), negative_slope)


class _LeakyReLU(torch.autograd.Function):
    """PyTorch's own, but for its second derivative: none, where PyTorch sends zeros back through the whole network.

    It keeps its result, not what came in, so that a recording may write the one over the other.
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
        return torch.ops.aten.leaky_relu_backward(gradient, result.detach(), ctx.slope, False), None


def _tensors(*values):
    return [None if value is None else ops.convert_to_tensor(value) for value in values]


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
