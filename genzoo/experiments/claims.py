"""Claims: what papers say of their models, as data. ``claims.toml`` holds those that genzoo ships; plugins bring more.

A claim names a model with its options, data, training and one score, what the paper says of that score, and when ours
counts as the same.
"""

import contextlib
import dataclasses
import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from genzoo.discovery import installed
from genzoo.errors import unknown_name
from genzoo.experiments import checks
from genzoo.experiments.recipes import FOUND_OUT, Recipe, of_table, read_toml

SHIPPED = Path(__file__).with_name("claims.toml")
CRITERIA = ("at most", "at least", "near")
OWN = "genzoo"  # the distribution whose plugins come with genzoo


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim(Recipe):
    """What a paper says of a model, and all that it takes to try it: a recipe with a score.

    Attributes:
        id: lowercase kebab.
        title: one line.
        source: paper and table, or whose run.
        score: name of the score that the claim is about, of ``genzoo.evaluation.scores``. It judges by ``data.test``.
        also: further scores, for the record.
        arguments: dict from a score's name to its arguments.
        samples: images to sample, where a score samples.
        features: feature network of the scores that need one.
        select: score by which the best checkpoint is chosen; by default ``score``.
        select_on: ``"validation"`` to choose it by ``data.validation``, which is neither trained on nor reported: the
            verdict is then about the chosen checkpoint. None for a verdict about the last one; the best one, chosen by
            the test images, is only reported.
        score_every: epochs between scores; the last epoch is always scored.
        seeds: how many runs, of seeds 0, 1, 2, ...: the verdict is about their mean.
        paper: what the source says: a number, or words where it gives none.
        unit: of the number.
        criterion: ``"at most"``, ``"at least"`` or ``"near"`` the target, give or take ``tolerance``; None for a claim
            without anything to compare with.
        target: the number to compare with; by default ``paper``.
        than: id of the claim whose score is the target, where two models are compared.
        minutes: budget, ``{"cpu": ..., "gpu": ...}``; those in ``estimated`` are not measured.
        note: what differs from the source.
        reduces: id of the claim that this one is a smaller variant of, or None. What it does not say is as there.
        reduced: what it changes, in words.
        plugin: the distribution that brings it; empty for those that genzoo itself ships.
    """

    id: str
    title: str
    source: str
    score: str
    paper: float | str
    minutes: Mapping[str, float]
    also: tuple[str, ...] = ()
    arguments: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    samples: int = 10_000
    features: str | None = None
    select: str | None = None
    select_on: str | None = None
    score_every: int | None = None
    seeds: int = 1
    unit: str = ""
    criterion: str | None = None
    target: float | None = None
    tolerance: float = 0.0
    than: str | None = None
    estimated: tuple[str, ...] = ()
    note: str = ""
    reduces: str | None = None
    reduced: str = dataclasses.field(default="", metadata=FOUND_OUT)
    plugin: str = dataclasses.field(default="", metadata=FOUND_OUT)

    def __post_init__(self):
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", str(self.id)):
            raise ValueError(f"A claim's id is lowercase kebab, such as 'vae-mnist'. Received: {self.id!r}")
        checks.check(vars(self), checks.CLAIM)
        super().__post_init__()
        if self.criterion is not None and self.criterion not in CRITERIA:
            raise unknown_name(f"criterion of claim {self.id!r}", self.criterion, CRITERIA)
        if self.criterion and self.than is None and self._number is None:
            raise ValueError(f"Claim {self.id!r} has a criterion but no number to compare with: set its target.")
        for part in ("test", *([self.select_on] if self.select_on else [])):
            if part not in self.data:
                raise ValueError(f"Claim {self.id!r} is judged by {part} images: its data lacks {part}.")

    @property
    def command(self) -> str:
        """What reproduces it."""
        return f"genzoo reproduce {self.name}"

    @property
    def name(self) -> str:
        """What the command calls it: its id, after the distribution where that is another's."""
        return self._named(self.id)

    @property
    def rival(self) -> str | None:
        """The same of the claim whose score is the target."""
        return None if self.than is None else self._named(self.than)

    def _named(self, id_):
        return id_ if self.plugin in ("", OWN) else f"{self.plugin}/{id_}"

    @property
    def settings(self) -> str:
        """A short hash of all that its numbers depend on: rows of different ones are not to be compared."""
        said = ("id", "title", "source", "paper", "unit", "criterion", "target", "tolerance", "than", "minutes")
        said += ("estimated", "note", "reduces", "reduced", "plugin", "seeds", "epochs")
        found = {name: value for name, value in vars(self).items() if name not in said}
        return hashlib.sha256(json.dumps(found, sort_keys=True, default=str).encode()).hexdigest()[:12]

    @property
    def scored_by(self) -> list[str]:
        """The names of all its scores, the one it is about first."""
        return list(dict.fromkeys([self.score, *self.also, *([self.select] if self.select else [])]))

    def checkpoints(self, epochs: int) -> list[int]:
        """After which epochs it is scored, if it is trained for so many."""
        every = self.score_every or epochs
        return sorted({*range(every, epochs, every), epochs})

    def reproduced(self, value: float | None, other: float | None = None) -> bool | None:
        """Whether a value of its score is what the claim says; None where that cannot be told.

        Args:
            value: of its score.
            other: value of the claim ``than``, where there is one.
        """
        target = self._number if self.than is None else other
        if self.criterion is None or target is None or value is None:
            return None
        above, below = value <= target + self.tolerance, value >= target - self.tolerance
        return {"at most": above, "at least": below, "near": above and below}[self.criterion]

    def condition(self) -> str:
        """When it counts as reproduced, in words."""
        number = self._number
        if self.criterion is not None and self.than is not None:
            return f"{self.criterion} that of `{self.than}`"
        if self.criterion is None or number is None:
            return "nothing to compare with"
        if self.criterion == "near":
            return f"{number:g} ± {self.tolerance:g}"
        slack = self.tolerance if self.criterion == "at most" else -self.tolerance
        return f"{self.criterion} {number + slack:g}"

    @property
    def _number(self):
        if self.target is not None:
            return self.target
        return None if isinstance(self.paper, str) else self.paper


def read_claims(path: str | os.PathLike[str] = SHIPPED, plugin: str = "") -> dict[str, Claim]:
    """The claims of a TOML file, by name; variants follow what they reduce.

    Args:
        path: the file.
        plugin: the distribution that brings it, if one does.

    Raises:
        ValueError: it is no TOML, or one of its claims is incomplete, makes no sense, has an unknown field or the id of
            another.
    """
    tables, claims = read_toml(path).get("claims", []), {}
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"{path} holds no claims. Expected tables that begin with [[claims]].")
    by_id = {table.get("id"): table for table in tables if isinstance(table.get("id"), str)}
    for table in tables:
        name = table.get("id", "without an id")
        if isinstance(name, str) and name in claims:
            raise ValueError(f"Two claims of {path} have the id {name!r}.")
        whole, reduced = _completed(name, table, by_id)
        claims[name] = of_table(Claim, whole, f"claim {name!r} of {path}", reduced=reduced, plugin=plugin)
    for claim in claims.values():
        if claim.than is not None and claim.than not in claims:
            raise unknown_name(f"claim to compare {claim.id!r} with", claim.than, claims)
    places = {name: place for place, name in enumerate(claims)}
    ordered = sorted(claims.values(), key=lambda claim: (places[claim.reduces or claim.id], claim.reduces is not None))
    return {claim.name: claim for claim in ordered}


def all_claims() -> tuple[dict[str, Claim], list[str]]:
    """The claims that genzoo and the installed plugins bring, by name, and what is wrong with files of plugins.

    A plugin's are in ``claims.toml`` in its package, which is found without being imported.
    """
    claims, faults = read_claims(), []
    for distribution, path in _files_of_plugins():
        try:
            found = read_claims(path, distribution)
        except (ValueError, OSError) as error:
            faults.append(f"The claims of {distribution} cannot be read: {error}")
            continue
        for name, claim in found.items():
            if name in claims:
                faults.append(f"The claim {claim.id!r} of {distribution} has the name of another.")
            claims.setdefault(name, claim)
    return claims, faults


def check_names(names: Iterable[str], known: Mapping[str, Claim], faults: Iterable[str]) -> None:
    """Refuses names that no claim has, and says then what is wrong with files of plugins: ``faults``."""
    for name in names:
        if name not in known:
            raise unknown_name("claim", name, known, " ".join(["`genzoo reproduce --list` shows them.", *faults]))


def own_claims() -> dict[str, Claim]:
    """Those that come with genzoo, its own plugins' among them: the same wherever it is installed."""
    return {name: claim for name, claim in all_claims()[0].items() if claim.plugin in ("", OWN)}


def _files_of_plugins() -> Iterator[tuple[str, Path]]:
    """The distribution and the file of claims of each package that a plugin is in, if it has one."""
    packages = {plugin.target.partition(":")[0].partition(".")[0]: plugin.key for plugin in installed.selected()}
    for package, distribution in sorted(packages.items(), key=lambda pair: (pair[1] != OWN, pair[1], pair[0])):
        with contextlib.suppress(ImportError, ValueError):  # there is none, or one that is no package
            found = importlib.util.find_spec(package)
            for folder in (found and found.submodule_search_locations) or ():
                if (path := Path(folder) / "claims.toml").is_file():
                    yield distribution, path


def _completed(name, table, by_id):
    """The table of a claim with what it takes over from the one that it reduces, and what it changes, in words."""
    if table.get("reduces") is None:
        return table, ""
    full = by_id.get(table["reduces"]) if isinstance(table["reduces"], str) else None
    if full is None or full.get("reduces") is not None:
        whole = [other for other, found in by_id.items() if found.get("reduces") is None]
        raise unknown_name(f"claim that {name!r} reduces", table["reduces"], whole)
    merged, changes = {**full, **table}, []
    for field in ("options", "data", "arguments", "optimizers"):
        parts = [part.get(field, {}) for part in (full, table)]
        if any(parts) and all(isinstance(part, dict) for part in parts):
            merged[field] = parts[0] | parts[1]
    for field in ("epochs", "batch_size", "learning_rate", "model", "samples", "seeds"):
        if field in table and table[field] != full.get(field):
            changes.append(_changed(field.replace("_", " "), table[field], full.get(field)))
    for field in ("options", "data"):
        old = full.get(field, {})
        changes += [
            _changed(key, value, old.get(key)) for key, value in table.get(field, {}).items() if value != old.get(key)
        ]
    changes += [f"other optimizers of the {player}" for player in table.get("optimizers", {})]
    return merged, f"A smaller variant of `{full['id']}`: {', '.join(changes) or 'another criterion'}."


def _changed(what, value, before):
    return f"{what} {value} instead of {'the usual' if before is None else before}"
