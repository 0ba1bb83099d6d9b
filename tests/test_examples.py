"""The examples run as a reader would run them."""

import os
import re
import subprocess
import sys

import keras
import pytest
from places import EXAMPLES
from processes import run_python

from genzoo.extras import DISTRIBUTIONS

QUICK = {"my_gan", "toy_distributions"}  # of the others, the classes and functions have tests of their own
EXAMPLES = [
    pytest.param(path, id=path.stem, marks=[] if path.stem in QUICK else pytest.mark.slow)
    for path in sorted((EXAMPLES).glob("*.py"))
]


@pytest.mark.once
@pytest.mark.parametrize("example", [example.values[0] for example in EXAMPLES], ids=lambda path: path.stem)
def test_an_example_says_what_it_needs_before_it_starts(example):
    """In one line, at once, and with what installs it; of a backend too."""
    needed = re.findall(r"(\w+)=\"(\w+)\"", re.search(r"require\(__file__, (.*)\)", example.read_text())[1])
    code = f"import runpy\nrunpy.run_path({str(example)!r}, run_name='__main__')"
    for (module, extra), chosen in ((one, backend) for one in needed for backend in (None, "jax")):
        hidden = (module, "keras", "jax", "tensorflow", "torch")[: None if chosen else 2]
        said = run_python(code, hidden=hidden, code=1, KERAS_BACKEND=chosen)[1].splitlines()[-1]
        assert said.startswith(f"{example.name} needs {DISTRIBUTIONS.get(module, module)}")
        wanted = ",".join(sorted({extra, *([chosen] if chosen else [])}))
        assert said.endswith(f"Install it: pip install 'genzoo[{wanted}]'")


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
