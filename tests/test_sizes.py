"""A file has at most 400 lines and a function at most 60, decorators, parameters and docstring included."""

import ast

import pytest
from places import ROOT

pytestmark = pytest.mark.once

FOLDERS = ("genzoo", "genzoo_plugins", "benchmarks", "examples", "scripts", "tests")


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_and_functions_are_short(folder):
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    long = []
    for path in paths:
        text, name = path.read_text(), path.relative_to(ROOT)
        long += [f"{name}: {lines} lines"] if (lines := len(text.splitlines())) > 400 else []
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = min(part.lineno for part in (node, *node.decorator_list))
                if (lines := node.end_lineno - first + 1) > 60:
                    long.append(f"{name}: {node.name} has {lines} lines")
    assert not long
