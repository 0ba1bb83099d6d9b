"""How the commands print. All goes through here: what comes from outside is data, never markup or terminal codes."""

import re
import unicodedata
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

JOINERS = "\u200c\u200d"  # scripts and emoji are written with them


def visible(text: Any, lines: bool = False) -> str:
    r"""Text in which every character that a terminal might act on is written as Python's ``repr`` writes it.

    Such are control characters (escape sequences begin with one), those that turn the direction of writing, and halves
    of characters, as in names of files that are no UTF-8.

    Args:
        text: from wherever it may come.
        lines: whether it may have several lines.

    Example:
    >>> print(visible("\x1b[31mred\x07, one\ntwo, caf\u00e9 \u202e"))
    \x1b[31mred\x07, one\ntwo, café \u202e
    """
    text = str(text).expandtabs() if lines else str(text)
    if text.isprintable():
        return text
    kept = JOINERS + "\n" * lines
    return "".join(
        c if c.isprintable() or c in kept or unicodedata.category(c) == "Zs" else c.encode("unicode_escape").decode()
        for c in text
    )


class Screen(Console):
    """A console without markup, which shows terminal codes instead of sending them, wherever they stand."""

    def __init__(self, **options: Any):
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A string as rich's ``Text``: here every string passes, also from within tables, before it is measured."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: Any, options: Any = None) -> Any:
        """What is to be written, piece by piece; of a ``Text`` that was made elsewhere this is the first look."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text, lines=True))


console = Screen()
errors = Screen(stderr=True)


def say(text: Any, lines: bool = False) -> None:
    """Prints text as it is. Lines are not broken, so that paths in them can be copied.

    Args:
        text: a line, or, with ``lines``, several.
        lines: whether breaks of lines in it are meant.
    """
    console.print(Text(visible(text, lines)), soft_wrap=True)


def complain(text: Any, kind: str = "Error", style: str = "bold red") -> None:
    """Prints one line on the standard error stream."""
    errors.print(styled((f"{kind}: ", style), " ".join(str(text).split("\n"))), soft_wrap=True)


def warn(text: Any) -> None:
    """The same of what is only worth a word."""
    complain(text, "Warning", "bold yellow")


def styled(*parts: str | tuple[str, str]) -> Text:
    """A line of parts, each a text or a text and its style."""
    pairs = [(part, "") if isinstance(part, str) else part for part in parts]
    return Text.assemble(*((visible(text), style) for text, style in pairs))


def table(*columns: str, **options: Any) -> Table:
    """An empty table without lines."""
    return Table(*columns, box=None, pad_edge=False, header_style="bold", **options)


def plain(text: str) -> str:
    """Docstring markup as plain text."""
    return re.sub(r"``|(?<!\\)\$", "", text)
