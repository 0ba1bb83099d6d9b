"""Names that libraries do not promise: where one is gone or has changed, training is the same and says so once."""

import ast
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from places import ROOT
from processes import environment, run_python

from genzoo import engine  # noqa: F401  (brings the names of this backend)
from genzoo.engine.borrowed import Borrowed, looked_up

NAMES = [borrowed.name for borrowed in Borrowed.all]
# Not removed: Python's own, and lists that may be in another order.
KEPT = [name for name in NAMES if name == "random.seed" or name.endswith(".variables")]
# Not changed: numbers and what only instances have, which nobody calls.
UNCALLED = [
    borrowed.name
    for borrowed in Borrowed.all
    if borrowed.using is not None or (not callable(looked_up(borrowed.name)) and borrowed.name not in KEPT)
]


def cases():
    """Every name and what is done to it. Of PyTorch's operations that have one fallback, all but the first are slow."""
    seen = set()
    for borrowed in Borrowed.all:
        for way, skipped in (("gone", KEPT), ("changed", UNCALLED)):
            if borrowed.name not in skipped:
                again = borrowed.name.startswith("torch.ops.aten.") and (borrowed.without, way) in seen
                yield pytest.param(borrowed.name, way, marks=[pytest.mark.slow] if again else [])
                seen.add((borrowed.without, way))


OTHER_NUMBERS = ("random.seed", "jax.threefry_partitionable")


@pytest.fixture(scope="module")
def ask():
    """A function that trains in a process where one name is broken."""
    command = [sys.executable, str(ROOT / "tests" / "helpers" / "borrowing.py")]
    environ = environment(KERAS_BACKEND=keras.config.backend())
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:

        def ask(name, way):
            print(json.dumps([name, way]), file=server.stdin, flush=True)
            answer = json.loads(server.stdout.readline())
            assert "error" not in answer, answer["error"]
            return answer

        yield ask
        server.stdin.close()


@pytest.fixture(scope="module")
def whole(ask):
    """The weights where nothing is broken."""
    answer = ask(None, None)
    assert not answer["messages"]
    return answer["weights"][0]


@pytest.mark.parametrize(("name", "way"), list(cases()))
def test_training_goes_on_without(ask, whole, name, way):
    answer = ask(name, way)
    assert [name in message for message in answer["messages"]] == [True], answer["messages"]
    mine, *again = answer["weights"]
    for a, b in zip(mine, again[0] if name in OTHER_NUMBERS else whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
        assert np.isfinite(a).all()


def test_without_any_of_the_names_training_is_the_same_and_says_so_once(whole):
    code = "import borrowing, json; print(json.dumps(borrowing.trained()))"
    out, err = run_python(code, GENZOO_NO_BORROWED=1, PYTHONWARNINGS="error::RuntimeWarning")
    assert err.count("GENZOO_NO_BORROWED") == 1
    if keras.config.backend() != "jax":  # whose noise is other noise then
        for a, b in zip(json.loads(out.splitlines()[-1]), whole, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


FILES = sorted([*ROOT.glob("genzoo/**/*.py"), *ROOT.glob("genzoo_plugins/**/*.py")])
TREES = {path: ast.parse(path.read_text()) for path in FILES}
DOCUMENTED = {"_replace", "_asdict", "_fields", "_exit"}  # of named tuples, and os._exit


def private(name):
    return name.startswith("_") and not name.endswith("__")


def own_names():
    """What genzoo itself defines or assigns: only these private names are its own."""
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield node.name
            elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
                yield node.id if isinstance(node, ast.Name) else node.attr


OWN = {*own_names(), *DOCUMENTED}


@pytest.mark.parametrize("path", [f for f in FILES if f.name != "borrowed.py"], ids=lambda f: str(f.relative_to(ROOT)))
def test_no_other_file_uses_names_that_a_library_does_not_promise(path):
    wrong = []
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Attribute):
            code = ast.unparse(node)
            if (private(node.attr) and node.attr not in OWN) or code in ("keras.src", "torch.ops.aten"):
                wrong.append(f"line {node.lineno}: {code}")
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            parts = [part for module in modules for part in module.split(".")]
            if "src" in parts or any(private(part) for part in parts):
                wrong.append(f"line {node.lineno}: {ast.unparse(node)}")
    assert not wrong, f"{wrong}: put the name into a borrowed.py, with a check and another way"
