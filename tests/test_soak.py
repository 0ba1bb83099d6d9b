"""A process that makes, trains and saves many models does not grow without end."""

from pathlib import Path

import keras
import pytest
from processes import run_python

SOAK = """
    import sys
    from pathlib import Path

    import numpy as np

    import genzoo

    x, y = np.zeros((16, 8, 8, 1), "uint8"), np.arange(16) % 10


    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


    for i in range(100):
        conditional = {"num_classes": 10} if i % 2 else {}
        model = genzoo.get("cgan" if conditional else "vae", hidden_dim=12, latent_dim=2, seed=0, **conditional)
        model.fit(x, y, verbose=0)
        model.sample(2, seed=0, labels=1 if conditional else None)
        model.save(sys.argv[1])
        if i == 59:  # what is kept for good has been by now
            before = resident()
    print((resident() - before) / 40)
"""
# TensorFlow keeps the graphs of functions that nobody has any more, a plain Keras model's even more of them.
MEBIBYTES = {"tensorflow": 8.0}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from /proc")
def test_a_hundred_models_leave_little_behind(tmp_path):
    printed, _ = run_python(SOAK, tmp_path / "model.keras")
    grown = float(printed.splitlines()[-1])
    print(f"{grown:.2f} MiB per model on {keras.backend.backend()}")
    assert grown < MEBIBYTES.get(keras.backend.backend(), 1.0)
