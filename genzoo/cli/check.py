"""``genzoo check``: the contract of a model, check by check."""

import time
import warnings
from collections.abc import Sequence

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from genzoo.cli.printing import console, plain, styled
from genzoo.errors import unknown_name
from genzoo.testing import CHECKS, checks_for, run_check, subjects

STYLES = {"ok": "green", "failed": "bold red", "skipped": "dim"}


def show(name: str, backend: str, options: dict, only: Sequence[str] = ()) -> bool:
    """Runs the checks and prints each result as it is known; returns whether all is well.

    Args:
        name: the model's.
        backend: that they run on.
        options: of the model.
        only: the names of the checks to run, or none for all.
    """
    for wanted in only:
        if wanted not in CHECKS:
            raise unknown_name("check", wanted, CHECKS)
    subject = subjects.Subject(name, **options)
    checks, failures, counts = _chosen(subject, only), [], dict.fromkeys(STYLES, 0)
    width, start = max(len(run.__name__) for run in checks), time.perf_counter()
    number = "1 check" if len(checks) == 1 else f"{len(checks)} checks"
    console.print(styled((subject.name, "bold"), f" on {backend}, {number}"))
    console.print()
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
    console.print()
    _total(counts, time.perf_counter() - start)
    return not failures


def _chosen(subject, only):
    """The checks of these names, or all that the model's tags choose."""
    checks = checks_for(subject)
    for name in only:
        if CHECKS[name] not in checks:
            needed = [f"with the tag {tag!r}" for tag in sorted(CHECKS[name].needs)]
            needed += [f"without the tag {CHECKS[name].unless!r}"] * bool(CHECKS[name].unless)
            raise ValueError(
                f"The check {name!r} is of models {' and '.join(needed)}. Received: {subject.name!r}, with "
                f"{', '.join(map(repr, sorted(subject.tags))) or 'none'}."
            )
    return [run for run in checks if not only or run.__name__ in only]


def _total(counts, seconds):
    parts = [(f"{number} {status}", STYLES[status]) for status, number in counts.items() if number]
    commas = [part for shown in parts for part in (", ", shown)][1:]
    console.print(styled(*commas, f" in {seconds:.1f} s"))


def _line(result, width, note):
    status = (f"{result.status:7}  ", STYLES[result.status])
    return styled(status, f"{result.check:{width}}  ", (plain(note), "dim"))


def _panel(failure):
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for title in ("contract", "seen", "mend"):
        grid.add_row(title, " ".join(plain(getattr(failure, title)).split()))
    return Panel(grid, title=Text(failure.check), title_align="left", border_style="red")
