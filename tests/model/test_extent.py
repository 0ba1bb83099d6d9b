"""How long to train, or to validate: what never ends, or never begins, is refused by name. Where to go on."""

import keras
import numpy as np
import pytest
from small_models import small


@pytest.mark.parametrize(
    "extent",
    [
        {"steps_per_epoch": 0},
        {"steps_per_epoch": -2},
        {"steps_per_epoch": 1.5},
        {"validation_steps": 0},
        {"epochs": -1},
        {"epochs": True},
    ],
)
def test_an_extent_that_makes_no_sense_is_refused(images, extent):
    model, (name, value) = small("vae"), *extent.items()
    with pytest.raises(ValueError, match=rf"`{name}` must be an integer of at least \d\. Received: {name}={value}"):
        model.fit(images[0], verbose=0, **extent)
    assert model.steps_made == 0


def test_steps_and_epochs_are_as_asked(images):
    model = small("vae")
    history = model.fit(images[0], batch_size=8, epochs=3, initial_epoch=1, steps_per_epoch=2, verbose=0)
    assert (model.steps_made, len(history.history["loss"])) == (4, 2)


@pytest.mark.parametrize("shuffle", [True, False])
def test_what_keras_backs_up_goes_on_as_if_it_had_not_been_interrupted(images, tmp_path, shuffle):
    class PowerCut(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("power cut")

    straight, broken, again = small("vae"), small("vae"), small("vae")
    options = {"epochs": 4, "batch_size": 8, "verbose": 0, "shuffle": shuffle}
    straight.fit(images[0], **options)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(RuntimeError, match="power cut"):
        broken.fit(images[0], callbacks=[backup, PowerCut()], **options)
    history = again.fit(images[0], callbacks=[keras.callbacks.BackupAndRestore(tmp_path / "backup")], **options)
    assert len(history.history["loss"]) == 2
    for a, b in zip(straight.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
