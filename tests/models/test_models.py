"""Every model against the contract of ``genzoo.testing``, and what only this project's own models fix."""

import inspect
from pathlib import Path

import keras
import numpy as np
import pytest
from small_models import OURS, OWN, small

import genzoo
from genzoo import registry
from genzoo.testing import parametrize_with_checks


def costly(model, check):
    """Eager JAX compiles operation by operation, which takes as long as all the other checks together."""
    eager_jax = check.__name__ == "compiled_equals_eager" and keras.config.backend() == "jax"
    return eager_jax and model not in ("vae", "gan", "aae")


def with_costly_ones_slow(names, cases):
    marks = [[*case.marks, *([pytest.mark.slow] if costly(*case.values) else [])] for case in cases]
    cases = [pytest.param(*c.values, marks=m, id=c.id) for c, m in zip(cases, marks, strict=True)]
    return pytest.mark.parametrize(names, cases)


@with_costly_ones_slow(*parametrize_with_checks(OURS).args)
def test_contract(model, check):
    check(model)


def test_the_plugins_of_this_project_are_among_ours():
    assert {*OURS} - {*OWN} == {"adgm", "ali", "bigan", "lapgan", "pix2pix", "ssgan"}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (64, 64, 1)], ids=str)
def test_networks_fit_every_usual_size(name, shape):
    model = small(name)
    model.build((None, *shape))
    images = model.sample(2, seed=0)
    assert (images.shape, images.dtype) == ((2, *shape), np.float32)
    assert 0 <= images.min() < images.max() <= 1


@pytest.mark.parametrize("name", OWN)
def test_sizes_of_nothing_are_refused_by_name(name):
    options = registry.spec(name).load().options()
    for option in {"latent_dim", "hidden_dim", "filters", "num_samples", "num_classes", "dropout"} & set(options):
        allowed = [0 if option == "dropout" else None, options[option]]
        for value in [v for v in (0, True, None) if not any(v is a for a in allowed)]:
            with pytest.raises(ValueError, match=rf"`{option}` must be .*Received: {option}="):
                genzoo.get(name, **{option: value})


def test_models_can_be_named_as_classes():
    assert genzoo.models.VAE is registry.spec("vae").load()
    with pytest.raises(AttributeError, match="VEA"):
        genzoo.models.VEA  # noqa: B018


@pytest.mark.parametrize("name", ["vae", "gan", "aae"])
def test_a_directly_constructed_model_trains_with_the_papers_settings(name, images):
    model = registry.spec(name).load()(seed=0)
    model.fit(images[0][:8], images[1][:8], verbose=0)
    for player, default in model.default_optimizers().items():
        assert model.optimizer[player].get_config()["learning_rate"] == default.get_config()["learning_rate"]


@pytest.mark.parametrize("name", OWN)
def test_a_built_in_model_says_where_it_deviates_and_fits_in_150_lines(name):
    cls = registry.spec(name).load()
    assert "Deviations:" in cls.__doc__
    assert len(Path(inspect.getsourcefile(cls)).read_text().splitlines()) <= 150
