"""Checks on arguments."""

from numbers import Integral, Real


def positive_int(name: str, value) -> int:
    """Returns ``value`` if it is an integer of at least 1, else raises a ``ValueError`` that names the argument."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1. Received: {name}={value!r}")
    return int(value)


def natural_number(name: str, value) -> int:
    """Returns ``value`` if it is an integer of at least 0, else raises a ``ValueError`` that names the argument."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise ValueError(f"`{name}` must be an integer of at least 0. Received: {name}={value!r}")
    return int(value)


def fraction(name: str, value) -> float:
    """Returns ``value`` if it is a number in [0, 1), else raises a ``ValueError`` that names the argument."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value < 1:
        raise ValueError(f"`{name}` must be a number in [0, 1). Received: {name}={value!r}")
    return float(value)
