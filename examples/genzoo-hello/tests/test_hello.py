"""What genzoo asks of every model, and what holds of this one. On the backend of ``KERAS_BACKEND``."""

import keras
import numpy as np
from genzoo_hello import WIDTHS, squared_mmd
from keras import ops

import genzoo
from genzoo.testing import parametrize_with_checks


@parametrize_with_checks(["hello"])
def test_contract(model, check):
    check(model)


def test_squared_mmd_is_that_of_its_definition():
    rng = np.random.default_rng(0)
    x, y = rng.random((4, 3, 3, 1), dtype="float32"), rng.random((5, 3, 3, 1), dtype="float32")

    def mean_kernel(a, b):
        return np.mean([sum(np.exp(-np.sum((p - q) ** 2) / (2 * w**2)) for w in WIDTHS) for p in a for q in b])

    expected = mean_kernel(x, x) - 2 * mean_kernel(x, y) + mean_kernel(y, y)
    np.testing.assert_allclose(ops.convert_to_numpy(squared_mmd(x, y)), expected, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(squared_mmd(x, x)), 0.0, atol=1e-5)


def test_it_learns_a_distribution():
    # Plain images, one in four of them light.
    x = np.full((256, 8, 8, 1), 0.1, "float32")
    x[::4] = 0.9
    model = genzoo.get("hello", latent_dim=4, hidden_dim=32, seed=0)
    model.compile(keras.optimizers.Adam(5e-3))
    model.fit(x, batch_size=64, epochs=40, verbose=0)
    brightness = model.sample(1000, seed=0).mean(axis=(1, 2, 3))
    assert abs(np.mean(brightness > 0.5) - 0.25) < 0.1
