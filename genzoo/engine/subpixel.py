"""Transposed convolutions to few channels as one of stride 1, to the pixels between two strides as its channels."""

MOST_CHANNELS = 4  # that images may have: up to here oneDNN's own transposed convolutions are slower


def blocks(taps: int, stride: int):
    """How many inputs reach a block of outputs along an axis, and the zeros around the taps and around the inputs."""
    before = (taps - stride) // 2
    later, earlier = (stride - 1 + before) // stride, (taps - 1 - before) // stride
    reaching, start = earlier + 1 + later, stride * later - before
    return reaching, (start, stride * reaching - taps - start), (earlier, later)
