"""What a class says of itself, read from its source: nothing is imported. Standard library only."""

import ast
import contextlib
import functools
import importlib.util
import itertools
import os
import re
import warnings
from pathlib import Path
from typing import NamedTuple

from genzoo.discovery.specs import summary_of

HOPS = 5  # imports and base classes that are followed


class Description(NamedTuple):
    """``kind`` is ``"class"``, ``"function"``, or empty where the source does not tell."""

    kind: str = ""
    summary: str = ""
    tags: frozenset[str] = frozenset()


def describe(target: str) -> Description:
    """The summary and the tags of ``"package.module:Class"``; blank is what cannot be read.

    Understands ``tags = frozenset({...})``, ``Base.tags | {...}``, inherited tags, and ``from .module import Class``.
    """
    module, _, name = target.partition(":")
    return _describe(module, name, HOPS)


def _describe(module, name, hops):
    try:
        node, inside = _definition(module, name, hops)
        if not isinstance(node, ast.ClassDef):
            return Description("function", summary_of(ast.get_docstring(node)))
        summary = summary_of(ast.get_docstring(node))
    except Exception:  # a stranger's file may be missing, no Python, or anything else
        return Description()
    try:
        return Description("class", summary, _class_tags(node, inside, hops))
    except Exception:  # tags that only running the module can tell
        return Description("class", summary)


def _definition(module, name, hops):
    """The class or function of this name, and the module that it is written in."""
    path, package = _find(module)
    source = _read(path, os.stat(path).st_mtime_ns)
    if head := _head(source, name):
        return head, module
    for node in _parse(source).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return node, module
        if isinstance(node, ast.ImportFrom) and hops:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                    return _definition(source, alias.name, hops - 1)
    raise LookupError(name)


def _find(module):
    """A module's file, and the package that its relative imports start from.

    ``importlib.util.find_spec`` imports the packages above a module, so only the topmost is asked for.
    """
    top, *parts = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise LookupError(module)
    if spec.origin is not None and not parts:
        return spec.origin, spec.parent
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *parts)
        for file, package in ((path / "__init__.py", module), (path.with_suffix(".py"), module.rpartition(".")[0])):
            if file.is_file():
                return str(file), package
    raise LookupError(module)


@functools.lru_cache(maxsize=256)
def _read(path, modified):
    return importlib.util.decode_source(Path(path).read_bytes())


@functools.lru_cache(maxsize=256)
def _parse(source):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a stranger's source
        return ast.parse(source)


def _head(source, name):
    """A class down to its first method, which is parsed in a tenth of the time; or None, if that might not be all."""
    if not (start := re.search(rf"^class {name}\b", source, re.MULTILINE)):
        return None
    first, *lines = source[start.start() :].splitlines(keepends=True)
    head = list(itertools.takewhile(lambda line: not re.match(r"\S|\s+(@|def |async def |class )", line), lines))
    if any(re.match(r"\s+tags\b", line) for line in lines[len(head) :]):
        return None
    with contextlib.suppress(SyntaxError):  # such as a docstring with a function in it
        return _parse(first + "".join(head)).body[0]


def _class_tags(node, module, hops):
    for line in node.body:
        named = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "tags" for target in named):
            return frozenset(_tags(line.value, module, hops))
    bases = [_describe(module, base.id, hops - 1).tags for base in node.bases if isinstance(base, ast.Name) and hops]
    return next(filter(None, bases), frozenset())


def _tags(value, module, hops):
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
        return {*_tags(value.left, module, hops), *_tags(value.right, module, hops)}
    if isinstance(value, ast.Attribute) and value.attr == "tags" and isinstance(value.value, ast.Name):
        return _describe(module, value.value.id, hops - 1).tags
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "frozenset":
        return _tags(value.args[0], module, hops) if value.args else ()
    return ast.literal_eval(value)
