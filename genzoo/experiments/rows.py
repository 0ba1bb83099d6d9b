"""Rows: what came out of claims, as JSON files hold it and as Markdown tables show it."""

import os
from collections.abc import Mapping
from typing import Any

from genzoo.errors import FileError
from genzoo.experiments import checks
from genzoo.experiments.claims import Claim
from genzoo.files import read_json


def read_rows(path: str | os.PathLike[str]) -> list[dict]:
    """The rows that a file holds, or none if there is no such file."""
    try:
        rows = read_json(path)
    except FileNotFoundError:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "claim" in row for row in rows):
        raise ValueError(f"{path} is no file of rows: expected a list of them, as --record writes it.")
    for row in rows:
        try:
            check_row(row)
        except ValueError as error:
            raise FileError(
                f"{path} is no file of rows: that of claim {row['claim']!r} is damaged ({error})."
            ) from error
    return rows


def check_row(row: Mapping[str, Any]) -> None:
    """Raises a ``ValueError`` for a row that lacks something, or has it in another form."""
    if missing := [name for name in checks.ROW if name not in row]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    checks.check(row, checks.ROW)
    for which in ("best", "last"):
        if missing := [name for name in ("value", "epoch") if name not in row[which]]:
            raise ValueError(f"its `{which}` lacks {', '.join(missing)}")
        if which not in row["reproduced"]:
            raise ValueError(f"its `reproduced` lacks {which}")


def with_row(rows: list[dict], row: dict) -> list[dict]:
    """The rows with a new one, in place of an earlier one of the same claim, seed, backend and number of epochs."""

    def key(row):
        return [row[name] for name in ("claim", "seeds", "backend", "epochs")]

    return [*(old for old in rows if key(old) != key(row)), row]


def markdown_table(claims: Mapping[str, Claim], rows: list[dict]) -> str:
    """Claims beside what came out, what differs, and how it was run, in Markdown; the others are "not yet run"."""
    results = [("claim", "source says", "ours, last", "ours, best", "same if", "same")]
    runs = [("claim", "minutes", "run", "also")]
    for claim in claims.values():
        first = (f"`{claim.id}`: {claim.title}", f"{stated(claim)} ({claim.source})")
        own = [row for row in rows if row["claim"] == claim.id]
        results += [(*first, *_told(claim, row)) for row in own]
        runs += [(f"`{claim.id}`", f"{row['minutes']:g}", _ran(row), _also(row)) for row in own]
        if not own:
            results.append((*first, "not yet run", "", claim.condition(), ""))
            runs.append((f"`{claim.id}`", "", f"budget {budget(claim)}", ""))
    notes = "".join(f"- `{claim.id}`: {claim.note}\n" for claim in claims.values() if claim.note)
    return "\n".join(part for part in (_table(results), notes, _table(runs)) if part)


def _table(lines):
    head, *body = lines
    return "".join("| " + " | ".join(line) + " |\n" for line in (head, ["---"] * len(head), *body))


def budget(claim: Claim) -> str:
    """How many minutes a claim may take, in words."""
    guess = {on: " (estimate)" if on in claim.estimated else "" for on in claim.minutes}
    return ", ".join(f"{minutes:g} min {on.upper()}{guess[on]}" for on, minutes in claim.minutes.items())


def stated(claim: Claim) -> str:
    """What a claim's source says, in words."""
    return claim.paper if isinstance(claim.paper, str) else f"{claim.paper:g} {claim.unit}".strip()


def _told(claim, row):
    best, last = (f"{rounded(row[which]['value'])} (epoch {row[which]['epoch']})" for which in ("best", "last"))
    verdict = {True: "yes", False: "no", None: "-"}[row["reproduced"]["last"]]
    if row["epochs"] < row["epochs_of_claim"]:
        last += f", shortened: {row['epochs']} of {row['epochs_of_claim']} epochs"
    return last, best, claim.condition(), verdict


def _ran(row):
    seeds = "seed " + ", ".join(map(str, row["seeds"]))
    return ", ".join([row["backend"], row["hardware"], seeds, row["commit"], row["date"][:10]])


def _also(row):
    return ", ".join(f"{name} {rounded(value)}" for name, value in row["also"].items())


def rounded(value: float | None) -> str:
    """A number to four significant digits."""
    return "-" if value is None else f"{value:.4g}" if abs(value) < 100 else f"{value:.2f}"
