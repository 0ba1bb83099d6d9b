"""Settings for every test, and for the examples in docstrings."""

import atexit
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from packaging.version import Version

# One thread: two cores that wait for each other make torch's small steps forty times slower on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Many tests compile the same step; JAX then reads it back instead. Set before JAX is imported.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="genzoo-jax-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
# What tests decode is not kept for anybody else.
if "GENZOO_CACHE" not in os.environ:
    os.environ["GENZOO_CACHE"] = tempfile.mkdtemp(prefix="genzoo-cache-")
    atexit.register(shutil.rmtree, os.environ["GENZOO_CACHE"], ignore_errors=True)
# These models are small: XLA's optimisations cost more than they save.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# Nor are its fusion emitters worth the wait, two thirds of it. Later jaxlibs end a process that turns them off.
if importlib.util.find_spec("jaxlib") and Version(importlib.metadata.version("jaxlib")) < Version("0.11"):
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

if importlib.util.find_spec("torch"):
    import torch  # noqa: F401  (first: TensorFlow and torch in one process crash in the other order)
if importlib.util.find_spec("triton"):
    import triton  # noqa: F401  (as well: it comes with torch for CUDA, whose first optimizer imports it)

import genzoo  # noqa: F401, I001  (before Keras: it chooses an installed backend where KERAS_BACKEND does not)
import keras

OTHER_ENGINES = {"jax", "tensorflow", "torch"} - {keras.config.backend()}
collect_ignore = ["genzoo/__main__.py", "tests/types", *(f"genzoo/engine/{name}" for name in OTHER_ENGINES)]
collect_ignore_glob = ["tests/*/conftest.py"]  # no doctests there, and modules of one name


@pytest.fixture(scope="session")
def mnist_dir():
    """A TFDS folder that holds MNIST and Fashion-MNIST."""
    folder = os.environ.get("TFDS_DATA_DIR")
    if not folder or not (Path(folder) / "mnist").is_dir():
        pytest.skip("needs a TFDS store of MNIST: set TFDS_DATA_DIR to a folder that tfds prepared 'mnist' in")
    return folder


@pytest.fixture
def images():
    """Random uint8 images of 8x8 and their labels: 20, so that batches of 8 leave a partial one."""
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (20, 8, 8, 1), dtype="uint8"), rng.integers(0, 10, 20)
