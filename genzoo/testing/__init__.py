"""The contract of a model, as checks that anybody can run on their own.

>>> import genzoo
>>> genzoo.testing.CHECKS["config_round_trips"]("vae")              # one check; an error if it fails
>>> print(genzoo.testing.CHECKS["fits_one_batch"].contract)
``fit`` runs, and every loss and every weight stays finite.
"""

from collections.abc import Iterable, Iterator, Mapping

from genzoo.testing import checks_config  # noqa: F401  # isort: skip  (in the order of a report)
from genzoo.testing import checks_training  # noqa: F401  # isort: skip
from genzoo.testing import checks_data  # noqa: F401  # isort: skip
from genzoo.testing import checks_state  # noqa: F401  # isort: skip
from genzoo.testing import checks_verbs  # noqa: F401  # isort: skip
from genzoo.testing import subjects, suite
from genzoo.testing.suite import CHECKS, CheckFailed, ContractBroken, Result, checks_for, run_check

# ``CHECKS``: every check by its name. Each is a function of a name, a class or an instance that raises ``CheckFailed``;
# its ``contract`` and ``mend`` are texts, its ``needs`` and ``unless`` the tags that choose it.
__all__ = ["CHECKS", "CheckFailed", "ContractBroken", "Result", "check_model", "parametrize_with_checks", "run_checks"]


def check_model(model, *, expected_failures: Mapping[str, str] | None = None) -> list[Result]:
    """Runs every check that a model's tags choose.

    Models are made small first: where they have the options ``hidden_dim``, ``latent_dim``, ``filters`` and
    ``num_samples`` these are set, then those of the class' ``test_config``. An instance is taken as it is, as the
    pattern of fresh copies.

    Args:
        model: a name (``"dcgan"``), ``"distribution/name"``, ``"package.module:Class"``, a class, or an instance.
        expected_failures: dict from the name of a check that may fail to the reason why. One that does not fail is
            an error, so that no reason outlives its cause.

    Returns:
        A list of ``Result(check, status, reason)``; status is ``"ok"``, ``"expected"`` or ``"skipped"``.

    Raises:
        ContractBroken: an ``AssertionError`` that names each failed check, its contract, what was seen instead, and
            how to mend it. Its ``report`` is the whole list.

    Example:
    >>> import genzoo
    >>> report = genzoo.testing.check_model("vae")
    >>> report[0].check, report[0].status
    ('init_stores_its_arguments', 'ok')
    >>> [result.reason for result in report if result.check == "batch_norm_trains"]
    ['it has no batch normalisation']
    """
    report = list(run_checks(model, expected_failures))
    if any(result.status == "failed" for result in report):
        raise ContractBroken(subjects.of(model).name, report)
    return report


def run_checks(model, expected_failures: Mapping[str, str] | None = None) -> Iterator[Result]:
    """The results of ``check_model``, each as soon as it is known, the failed ones among them.

    Example:
    >>> import genzoo
    >>> next(genzoo.testing.run_checks("vae")).check
    'init_stores_its_arguments'
    """
    suite.known(expected_failures)
    for run in checks_for(model):
        yield run_check(run, model, expected_failures)


def parametrize_with_checks(models: Iterable, expected_failures: Mapping[str, str] | None = None):
    """A decorator for pytest: one test per model and check, whose arguments are ``model`` and ``check``.

    Args:
        models: names, classes or instances, as for ``check_model``.
        expected_failures: dict from check to reason, for all the models; such tests are strict expected failures.

    Example:
    >>> import genzoo
    >>> @genzoo.testing.parametrize_with_checks(["vae"])
    ... def test_contract(model, check):
    ...     check(model)
    """
    import pytest

    excuses = suite.known(expected_failures)
    parameters = []
    for model in models:
        for run in checks_for(model):
            excuse = excuses.get(run.__name__)
            marks = [] if excuse is None else [pytest.mark.xfail(reason=excuse, strict=True, raises=CheckFailed)]
            parameters.append(pytest.param(model, run, marks=marks, id=f"{subjects.of(model).name}-{run.__name__}"))
    return pytest.mark.parametrize(("model", "check"), parameters)
