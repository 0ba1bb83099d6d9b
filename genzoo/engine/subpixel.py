"""The sub-pixel form of a transposed convolution: one of stride 1 that gives each block of pixels as channels."""

MOST_CHANNELS = 4  # that images may have: up to here oneDNN's own transposed convolutions are slower


def blocks(taps: int, stride: int):
    """Along an axis: how many inputs reach a block of outputs, and the zeros around the taps and around the inputs."""
    before = (taps - stride) // 2
    later, earlier = (stride - 1 + before) // stride, (taps - 1 - before) // stride
    reaching, start = earlier + 1 + later, stride * later - before
    return reaching, (start, stride * reaching - taps - start), (earlier, later)
