"""Files that an earlier genzoo wrote, before its modules moved to other rooms: they load, score and train on.

``files/cdcgan.keras`` names ``genzoo.players`` as the module of its optimizers. ``files/vae-digits`` is what
``genzoo train vae --epochs 2 --batch-size 256 --set latent_dim=2 --set hidden_dim=16`` left.
"""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from backends import BACKEND, beside
from processes import run_python

import genzoo
from genzoo.experiments.runs import Run

FILES = Path(__file__).with_name("files")


def test_a_model_decodes_the_same_images_and_goes_on(images):
    model, known = genzoo.load(FILES / "cdcgan.keras"), np.load(FILES / "cdcgan.npz")
    np.testing.assert_allclose(model.decode(known["z"], labels=np.arange(10)), known["images"], atol=1e-5)
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 4
    assert int(keras.ops.convert_to_numpy(model.optimizer["generator"].iterations)) == 4

    before = model.get_weights()
    x, y = images[0][:16], images[1][:16]
    history = model.fit(x, y, epochs=3, initial_epoch=2, batch_size=8, verbose=0).history
    assert np.isfinite([history["discriminator_loss"], history["generator_loss"]]).all()
    assert any((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 6


def test_a_run_is_described_as_it_was():
    assert Run.open(FILES / "vae-digits").config == json.loads((FILES / "vae-digits" / "run.json").read_text())


def test_a_run_is_scored_and_resumed(tmp_path):
    run = tmp_path / "vae-digits"
    shutil.copytree(FILES / "vae-digits", run)
    run_python(
        """
        from genzoo.cli.app import app
        for command in (["evaluate", sys.argv[1], "--metrics", "elbo"], ["resume", sys.argv[1], "--epochs", "3"]):
            app(command, standalone_mode=False)
        """,
        run,
        hidden=beside(BACKEND),
        KERAS_BACKEND=BACKEND,
    )
    scores = json.loads((run / "metrics.json").read_text())["scores"]
    assert scores["elbo"]["value"] == pytest.approx(42.60558, abs=1e-3)  # as that genzoo scored it
    described = json.loads((run / "run.json").read_text())
    assert described["epochs_done"] == 3
    rows = (run / "history.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["epoch", "1", "2", "3"]
    assert rows[:3] == (FILES / "vae-digits" / "history.csv").read_text().splitlines()
    assert genzoo.load(run).sample(4, seed=0).shape == (4, 8, 8, 1)
