"""The suite lets whole models through, and each of its checks finds the model that breaks its contract."""

import re
import unittest

import pytest
from broken import (
    BROKEN,
    HasNoLogarithm,
    IgnoresLabels,
    Raises,
    SaysLittle,
    ShowsLogits,
    SwallowsOptions,
    Unregistered,
    WholeGAN,
    WholeVAE,
)
from typer.testing import CliRunner

from genzoo.cli.app import app, main
from genzoo.testing import CHECKS, CheckFailed, ContractBroken, check_model, parametrize_with_checks, run_checks

WHOLE = [WholeGAN, WholeVAE(latent_dim=3, name="an-instance"), "broken:WholeTranslator"]


@parametrize_with_checks(WHOLE)
def test_whole_models_keep_every_contract(model, check):
    check(model)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: f"{broken.cls.__name__}-{broken.check}")
def test_each_check_finds_its_defect_and_says_how_to_mend_it(broken):
    check = CHECKS[broken.check]
    with pytest.raises(CheckFailed) as failure:
        check(broken.cls)
    for part in (broken.cls.__name__, broken.check, check.contract, check.mend, failure.value.seen):
        assert part in str(failure.value)
    assert failure.value.seen


def test_every_check_has_a_defect_that_it_finds():
    assert {broken.check for broken in BROKEN} == {*CHECKS}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_every_check_says_its_contract_and_how_to_mend_it(check):
    assert re.match(r"\S.*[.]$", check.contract)
    assert re.match(r"\S.*[.]$", check.mend)
    assert "Mend:" not in check.contract


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.cls.__name__)
def test_a_defect_fails_no_other_check(broken):
    failed = {result.check for result in run_checks(broken.cls) if result.status == "failed"}
    assert {broken.check} <= failed <= {broken.check, *broken.others}


def test_all_failures_come_together_and_what_cannot_run_does_not_fail_too():
    class Both(Raises):
        """Two defects."""

    with pytest.raises(ContractBroken, match=r"Both fails 3 of \d+ checks") as error:
        check_model(Both)
    status = {result.check: result.status for result in error.value.report}
    assert [name for name in status if status[name] == "failed"] == [
        "class_is_registered",
        "docstring_is_complete",
        "fits_one_batch",
    ]
    assert "a step that does not work" in str(error.value)
    assert status["init_stores_its_arguments"] == "ok"
    assert status["a_seed_fixes_everything"] == "skipped"
    reason = next(result.reason for result in error.value.report if result.check == "a_seed_fixes_everything")
    assert "fits_one_batch" in reason


class Child(Unregistered):
    """As in a plugin that has forgotten the decorator."""

    __doc__ = WholeGAN.__doc__


@pytest.mark.parametrize(
    ("cls", "root", "consequences"),
    [
        (Unregistered, "class_is_registered", {"a_file_holds_everything", "model_checkpoints_load"}),
        (Child, "class_is_registered", {"a_file_holds_everything", "a_run_resumes_exactly"}),
        (HasNoLogarithm, "fits_one_batch", {"compiled_equals_eager", "partial_last_batch_trains", "bfloat16_trains"}),
        (SwallowsOptions, "unknown_options_are_refused", {"init_checks_its_arguments", "bfloat16_trains"}),
    ],
)
def test_a_defect_is_told_at_its_root(cls, root, consequences):
    report = {result.check: result for result in run_checks(cls)}
    assert [name for name, result in report.items() if result.status == "failed"] == [root]
    for name in consequences:
        assert report[name].status == "skipped"
        assert report[name].reason.endswith(f"see {root}")
    with pytest.raises(unittest.SkipTest, match=f"see {root}"):  # also on its own
        CHECKS[sorted(consequences)[0]](cls)


def test_the_command_runs_only_what_is_asked_for():
    only = ("--only", "config_round_trips", "--only", "class_is_registered")
    done = CliRunner().invoke(app, ["check", "broken:WholeGAN", *only])
    assert done.exit_code == 0
    assert re.search(r"WholeGAN on \w+, 2 checks\n\nok +config_round_trips .*\nok +class_is_registered ", done.output)
    assert "2 ok in" in done.output


def test_a_failure_may_be_expected_but_must_then_happen():
    expected = {"docstring_is_complete": "of no use", "fits_one_batch": "on purpose"}

    class Quiet(Raises):
        """No sections."""

    with pytest.raises(ContractBroken, match="class_is_registered"):
        check_model(Quiet, expected_failures=expected)
    report = check_model(Quiet, expected_failures={**expected, "class_is_registered": "local"})
    reasons = {result.check: result.reason for result in report if result.status == "expected"}
    assert reasons == {**expected, "class_is_registered": "local"}
    with pytest.raises(ContractBroken, match=r"passes the check 'float16_is_refused', which was expected to fail: why"):
        check_model(Raises, expected_failures={"fits_one_batch": "on purpose", "float16_is_refused": "why"})


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"Unknown check.*'fits_two_batches'.*fits_one_batch"):
        check_model(WholeGAN, expected_failures={"fits_two_batches": "?"})
    with pytest.raises(ValueError, match="Unknown check"):
        parametrize_with_checks([WholeGAN], expected_failures={"": "?"})
    with pytest.raises(ValueError, match=r"Unknown model.*'wgna-gp'.*wgan-gp"):
        check_model("wgna-gp")
    with pytest.raises(TypeError, match=r"Expected a model's name, class or instance. Received: 3"):
        check_model(3)


@parametrize_with_checks([SaysLittle], expected_failures={"docstring_is_complete": "a GAN for tests"})
def test_an_expected_failure_is_a_strict_xfail(model, check, request):
    marks = list(request.node.iter_markers("xfail"))
    assert len(marks) == (check.__name__ == "docstring_is_complete")
    assert request.node.callspec.id == f"SaysLittle-{check.__name__}"
    if marks:
        assert marks[0].kwargs["strict"]
        check(model)


def test_the_command_shows_every_check_and_how_to_mend_what_failed():
    done = CliRunner().invoke(app, ["check", "broken:Raises", "--set", "smoothing=0.2"])
    assert done.exit_code == 1
    words = [line.split() for line in done.output.splitlines()]
    lines = {line[1]: line[0] for line in words if line and line[0] in ("ok", "failed", "skipped")}
    assert lines["fits_one_batch"] == "failed"
    assert lines["config_round_trips"] == "ok"
    assert lines["samples_are_images"] == "skipped"
    text = " ".join(done.output.replace("│", " ").split())  # without the frames of the panels
    assert "seen RuntimeError: a step that does not work" in text
    assert CHECKS["fits_one_batch"].mend.replace("``", "") in text
    assert re.search(r"\d+ ok, 1 failed, \d+ skipped in ", text)


def test_the_command_does_not_blame_the_model_for_a_misspelt_option(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["genzoo", "check", "broken:WholeGAN", "--set", "smothing=0.2"])
    with pytest.raises(SystemExit):
        main()
    assert re.search(r"Error: Unknown option of 'broken:WholeGAN'.*'smothing'.*'smoothing'", capsys.readouterr().err)


def test_the_command_is_content_with_a_whole_model():
    done = CliRunner().invoke(app, ["check", "broken:WholeTranslator"])
    assert (done.exit_code, "failed" in done.output) == (0, False)


def test_models_that_are_seen_for_the_first_time_are_told_apart():
    for model, check in ((ShowsLogits, "samples_are_images"), (IgnoresLabels, "labels_matter")):
        with pytest.raises(CheckFailed, match=model.__name__):
            CHECKS[check](model)
        CHECKS["class_is_registered"](model)
