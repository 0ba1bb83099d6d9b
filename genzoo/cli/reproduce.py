"""``genzoo reproduce``: trains and scores what papers say, and puts ours beside it."""

import shlex
import signal
import sys
from pathlib import Path

from rich.padding import Padding

from genzoo.cli.printing import console, say, styled
from genzoo.errors import Terminated
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
    seed: int | None,
    seeds: int | None,
    file: Path | None,
) -> None:
    """Reproduces the claims of these names, or shows all."""
    if seed is not None and seeds is not None:
        raise ValueError(f"--seed is one seed, --seeds are several. Received: --seed {seed} --seeds {seeds}")
    known, faults = (claims_.read_claims(file), []) if file else claims_.all_claims()
    claims_.check_names(names, known, faults)
    if table is not None:
        if not table.exists():
            raise FileNotFoundError(f"There is no file {table}. `genzoo reproduce CLAIM --record {table}` writes it.")
        found = rows.read_rows(table)
        ran = {row["claim"] for row in found}
        told = {name: claim for name, claim in known.items() if claim.plugin in ("", claims_.OWN) or name in ran}
        say(rows.markdown_table(told, found).removesuffix("\n"), lines=True)
    elif list_ or not names:
        _list([known[name] for name in names] or known.values(), out, seed)
        for fault in faults:
            say(fault)
    else:
        for name in names:
            _reproduce(known[name], out, epochs, seed, seeds, record, file)


def _reproduce(claim, out, epochs, seed, seeds, record, file):
    from genzoo.experiments import reproduction
    from genzoo.experiments import seeds as seeds_

    directory = reproduction.directory_of(out, claim.name, seed or 0)
    say(f"{claim.title}, into {directory}. Budget: {rows.budget(claim)}")
    settings = {"epochs": epochs, "say": say, "verbose": 1 if console.is_terminal else 2}
    path = directory / "row.json"
    try:
        if seed is None and (count := seeds or claim.seeds) > 1:
            row, path = seeds_.reproduce(claim, out, count, **settings), directory / seeds_.FILE
        else:
            row = reproduction.reproduce(claim, out, seed=seed or 0, **settings)
    except KeyboardInterrupt:  # while scoring; training ends by itself
        row = signal.SIGINT
    except Terminated:
        row = signal.SIGTERM
    if isinstance(row, signal.Signals):
        say(f"Stopped. Go on: {_command(claim, out, epochs, seed, seeds, record, file)}")
        sys.exit(128 + row)
    verdict = {True: "the same", False: "not the same", None: "no verdict"}[rows.verdict(row)]
    short = f" (shortened: {row['epochs']} of {row['epochs_of_claim']} epochs)" if row["shortened"] else ""
    last, best = (f"{rows.number_of(row[which])} in {rows.when(row[which])}" for which in ("last", "best"))
    counts = f", chosen on {row['chosen_on']} images, which counts" if "chosen_on" in row else ""
    say(f"{claim.name}: the source says {claim.paper} {claim.unit}; ours is {last}{short}, best {best}{counts}.")
    say(f"Same if {row['same_if']}: {verdict}. Row: {path}")
    if record is not None:
        provenance.write_json(record, rows.with_row(rows.read_rows(record), row))


def _command(claim, out, epochs, seed, seeds, record, file):
    import keras

    given = {"--out": (out, "runs/reproduce"), "--epochs": (epochs, None), "--seed": (seed, None)}
    given |= {"--seeds": (seeds, None), "--record": (record, None), "--file": (file, None)}
    given |= {"--backend": (keras.backend.backend(), None)}
    changed = {key: str(value) for key, (value, usual) in given.items() if str(value) != str(usual)}
    return " ".join([claim.command, *(f"{key} {shlex.quote(value)}" for key, value in changed.items())])


def _list(chosen, out, seed):
    from genzoo.experiments import reproduction
    from genzoo.experiments import seeds as seeds_

    for claim in chosen:
        file = {"file": seeds_.FILE} if seed is None and claim.seeds > 1 else {}
        try:
            state = reproduction.state_of(claim, out, seed or 0, **file)
        except ValueError as error:  # which shall not hide the others
            state = str(error)
        console.print(styled((claim.name, "bold"), f": {state}"))
        said = f"{claim.title}. Source: {rows.stated(claim)}. Same if: {claim.condition()}."
        from_ = f" From the plugins of {claim.plugin}." if claim.plugin else ""
        about = " ".join(part for part in (f"{said} {rows.budget(claim)}.{from_}", rows.notes(claim)) if part)
        console.print(Padding(about, (0, 0, 0, 4), style="dim"))
