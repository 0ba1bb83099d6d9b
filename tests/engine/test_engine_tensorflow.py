"""What the engine does on TensorFlow alone: short cuts, and the plain way where they do not lead."""

import functools

import keras
import numpy as np
import pytest
from arithmetic import check_equal, tensor
from keras import ops
from toys import LATENT, ToyCritic, ToyGAN

from genzoo import engine

if keras.config.backend() != "tensorflow":
    pytest.skip("TensorFlow's own engine", allow_module_level=True)

import tensorflow as tf

from genzoo.engine import plain
from genzoo.engine.tensorflow import borrowed


def operations(fn, *inputs):
    """The types of the operations in the graph of ``fn(*inputs)``."""
    return {o.type for o in tf.function(fn).get_concrete_function(*inputs).graph.get_operations()}


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.random((20, 2, 2, 1), dtype="float32"), rng.standard_normal((20, 2, LATENT)).astype("float32")


@pytest.mark.parametrize("kernel", [(2, 3), (3, 3), (4, 5), (5, 5), (7, 6)])
@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_subpixel_form_equals_keras(kernel, stride, channels):
    if min(kernel) < stride:
        pytest.skip("a kernel smaller than its stride has none")
    options = {"strides": (stride, stride), "padding": "same", "data_format": "channels_last"}
    kernels = tensor(*kernel, channels, 5)
    small, large = tensor(2, 3, 4, 5), tensor(2, 3 * stride, 4 * stride, channels)
    for name, x in (("conv_transpose", small), ("conv", large)):
        ours, theirs = (functools.partial(getattr(module, name), **options) for module in (engine, plain))
        in_form = ours if name == "conv_transpose" else lambda x, k, f=ours: engine.input_gradient(lambda x: f(x, k), x)
        assert "DepthToSpace" in operations(in_form, x, kernels)
        check_equal(ours, theirs, (x, kernels))


def test_images_of_many_channels_and_odd_sizes_take_the_plain_way():
    options = {"strides": (2, 2), "padding": "same", "data_format": "channels_last"}
    transposed = operations(lambda x, k: engine.conv_transpose(x, k, **options), tensor(2, 4, 4, 5), tensor(5, 5, 8, 5))
    assert "DepthToSpace" not in transposed
    x, kernel = tensor(2, 7, 8, 1), tensor(5, 5, 1, 3)
    gradient = operations(lambda x, k: engine.input_gradient(lambda x: engine.conv(x, k, **options), x), x, kernel)
    assert "DepthToSpace" not in gradient


def test_a_second_derivative_of_leaky_relu_sends_no_zeros_back():
    def penalty(x, kernel):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            slope = engine.input_gradient(lambda x: engine.leaky_relu(ops.matmul(x, kernel), 0.2), x)
            penalty = ops.sum(ops.square(slope))
        return tape.gradient(penalty, kernel)

    graph = tf.function(penalty).get_concrete_function(tensor(4, 3), tensor(3, 2)).graph
    assert sum(o.type == "MatMul" for o in graph.get_operations()) == 3  # forward, back, and back from there


def test_dropout_of_a_size_that_four_does_not_divide():
    kept = engine.dropout(ops.ones((3, 7)), 0.5, keras.random.SeedGenerator(0))
    np.testing.assert_allclose(np.unique(kept), [0, 2])


@pytest.mark.parametrize("rate", [1e-7, 1.0])
def test_dropout_at_rates_that_16_bits_do_not_hold(rate):
    kept = engine.dropout(ops.ones((30, 7)), rate, keras.random.SeedGenerator(0))
    np.testing.assert_allclose(kept, 0 if rate == 1 else 1, rtol=1e-6)


@pytest.mark.parametrize(("options", "fused"), [({}, True), ({"clipnorm": 1.0}, False), ({"amsgrad": True}, False)])
def test_only_a_plain_adam_takes_the_fused_kernel(options, fused):
    variable, optimizer = keras.Variable(np.ones(3, "float32")), keras.optimizers.Adam(**options)
    engine.build_optimizer(optimizer, [variable])
    graph = operations(lambda g: engine.update(optimizer, [g], [variable]), tf.ones(3))
    assert ("ResourceApplyAdam" in graph) == fused


def test_some_of_an_optimizers_variables_keep_their_own_moments():
    variables = [keras.Variable(np.ones(3, "float32")) for _ in "12"]
    optimizer = keras.optimizers.Adam()
    engine.build_optimizer(optimizer, variables)
    engine.update(optimizer, [tf.ones(3)], variables[1:])
    assert [bool(np.any(v)) for v in optimizer.variables[2:]] == [False, False, True, True]


def test_full_and_partial_batches_share_one_graph(data):
    class Counting(ToyGAN):
        traces = 0

        def step(self, x, y=None):
            self.traces += 1
            super().step(x, y)

    model = Counting(seed=0)
    model.fit(*data, batch_size=8, epochs=2, verbose=0)
    assert model.traces == 1


def weights(data, fit=None, **options):
    model = ToyCritic(seed=0)
    model.compile(**options)
    model.fit(*data, batch_size=8, verbose=0, **(fit or {"epochs": 2}))
    return model.get_weights()


def test_arrays_train_the_same_without_the_data_adapter(data, monkeypatch):
    fits = {"epochs": 2}, {"epochs": 3, "steps_per_epoch": 4}
    direct = [weights(data, fit) for fit in fits]
    monkeypatch.setattr(borrowed.data_adapter, "found", None)
    for mine, fit in zip(direct, fits, strict=True):
        for a, b in zip(mine, weights(data, fit), strict=True):
            np.testing.assert_array_equal(a, b)


def test_xla_trains_the_same(data):
    for a, b in zip(weights(data), weights(data, jit_compile=True), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
