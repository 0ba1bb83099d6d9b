"""Data that tests of the engine share."""

import numpy as np
import pytest
from toys import BATCH, LATENT, STEPS


@pytest.fixture
def data():
    """Images of 2x2, with noise as their labels."""
    rng = np.random.default_rng(0)
    images = rng.random((STEPS * BATCH, 2, 2, 1), dtype="float32")
    return images, rng.standard_normal((STEPS * BATCH, 2, LATENT)).astype("float32")
