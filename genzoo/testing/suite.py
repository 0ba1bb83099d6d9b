"""What a check is: a function on a ``Subject`` whose docstring says the contract and how to mend a breach."""

import contextlib
import functools
import inspect
import unittest
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from genzoo.errors import unknown_name
from genzoo.testing import subjects
from genzoo.testing.subjects import Seen


class Check(Protocol):
    """A check of a name, a class or an instance. It raises ``CheckFailed`` where a model breaks its contract.

    Attributes:
        contract, mend: texts: what holds of every model, and what to do where it does not.
        needs, unless: the tags that choose it.
        after: the names of checks without which it could only repeat what one of them finds.
    """

    __name__: str
    contract: str
    mend: str
    needs: frozenset[str]
    unless: str
    after: tuple[str, ...]

    def __call__(self, model: Any) -> None: ...


CHECKS: dict[str, Check] = {}


class CheckFailed(AssertionError):
    """A model broke the contract of one check.

    Attributes:
        model: its name.
        check: the check's name.
        contract: what holds of every model.
        seen: what this one did.
        mend: what to do.
    """

    def __init__(self, model: str, check: Check, seen: str):
        self.model, self.check, self.seen = model, check.__name__, seen
        self.contract, self.mend = check.contract, check.mend
        super().__init__(
            f"{model} fails the check {self.check!r}.\n"
            f"  contract: {self.contract}\n  seen:     {seen}\n  mend:     {self.mend}"
        )


class ContractBroken(AssertionError):
    """A model broke the contracts of some checks; ``report`` tells of all of them."""

    def __init__(self, model: str, report: list):
        self.report = report
        broken = [result for result in report if result.status == "failed"]
        reasons = "\n\n".join(result.reason for result in broken)
        super().__init__(f"{model} fails {len(broken)} of {len(report)} checks.\n\n{reasons}")


class Result(NamedTuple):
    """One line of a report. ``status`` is ``"ok"``, ``"failed"``, ``"expected"`` (to fail) or ``"skipped"``."""

    check: str
    status: str
    reason: str = ""
    failure: CheckFailed | None = None


def expect(condition, seen: str) -> None:
    """Says what was seen if the condition does not hold."""
    if not condition:
        raise Seen(seen)


def skip(reason: str):
    """Ends a check that cannot be made of this model, or here."""
    raise unittest.SkipTest(reason)


def check(*needs: str, unless: str = "", after: tuple[str, ...] = ()) -> Callable:
    """Adds a function on a ``Subject`` to the suite, for models with all the tags of ``needs`` and without ``unless``.

    What it adds takes what ``check_model`` takes: a name, a class or an instance. Where a check of ``after`` fails, it
    is skipped, so that a defect is told once, by the check at its root.
    """

    def decorate(function):
        @functools.wraps(function)
        def run(model):
            subject = subjects.of(model)
            for name in after:
                if cause := _cause(name, subject):
                    subject.causes[function.__name__] = cause
                    skip(f"not run: see {cause}")
            try:
                function(subject)
                subject.causes[function.__name__] = ""
            except unittest.SkipTest:
                raise
            except Exception as error:
                subject.causes[function.__name__] = function.__name__
                subject.forget()  # nobody knows in what state the models are
                seen = str(error) if isinstance(error, Seen) else f"{type(error).__name__}: {error}"
                raise CheckFailed(subject.name, run, seen) from (None if isinstance(error, Seen) else error)

        contract, _, mend = inspect.getdoc(function).partition("\n\nMend: ")
        run.contract, run.mend = " ".join(contract.split()), " ".join(mend.split())
        run.needs, run.unless, run.after = frozenset(needs), unless, after
        CHECKS[function.__name__] = run
        return run

    return decorate


def _cause(name, subject) -> str:
    """The check that a subject fails where it does not pass this one, which is run if it was not yet; or nothing."""
    if name not in subject.causes:
        subject.causes[name] = ""  # unless it says otherwise
        with contextlib.suppress(CheckFailed, unittest.SkipTest):
            CHECKS[name](subject)
    return subject.causes[name]


def checks_for(model) -> list[Check]:
    """The checks that a model's tags choose."""
    tags = subjects.of(model).tags
    return [run for run in CHECKS.values() if run.needs <= tags and run.unless not in tags]


def run_check(run: Check, model, expected_failures: Mapping[str, str] | None = None) -> Result:
    """The outcome of one check. One that may fail and does not has failed: its reason is out of date."""
    name, excuse = run.__name__, known(expected_failures).get(run.__name__)
    try:
        run(model)
    except unittest.SkipTest as skipped:
        return Result(name, "skipped", str(skipped))
    except CheckFailed as failure:
        expected = excuse is not None
        return Result(name, "expected", excuse) if expected else Result(name, "failed", str(failure), failure)
    if excuse is None:
        return Result(name, "ok")
    label = subjects.of(model).name
    return Result(
        name, "failed", f"{label} passes the check {name!r}, which was expected to fail: {excuse}. Expect it."
    )


def known(expected_failures) -> dict[str, str]:
    """The expected failures, if all of them are of checks that there are."""
    for name in expected_failures or ():
        if name not in CHECKS:
            raise unknown_name("check", name, CHECKS)
    return dict(expected_failures or {})
