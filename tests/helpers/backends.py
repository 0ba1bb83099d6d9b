"""Which backends there are here. Every test runs with one of them installed, or says what else it needs."""

import importlib.util

import keras
import pytest

ORDER = ("jax", "torch", "tensorflow")
BACKEND = keras.config.backend()
INSTALLED = [name for name in ORDER if importlib.util.find_spec(name)]
# The others, from the one that follows this one on: each backend's tests begin with another.
OTHERS = [name for name in (2 * ORDER)[ORDER.index(BACKEND) + 1 :][:2] if name in INSTALLED]

needs_another = pytest.mark.skipif(not OTHERS, reason=f"needs another backend beside {BACKEND}")


def beside(backend):
    """The other installed backends: hidden, they cost a fresh process no time."""
    return [name for name in INSTALLED if name != backend]


def pytorch():
    """PyTorch, in which a reference is written; without it the test is skipped."""
    return pytest.importorskip("torch", reason="needs torch, in which its reference is written")
