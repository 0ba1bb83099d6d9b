"""Claims: what papers say of their models, as data. ``claims.toml`` holds those that genzoo ships.

A claim names a model with its options, data, training and one score, what the paper says of that score, and when ours
counts as the same.
"""

import dataclasses
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genzoo.errors import FileError, unknown_name
from genzoo.experiments import checks
from genzoo.files import read_text

SHIPPED = Path(__file__).with_name("claims.toml")
CRITERIA = ("at most", "at least", "near")


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a paper says of a model, and all that it takes to try it.

    Attributes:
        id: lowercase kebab.
        title: one line.
        source: paper and table, or whose run.
        model, options, learning_rate, batch_size, epochs: as for ``genzoo train``; ``options`` without the seed.
        data: ``name``, the splits ``train``, ``test`` and maybe ``validation``; maybe ``image_size`` and ``binarise``.
        score: name of the score that the claim is about, of ``genzoo.evaluation.scores``.
        also: further scores, for the record.
        arguments: dict from a score's name to its arguments.
        samples: images to sample, where a score samples.
        features: feature network of the scores that need one.
        select: score by which the best checkpoint is chosen; by default ``score``.
        score_every: epochs between scores; the last epoch is always scored.
        paper: what the source says: a number, or words where it gives none.
        unit: of the number.
        criterion: ``"at most"``, ``"at least"`` or ``"near"`` the target, give or take ``tolerance``; None for a claim
            without anything to compare with.
        target: the number to compare with; by default ``paper``.
        than: id of the claim whose score is the target, where two models are compared.
        minutes: budget, ``{"cpu": ..., "gpu": ...}``; those in ``estimated`` are not measured.
        note: what differs from the source.
    """

    id: str
    title: str
    source: str
    model: str
    data: Mapping[str, Any]
    epochs: int
    score: str
    paper: float | str
    minutes: Mapping[str, float]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    learning_rate: float | None = None
    batch_size: int | None = None
    also: tuple[str, ...] = ()
    arguments: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    samples: int = 10_000
    features: str | None = None
    select: str | None = None
    score_every: int | None = None
    unit: str = ""
    criterion: str | None = None
    target: float | None = None
    tolerance: float = 0.0
    than: str | None = None
    estimated: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self):
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.id):
            raise ValueError(f"A claim's id is lowercase kebab, such as 'vae-mnist'. Received: {self.id!r}")
        if self.criterion is not None and self.criterion not in CRITERIA:
            raise unknown_name(f"criterion of claim {self.id!r}", self.criterion, CRITERIA)
        if self.criterion and self.than is None and self._number is None:
            raise ValueError(f"Claim {self.id!r} has a criterion but no number to compare with: set its target.")

    @property
    def command(self) -> str:
        """What reproduces it."""
        return f"genzoo reproduce {self.id}"

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


def read_claims(path: str | os.PathLike[str] = SHIPPED) -> dict[str, Claim]:
    """The claims of a TOML file, by id.

    Raises:
        ValueError: it is no TOML, or one of its claims is incomplete, has an unknown field or the id of another.
    """
    try:
        tables = tomllib.loads(read_text(path)).get("claims", [])
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not TOML ({error}).") from error
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"{path} holds no claims. Expected tables that begin with [[claims]].")
    claims = {}
    for table in tables:
        claim = _claim(path, table)
        if claim.id in claims:
            raise ValueError(f"Two claims of {path} have the id {claim.id!r}.")
        claims[claim.id] = claim
    for claim in claims.values():
        if claim.than is not None and claim.than not in claims:
            raise unknown_name(f"claim to compare {claim.id!r} with", claim.than, claims)
    return claims


def _claim(path, table):
    name, known = table.get("id", "without an id"), {field.name: field for field in dataclasses.fields(Claim)}
    for field in table:
        if field not in known:
            raise unknown_name(f"field of claim {name!r}", field, known)
    missing = [f.name for f in known.values() if f.name not in table and _required(f)]
    if missing:
        raise ValueError(f"Claim {name!r} of {path} lacks {', '.join(missing)}.")
    try:
        checks.check(table, checks.CLAIM)
        return Claim(**table)
    except ValueError as error:
        raise FileError(f"Claim {name!r} of {path} is wrong. {error}") from error


def _required(field):
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
