"""What a model's options are, from the ``Args`` of its class and of the classes that it comes from."""

import re
import typing

from genzoo.cli.printing import plain
from genzoo.registry import docstring_section


def explained(cls) -> dict[str, str]:
    """The explanation of every option, which is empty where no docstring has one.

    A class need not repeat what a class that it comes from says of an option: ``as for ...`` leads there.
    """
    told = [arguments(parent) for parent in cls.__mro__ if vars(parent).get("__doc__")]
    found = {}
    for option in cls.options():
        texts = [part[option] for part in told if part.get(option)]
        own = [text for text in texts if not text.startswith("as for ")]
        text = plain((own or texts or [""])[0])
        found[option] = " ".join(filter(None, [text, _choices(cls, option, text)]))
    return found


def arguments(cls) -> dict[str, str]:
    """The entries of a docstring's ``Args``: ``name: text`` or ``name, other: text``, over any number of lines."""
    found = {}
    for entry in re.split(r"^(?=\S)", docstring_section(cls, "Args"), flags=re.MULTILINE):
        names, _, text = " ".join(entry.split()).partition(": ")
        if re.fullmatch(r"\w+(, \w+)*", names):
            found |= dict.fromkeys(names.split(", "), text)
    return found


def _choices(cls, option, text):
    """The values that a ``Literal`` in the signature allows and the text does not name."""
    for parent in cls.__mro__:
        try:
            hint = typing.get_type_hints(vars(parent).get("__init__", object)).get(option)
        except Exception:  # a stranger's annotations may name what is not there
            continue
        literals = [kind for kind in (hint, *typing.get_args(hint)) if typing.get_origin(kind) is typing.Literal]
        values = [value for literal in literals for value in typing.get_args(literal)]
        if values:
            return "" if all(str(value) in text for value in values) else f"One of {', '.join(map(repr, values))}."
    return ""
