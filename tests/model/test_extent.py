"""How long to train, or to validate: what never ends, or never begins, is refused by name."""

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
