"""What only the JAX engine does: initial weights without compiling, convolutions for CPUs, fits nobody listens to."""

import keras
import numpy as np
import pytest
from processes import run_python

import genzoo

if keras.config.backend() != "jax":
    pytest.skip("the JAX engine needs KERAS_BACKEND=jax", allow_module_level=True)

import jax
from jax import lax
from jax import numpy as jnp

from genzoo import engine
from genzoo.engine import jax as jax_engine

IMAGES = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 1), dtype="uint8")  # two batches


def trained(fit_options=(), **options):
    model = genzoo.get("dcgan", filters=2, latent_dim=4, seed=0, **options)
    history = model.fit(IMAGES, batch_size=16, **{"epochs": 2, "verbose": 0, **dict(fit_options)}).history
    return model.get_weights(), history


@pytest.mark.parametrize(
    ("initializer", "dtype"),
    [
        (keras.initializers.RandomUniform(-0.3, 0.2, seed=1), "float32"),
        (keras.initializers.RandomUniform(-0.3, 0.2, seed=1), "bfloat16"),
        (keras.initializers.RandomNormal(mean=1.0, stddev=0.1, seed=2), "float32"),
        (keras.initializers.TruncatedNormal(mean=1.0, stddev=0.1, seed=2), "float32"),
        (keras.initializers.GlorotUniform(seed=2**31 - 1), "float32"),
        (keras.initializers.HeNormal(seed=3), "float32"),  # truncated
        (keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal", seed=3), "float32"),
        (keras.initializers.Orthogonal(seed=4), "float32"),
        (keras.initializers.Constant(0.3), "float32"),
        (keras.initializers.Zeros(), "bfloat16"),
        (keras.initializers.Ones(), "int32"),
    ],
)
def test_initial_values_are_those_that_jax_draws(initializer, dtype):
    for shape in ((300, 70), (5, 3), (3, 3, 2, 5)):
        ours, theirs = (make(shape, dtype=dtype) for make in (engine.initializer(initializer), initializer))
        assert isinstance(ours, jax.Array)
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours.astype("float32"), theirs.astype("float32"), rtol=1e-5, atol=1e-6)


def test_an_initializer_of_ones_own_draws_as_it_likes():
    class Own(keras.initializers.HeNormal):
        def __call__(self, shape, dtype=None):
            return 2 * super().__call__(shape, dtype)

    theirs = Own(seed=1)
    np.testing.assert_array_equal(engine.initializer(theirs)((4, 3)), theirs((4, 3)))
    generator = keras.initializers.HeNormal(seed=keras.random.SeedGenerator(1))
    first, second = (engine.initializer(generator)((4, 3)) for _ in range(2))
    assert not np.array_equal(first, second)


def test_initial_values_follow_the_generator_that_the_user_chose():
    theirs = keras.initializers.HeNormal(seed=1)
    with jax.threefry_partitionable(False):
        np.testing.assert_array_equal(engine.initializer(theirs)((5, 3)), theirs((5, 3)))


def test_building_compiles_no_program_for_a_new_shape():
    def build(size):
        for name, options in (("vae", {"hidden_dim": size}), ("dcgan", {"filters": size})):
            model = genzoo.get(name, latent_dim=size, seed=0, **options)
            model.build((None, 4 * size, 4 * size, 1))
            model.compile()

    def listen(event, seconds, **_):
        if "backend_compile" in event:
            compiled.append(event)

    compiled = []
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        keras.initializers.GlorotUniform(seed=1)((37, 41))
        assert compiled  # the listener hears it
        build(3)  # may compile what does not depend on sizes
        compiled.clear()
        build(13)
        assert not compiled
    finally:
        jax.monitoring.clear_event_listeners()  # an old JAX has no other way


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("size", "kernel", "strides"),
    [
        ((7, 7), (5, 5), (1, 1)),  # in bands
        ((7, 7), (5, 5), (2, 2)),
        ((6, 9), (5, 4), (1, 2)),
        ((8, 7), (4, 2), (2, 3)),  # a kernel shorter than the stride
        ((9, 10), (1, 1), (2, 2)),
        ((10, 8), (3, 6), (4, 1)),
        ((5, 5), (5, 5), (5, 3)),
    ],
)
def test_convolutions_equal_those_of_lax(size, kernel, strides, padding):
    rng = np.random.default_rng(0)
    x, k = (jnp.asarray(rng.standard_normal(s).astype("float32")) for s in ((2, *size, 3), (*kernel, 3, 4)))

    def plain(x, k):
        return lax.conv_general_dilated(x, k, strides, padding.upper(), dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def ours(x, k):
        return engine.conv(x, k, strides=strides, padding=padding, data_format="channels_last")

    (y, pull), (other, pull_other) = jax.vjp(ours, x, k), jax.vjp(plain, x, k)
    slope = jnp.asarray(rng.standard_normal(other.shape).astype("float32"))
    for a, b in zip((y, *pull(slope)), (other, *pull_other(slope)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * float(jnp.abs(b).max()))
    options = {"strides": strides, "padding": padding, "data_format": "channels_last"}
    transposed, expected = (f(slope, k, **options) for f in (engine.conv_transpose, keras.ops.conv_transpose))
    np.testing.assert_allclose(transposed, expected, atol=1e-5 * float(jnp.abs(expected).max()))


def test_bfloat16_images_stay_so():
    x, k = jnp.ones((2, 8, 8, 3), "bfloat16"), jnp.ones((5, 5, 3, 4), "bfloat16")
    options = {"strides": (2, 2), "padding": "same", "data_format": "channels_last"}
    y, pull = jax.vjp(lambda x, k: engine.conv(x, k, **options), x, k)
    assert {a.dtype for a in (y, *pull(y))} == {jnp.dtype("bfloat16")}
    np.testing.assert_array_equal(y, keras.ops.conv(x, k, **options))


def test_training_needs_no_compiler_option(monkeypatch):
    if jax_engine._compiler_options() is None:
        pytest.skip("an old jaxlib without this option")
    weights, _ = trained()
    monkeypatch.setattr(jax_engine, "_compiler_options", lambda: None)
    for a, b in zip(weights, trained()[0], strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)  # Adam turns rounding of a gradient near 0 into a step


def test_the_users_flags_are_kept(monkeypatch):
    jax_engine._eigen_convolutions.cache_clear()
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_experimental_ynn_fusion_type=individual_convolution")
    try:
        assert jax_engine._compiler_options() is None
    finally:
        jax_engine._eigen_convolutions.cache_clear()


def test_a_fit_without_listeners_is_the_same_fit():
    heard = []
    listener = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: heard.append(batch))
    validated = {"validation_data": IMAGES[:8]}
    quiet, loud = trained(validated), trained({**validated, "callbacks": [listener]})
    assert heard == [0, 1, 0, 1]
    assert quiet[1] == loud[1]
    assert len(quiet[1]["val_generator_loss"]) == 2
    for a, b in zip(quiet[0], loud[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_under_a_distribution_training_takes_keras_own_way():
    run_python("""
        import keras, numpy as np, genzoo
        from genzoo.engine import jax as engine
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        assert engine._compiler_options() is None
        model = genzoo.get("dcgan", filters=2, latent_dim=4, seed=0)
        model.fit(np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), "uint8"), batch_size=4, verbose=0)
        assert all(np.isfinite(w).all() for w in model.get_weights())
    """)
