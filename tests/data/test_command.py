"""A run remembers how its image files were read."""

import numpy as np
import pytest
from pictures import pixels
from PIL import Image
from typer.testing import CliRunner

from genzoo.cli.app import app
from genzoo.experiments.runs import Run
from genzoo.experiments.training import Source, Training


@pytest.fixture
def scans(tmp_path):
    """Greys of 12 bits in files of 16, and an image that is transparent."""
    for i, grey in enumerate(pixels(4, 8, 8)):
        Image.fromarray(grey.astype("uint16") << 4).save(tmp_path / f"{i}.png")
    Image.fromarray(np.zeros((8, 8, 2), "uint8"), "LA").save(tmp_path / "9.png")
    return tmp_path


def test_options_of_files_come_through_the_command_and_back(scans, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    arguments = ["train", "vae", "--data", str(scans), "--epochs", "1", "--set", "hidden_dim=4", "--out", str(out)]
    refused = CliRunner().invoke(app, arguments)
    assert isinstance(refused.exception, ValueError)
    assert "white=4095" in str(refused.exception)
    done = CliRunner().invoke(app, [*arguments, "--white", "4095", "--background", "#404040"])
    assert done.exit_code == 0, done.exception
    images = Run.open(out).asked.data.part("train", shuffle=False).images
    np.testing.assert_array_equal(images[:4, ..., 0], pixels(4, 8, 8))
    assert (images[4] == 64).all()


def test_other_runs_do_not_hold_them():
    assert "white" not in Training("vae", Source("digits")).to_json()["data"]
