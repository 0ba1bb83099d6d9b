"""A claim over several seeds: each a run of its own, and one row with mean and standard deviation."""

import os
import signal
import statistics
from typing import Any

from genzoo.evaluation import provenance
from genzoo.experiments import reproduction
from genzoo.experiments.claims import Claim

FILE = "seeds.json"  # the row of all seeds, in the directory of the first


def reproduce(claim: Claim, root: str | os.PathLike[str], seeds: int, **options: Any) -> dict | signal.Signals:
    """Trains and scores a claim with the seeds 0, 1, 2, ...; what was interrupted goes on where it stopped.

    Args:
        claim, root: as for ``genzoo.experiments.reproduction.reproduce``.
        seeds: how many.
        **options: for it, but for the seed.

    Returns:
        The row of all seeds, or the signal that ended a training.
    """
    rows = []
    for seed in range(seeds):
        row = reproduction.reproduce(claim, root, seed=seed, **options)
        if isinstance(row, signal.Signals):
            return row
        rows.append(row)
    if seeds == 1:
        return rows[0]
    rivals = [reproduction.read_row(root, claim.rival, seed) for seed in range(seeds)] if claim.rival else []
    whole = reproduction.judged(pooled(rows), claim, rivals)
    provenance.write_json(reproduction.directory_of(root, claim.name) / FILE, whole)
    return whole


def pooled(rows: list[dict]) -> dict:
    """One row of those of several seeds: means, and standard deviations of the score over seeds (by n - 1)."""
    also = {name: [row["also"][name] for row in rows if row["also"].get(name) is not None] for name in rows[0]["also"]}
    commits = dict.fromkeys(commit for row in rows for commit in row["commit"].split(", "))
    minutes = {name: round(sum(row["minutes_of"][name] for row in rows), 1) for name in rows[0]["minutes_of"]}
    return {
        **rows[0],
        **{which: _over_seeds([row[which] for row in rows]) for which in ("best", "last")},
        "also": {name: statistics.fmean(values) if values else None for name, values in also.items()},
        "seeds": [seed for row in rows for seed in row["seeds"]],
        "minutes": round(sum(row["minutes"] for row in rows), 1),
        "minutes_of": minutes,
        "minutes_at_least": any(row["minutes_at_least"] for row in rows),
        "commit": ", ".join(commits),
        "date": max(row["date"] for row in rows),
        "sha256": [row["sha256"] for row in rows],
        "scores": [row["scores"] for row in rows],
    }


def _over_seeds(results):
    """Mean and standard deviation; None where a seed has no number."""
    values, epochs = [result["value"] for result in results], [result["epoch"] for result in results]
    known = None not in values
    return {
        "epoch": epochs[0] if len(set(epochs)) == 1 else epochs,
        "value": statistics.fmean(values) if known else None,
        "sd": statistics.stdev(values) if known else None,
        "values": values,
    }
