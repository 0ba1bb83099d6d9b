r"""Priors with a shape, in the plane: pure functions from standard draws to samples, on ``keras.ops``.

A prior has ``parts``, one per class where labels shape it; ``part`` says which, as a float tensor ``(batch,)``.
"""

import math

from keras import ops

from genzoo.annotations import Tensor


def gaussian_mixture(normal: Tensor, part: Tensor, parts: int) -> Tensor:
    """Long Gaussians that point away from the origin: 2.5 along by 0.5 across, at distance 7.

    Args:
        normal: standard normal numbers, ``(batch, 2)``.
        part: which Gaussian, ``(batch,)``.
        parts: how many there are.

    Returns:
        Tensor ``(batch, 2)``.
    """
    return _turned(7.0 + 2.5 * normal[:, 0], 0.5 * normal[:, 1], 2.0 * math.pi * part / parts)


def swiss_roll(uniform: Tensor, part: Tensor, parts: int) -> Tensor:
    """Two turns of a spiral out to radius 15, even along its length, nearly; the parts follow each other along it.

    Args:
        uniform: numbers in [0, 1), ``(batch,)``.
        part: which piece of the roll, ``(batch,)``.
        parts: how many there are.

    Returns:
        Tensor ``(batch, 2)``.
    """
    root = ops.sqrt((part + uniform) / parts)
    return _turned(15.0 * root, ops.zeros_like(root), 4.0 * math.pi * root)


def _turned(along, across, angle):
    x = along * ops.cos(angle) - across * ops.sin(angle)
    return ops.stack([x, along * ops.sin(angle) + across * ops.cos(angle)], axis=1)
