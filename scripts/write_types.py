"""Writes ``genzoo/registry/typed.pyi``: ``genzoo.get`` as editors and type checkers see it, by model, with its options.

Run it after a model or an option has changed; a test compares.

    python scripts/write_types.py
"""

import inspect
import subprocess
import sys
from pathlib import Path

import keras

import genzoo
from genzoo import registry

STUB = Path(genzoo.__file__).parent / "registry" / "typed.pyi"
HEAD = '''"""``genzoo.get`` by model, for type checkers: scripts/write_types.py writes it from the registry."""

from collections.abc import Mapping
from typing import Any, Literal, Never, final, overload

{imports}

Name = Literal[
{names}
]

@final
class NoSuchOption:
    """What ``get`` gives for an option that the model does not have, or a value of a wrong type: of no use."""
'''
MODEL = """
@overload
def get(
    model: Literal["{name}"],
    /,
    *,
{options}
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> {cls}: ...
"""
REST = """

# A call that fits no model above. The parameter, of a type that no value has, and `others` there keep `**options` away,
# whose names a checker does not know. It overlaps with the last on purpose, which is for names known only at run time.
@overload
def get(  # pyright: ignore[reportOverlappingOverload]
    model: Name, /, *, none_such: NoSuchOption = ..., **config: Any
) -> NoSuchOption: ...
@overload
def get(model: str | Mapping[str, Any], /, **config: Any) -> GenerativeModel: ...
"""


def stub() -> str:
    """The text of the file."""
    classes = {name: registry.spec(name).load() for name in genzoo.list_models() if is_ours(name)}
    named = {genzoo.GenerativeModel: "genzoo.model", **{cls: cls.__module__ for cls in classes.values()}}
    imports = sorted(f"from {module} import {cls.__name__}" for cls, module in named.items())
    head = HEAD.format(imports="\n".join(imports), names="\n".join(f'    "{name}",' for name in classes))
    models = (MODEL.format(name=name, cls=cls.__name__, options=options_of(cls)) for name, cls in classes.items())
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", STUB.name, "-"]
    text = head + "".join(models) + REST
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def is_ours(name):
    return registry.spec(name).source == "genzoo"


def options_of(cls) -> str:
    """The parameters of a class and its parents, with their types and defaults, a line each."""
    known = cls.options()
    written = {}
    for parent in cls.__mro__[: cls.__mro__.index(keras.Model)]:
        for parameter in inspect.signature(parent.__init__).parameters.values():
            if parameter.name in known:
                written.setdefault(parameter.name, parameter)
    return "\n".join(f"    {written[name].replace(kind=inspect.Parameter.KEYWORD_ONLY)}," for name in known)


if __name__ == "__main__":
    STUB.write_text(stub())
    print(f"{STUB}", file=sys.stderr)
