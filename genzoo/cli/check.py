"""``genzoo check``: the contract of a model, check by check."""

import time
import warnings

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from genzoo.testing import checks_for, run_check, subjects

STYLES = {"ok": "green", "failed": "bold red", "skipped": "dim"}


def show(console: Console, name: str, backend: str, options: dict) -> bool:
    """Runs the checks and prints each result as it is known; returns whether all is well."""
    subject = subjects.Subject(name, **options)
    checks, failures, counts = checks_for(subject), [], dict.fromkeys(STYLES, 0)
    width, start = max(len(run.__name__) for run in checks), time.perf_counter()
    console.print(f"[bold]{escape(subject.name)}[/] on {backend}, {len(checks)} checks\n", highlight=False)
    for run in checks:
        with warnings.catch_warnings(), console.status(run.__name__):
            warnings.simplefilter("ignore")  # they would break up the table
            result = run_check(run, subject)
        counts[result.status] += 1
        if result.failure is not None:
            failures.append(result.failure)
        note = result.reason if result.status == "skipped" else run.contract
        console.print(_line(result, width, note), no_wrap=True, overflow="ellipsis", crop=True)
    for failure in failures:
        console.print(_panel(failure))
    total = ", ".join(f"[{STYLES[status]}]{number} {status}[/]" for status, number in counts.items() if number)
    console.print(f"\n{total} in {time.perf_counter() - start:.1f} s", highlight=False)
    return not failures


def _line(result, width, note):
    status = (f"{result.status:7}  ", STYLES[result.status])
    return Text.assemble(status, f"{result.check:{width}}  ", (_plain(note), "dim"))


def _panel(failure):
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for title in ("contract", "seen", "mend"):
        grid.add_row(title, Text(_plain(getattr(failure, title))))
    return Panel(grid, title=failure.check, title_align="left", border_style="red")


def _plain(text):
    return text.replace("``", "")
