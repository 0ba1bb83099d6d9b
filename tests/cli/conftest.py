"""What tests of the command share."""

import pytest
from commands import Terminal


@pytest.fixture
def genzoo(monkeypatch, capsys):
    """The command: ``genzoo("list")`` runs it to its end."""
    return Terminal(monkeypatch, capsys)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run of one epoch on digits, which tests leave as it is."""
    from typer.testing import CliRunner

    from genzoo.cli.app import app

    run = tmp_path_factory.mktemp("trained") / "run"
    small = ("--set", "hidden_dim=4", "--set", "latent_dim=2", "--epochs", "1")
    assert CliRunner().invoke(app, ["train", "vae", "--out", str(run), *small]).exit_code == 0
    return run
