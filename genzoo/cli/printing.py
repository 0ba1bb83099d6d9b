"""How the commands print."""

import re

from rich.console import Console
from rich.table import Table

console = Console()


def say(text: str) -> None:
    """Prints text as it is. Lines are not broken, so that paths in them can be copied."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def table(*columns: str) -> Table:
    """An empty table without lines."""
    return Table(*columns, box=None, pad_edge=False, header_style="bold")


def plain(text: str) -> str:
    """Docstring markup as plain text."""
    return re.sub(r"``|(?<!\\)\$", "", text)
