"""Files: whole, exact, portable between backends, and honest when they are broken."""

import json
import os
import sys
import zipfile

import keras
import numpy as np
import pytest
from backends import BACKEND, OTHERS, beside, needs_another
from keras import ops
from processes import run_python
from small_models import OWN, PLAYERS, assert_equal, small
from toys import ToyOverlap

import genzoo
from genzoo.testing.subjects import state_of


@pytest.fixture
def images(images):
    """Two whole batches of 8: a partial one would be one more compilation per model and process."""
    return images[0][:16], images[1][:16]


# Options that keep state of their own between steps. Every other model resumes in test_models.py, in one process.
STATEFUL = {
    "vae": {"kl_schedule": "cyclical", "kl_steps": 3},
    "beta-vae": {"capacity": 5.0, "capacity_steps": 6},
    "gan": {"ema_decay": 0.9, "penalty": "dragan"},
    "dcgan": {"ema_decay": 0.9, "spectral_norm": True},
    "cdcgan": {"ema_decay": 0.9, "spectral_norm": True, "conditioning": "concatenation"},
    "aae": {"prior": "swiss-roll", "latent_dim": 2, "num_classes": 10},
}


def test_two_epochs_then_two_in_a_new_process_equal_four(images, tmp_path):
    straight = {}
    for name, options in STATEFUL.items():
        model = small(name, **options)
        save = keras.callbacks.ModelCheckpoint(tmp_path / f"{name}-{{epoch}}.keras")
        model.fit(*images, epochs=4, batch_size=8, callbacks=[save], verbose=0)
        straight[name] = state_of(model)
    np.savez(tmp_path / "images.npz", x=images[0], y=images[1])
    run_python(
        """
        import numpy as np, genzoo
        folder, *names = sys.argv[1:]
        images = np.load(f"{folder}/images.npz")
        for name in names:
            model = genzoo.load(f"{folder}/{name}-2.keras")
            model.fit(images["x"], images["y"], epochs=4, initial_epoch=2, batch_size=8, verbose=0)
            model.save(f"{folder}/{name}-4.keras")
        """,
        tmp_path,
        *STATEFUL,
        hidden=beside(BACKEND),
        KERAS_BACKEND=BACKEND,
    )
    for name in STATEFUL:
        assert_equal(state_of(genzoo.load(tmp_path / f"{name}-4.keras")), straight[name])


@needs_another
def test_a_file_decodes_the_same_images_and_trains_on_the_other_backends(images, tmp_path):
    # The noise differs by backend, so scores agree only on average over many draws.
    x, y = (np.tile(a, (25, *[1] * (a.ndim - 1))) for a in images)
    np.savez(tmp_path / "images.npz", x=x, y=y)
    trained = ["cvae", "cdcgan", "aae"]  # one, two and three players: what else trains, trains alike
    here = {}
    for name in OWN:
        model = small(name)
        model.fit(*images, batch_size=8, verbose=0)
        model.save(tmp_path / f"{name}.keras")
        here[name] = model.evaluate(x, y, batch_size=200, verbose=0, return_dict=True)
        here[name]["images"] = model.sample(9, seed=5)
    others = sorted(OTHERS)
    for backend in others:
        evaluated = OWN if backend == others[-1] else trained  # JAX, never the last, compiles long
        run_python(
            """
            import keras, numpy as np, genzoo
            folder, backend = sys.argv[1:3]
            names, evaluated, trained = (group.split() for group in sys.argv[3:])
            assert keras.backend.backend() == backend
            arrays = np.load(f"{folder}/images.npz")
            x, y = arrays["x"], arrays["y"]
            for name in names:
                model = genzoo.load(f"{folder}/{name}.keras")
                assert int(model.optimizer.iterations) == 2
                found = {"images": model.sample(9, seed=5)}
                if name in evaluated:
                    found |= model.evaluate(x, y, batch_size=200, verbose=0, return_dict=True)
                if name in trained:
                    model.fit(x[:16], y[:16], verbose=0)
                    assert int(model.optimizer.iterations) == 3
                np.savez(f"{folder}/{name}.npz", **found)
            """,
            tmp_path,
            backend,
            *map(" ".join, (OWN, evaluated, trained)),
            hidden=beside(backend),
            KERAS_BACKEND=backend,
        )
        for name in OWN:
            there = dict(np.load(tmp_path / f"{name}.npz"))
            assert there.keys() == (here[name].keys() if name in evaluated else {"images"})
            for measured, value in there.items():
                within = {"atol": 1e-4} if measured == "images" else {"rtol": 0.1, "atol": 0.1}
                case = f"{name} {measured} on {backend}"
                np.testing.assert_allclose(value, here[name][measured], **within, err_msg=case)


@pytest.mark.parametrize("name", PLAYERS)
def test_a_file_holds_the_whole_state_and_compiles(name, images, tmp_path):
    model = small(name, latent_dim=3)
    model.compile("rmsprop", steps_per_execution=1)
    model.fit(*images, batch_size=8, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = genzoo.load(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    assert [type(loaded.optimizer[p]).__name__ for p in loaded.optimizer.names] == ["RMSprop"] * len(model.players)
    assert_equal(state_of(loaded), state_of(model))
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_equal(state_of(again), state_of(model))
    bare = genzoo.load(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(bare.sample(2, seed=0), model.sample(2, seed=0))


def test_players_that_share_a_network_are_restored(tmp_path):
    x, y = np.random.default_rng(0).random((24, 2, 2, 1), dtype="float32"), np.zeros(24)
    model = ToyOverlap(seed=0)
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = genzoo.load(tmp_path / "model.keras")
    assert_equal(state_of(loaded), state_of(model))
    for m in (model, loaded):
        m.fit(x, y, epochs=2, verbose=0)
    assert_equal(state_of(loaded), state_of(model))


def test_an_unbuilt_model_is_saved_without_weights(tmp_path):
    with pytest.warns(UserWarning, match="not yet been built"):
        genzoo.get("vae", latent_dim=3).save(tmp_path / "model.keras")
    assert genzoo.load(tmp_path / "model.keras").latent_dim == 3


def test_a_failed_save_leaves_the_old_file_and_no_other(images, tmp_path, monkeypatch):
    model = small("vae")
    model.fit(images[0], verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    old = path.read_bytes()

    def full_disk(store):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model, "save_own_variables", full_disk)
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["model.keras"]
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(path, overwrite=False)


def test_broken_files_are_named(images, tmp_path):
    model = small("vae")
    model.fit(images[0], verbose=0)
    whole = tmp_path / "whole.keras"
    model.save(whole)
    content = whole.read_bytes()
    broken = {
        "truncated": (content[: len(content) // 2], "not a whole .keras file"),
        "empty": (b"", "not a whole .keras file"),
        "flipped": (
            content[:2000] + bytes(255 - b for b in content[2000:2100]) + content[2100:],
            "damaged|not a whole",
        ),
    }
    for kind, (data, message) in broken.items():
        path = tmp_path / f"{kind}.keras"
        path.write_bytes(data)
        with pytest.raises(ValueError, match=message) as error:
            genzoo.load(path)
        assert str(path) in str(error.value)
    with pytest.raises(FileNotFoundError, match="There is no model at"):
        genzoo.load(tmp_path / "none.keras")


def test_a_strangers_file_names_the_package_it_needs_and_imports_nothing(images, tmp_path):
    model = small("vae")
    model.fit(images[0], verbose=0)
    model.save(tmp_path / "whole.keras")
    with zipfile.ZipFile(tmp_path / "whole.keras") as whole, zipfile.ZipFile(tmp_path / "alien.keras", "w") as alien:
        for part in whole.namelist():
            data = whole.read(part)
            if part == "config.json":
                config = json.loads(data)
                config |= {"module": "antigravity", "class_name": "AlienGAN", "registered_name": "alien>AlienGAN"}
                data = json.dumps(config)
            alien.writestr(part, data)
    with pytest.raises(ValueError, match=r"'AlienGAN' from 'antigravity'. No installed package registers it"):
        genzoo.load(tmp_path / "alien.keras")
    assert "antigravity" not in sys.modules


def test_checkpoint_and_early_stopping_callbacks(images, tmp_path):
    model = small("vae")
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_loss", save_best_only=True),
        keras.callbacks.EarlyStopping(patience=0, min_delta=1e9),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
    ]
    history = model.fit(images[0], epochs=5, validation_data=images[0][:4], callbacks=callbacks, verbose=0).history
    assert len(history["loss"]) == 2
    best = genzoo.load(tmp_path / "best.keras")
    assert int(ops.convert_to_numpy(best.optimizer.iterations)) in (1, 2)


def test_a_class_of_the_running_script_is_loaded_there(tmp_path):
    run_python(
        """
        import sys, keras, numpy as np, genzoo
        from genzoo.models.vae import VAE

        @keras.saving.register_keras_serializable("mine")
        class Mine(VAE):
            pass

        model = Mine(latent_dim=2, hidden_dim=4, seed=0)
        model.build((None, 8, 8, 1))
        model.save(sys.argv[1])
        assert type(genzoo.load(sys.argv[1])) is Mine
        """,
        tmp_path / "mine.keras",
    )


@pytest.mark.parametrize("name", PLAYERS)
def test_a_state_tree_fits_any_model_of_its_kind_and_no_other(name, images):
    model, again = small(name), small(name)  # whose layers Keras gives other names
    model.fit(*images, batch_size=8, verbose=0)
    again.build((None, 8, 8, 1))
    again.set_state_tree(model.get_state_tree("numpy_array"))
    assert_equal(state_of(again), state_of(model))
    other = small("dcgan" if name == "vae" else "vae")
    other.build((None, 8, 8, 1))
    with pytest.raises(ValueError, match=r"not of such a model\. Expected: \d+ \w+, by number"):
        model.set_state_tree(other.get_state_tree())
    with pytest.raises(ValueError, match=r"'backend_tensor' or 'numpy_array'\. Received: 'torch'"):
        model.get_state_tree("torch")
