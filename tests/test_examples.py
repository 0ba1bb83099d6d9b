"""The examples run as a reader would run them."""

import os
import subprocess
import sys

import keras
import pytest
from places import EXAMPLES

QUICK = {"my_gan", "toy_distributions"}  # of the others, the classes and functions have tests of their own
EXAMPLES = [
    pytest.param(path, id=path.stem, marks=[] if path.stem in QUICK else pytest.mark.slow)
    for path in sorted((EXAMPLES).glob("*.py"))
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_runs_and_writes_its_picture(example, tmp_path, request):
    if 'load("mnist"' in example.read_text():
        request.getfixturevalue("mnist_dir")
    environment = {**os.environ, "KERAS_BACKEND": keras.config.backend()}
    result = subprocess.run(
        [sys.executable, example, "--epochs", "1"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / f"{example.stem}.png").stat().st_size > 1000
