"""``genzoo reproduce``: trains and scores what papers say, and puts ours beside it."""

import signal
import sys
from pathlib import Path

from rich.padding import Padding

from genzoo.cli.printing import console, say, styled
from genzoo.errors import Terminated, unknown_name
from genzoo.evaluation import provenance
from genzoo.experiments import claims as claims_
from genzoo.experiments import rows


def show(
    names: list[str],
    *,
    list_: bool,
    table: Path | None,
    record: Path | None,
    out: Path,
    epochs: int | None,
    seed: int,
    file: Path | None,
) -> None:
    """Reproduces the claims of these names, or shows all."""
    known = claims_.read_claims(file or claims_.SHIPPED)
    for name in names:
        if name not in known:
            raise unknown_name("claim", name, known, "`genzoo reproduce --list` shows them.")
    if table is not None:
        if not table.exists():
            raise FileNotFoundError(f"There is no file {table}. `genzoo reproduce CLAIM --record {table}` writes it.")
        say(rows.markdown_table(known, rows.read_rows(table)).removesuffix("\n"), lines=True)
    elif list_ or not names:
        _list([known[name] for name in names] or known.values(), out, seed)
    else:
        for name in names:
            _reproduce(known[name], out, epochs, seed, record, file)


def _reproduce(claim, out, epochs, seed, record, file):
    from genzoo.experiments import reproduction

    directory = reproduction.directory_of(out, claim.id, seed)
    say(f"{claim.title}, into {directory}. Budget: {rows.budget(claim)}")
    verbose = 1 if console.is_terminal else 2
    try:
        row = reproduction.reproduce(claim, out, epochs=epochs, seed=seed, say=say, verbose=verbose)
    except KeyboardInterrupt:  # while scoring; training ends by itself
        row = signal.SIGINT
    except Terminated:
        row = signal.SIGTERM
    if isinstance(row, signal.Signals):
        say(f"Stopped. Go on: {_command(claim, out, epochs, seed, record, file)}")
        sys.exit(128 + row)
    verdict = {True: "the same", False: "not the same", None: "no verdict"}[row["reproduced"]["last"]]
    short = f" (shortened: {row['epochs']} of {row['epochs_of_claim']} epochs)" if row["shortened"] else ""
    last, best = (f"{rows.rounded(row[which]['value'])} in epoch {row[which]['epoch']}" for which in ("last", "best"))
    say(f"{claim.id}: the source says {claim.paper} {claim.unit}; ours is {last}{short}, best {best}.")
    say(f"Same if {row['same_if']}: {verdict}. Row: {directory / 'row.json'}")
    if record is not None:
        provenance.write_json(record, rows.with_row(rows.read_rows(record), row))


def _command(claim, out, epochs, seed, record, file):
    given = {"--out": (out, "runs/reproduce"), "--epochs": (epochs, None), "--seed": (seed, 0)}
    given |= {"--record": (record, None), "--file": (file, None)}
    return " ".join(
        [claim.command, *(f"{key} {value}" for key, (value, usual) in given.items() if str(value) != str(usual))]
    )


def _list(chosen, out, seed):
    from genzoo.experiments import reproduction

    for claim in chosen:
        try:
            state = reproduction.state_of(claim, out, seed)
        except ValueError as error:  # which shall not hide the others
            state = str(error)
        console.print(styled((claim.id, "bold"), f": {state}"))
        said = f"{claim.title}. Source: {rows.stated(claim)}. Same if: {claim.condition()}."
        about = f"{said} {rows.budget(claim)}. {claim.note}"
        console.print(Padding(about, (0, 0, 0, 4), style="dim"))
