"""The engine's arithmetic equals Keras' own: values, gradients, second gradients; its random numbers are random."""

import keras
import numpy as np
import pytest
from arithmetic import check_equal, rng, tensor, value
from keras import ops
from scipy import stats

from genzoo import engine, layers


def for_format(data_format, size, channels):
    if data_format == "channels_first":
        if keras.config.backend() == "tensorflow":
            pytest.skip("TensorFlow's CPU has no channels_first")
        return tensor(3, channels, *size)
    return tensor(3, *size, channels)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "data_format"),
    [
        ((8, 8), 5, 2, "same", "channels_last"),
        ((8, 8), 5, 2, "same", "channels_first"),
        ((8, 8), 4, 2, "same", "channels_last"),
        ((8, 6), 3, 2, "same", "channels_last"),
        ((7, 9), 5, 2, "same", "channels_last"),
        ((9, 7), 4, 2, "same", "channels_last"),
        ((9, 8), 5, 2, "valid", "channels_last"),
        ((8, 6), 3, 1, "same", "channels_last"),
        ((7, 7), 4, 1, "same", "channels_last"),
        ((7, 7), 4, 1, "valid", "channels_first"),
        ((9, 9), 3, 3, "same", "channels_last"),
    ],
)
def test_convolutions_equal_keras(size, kernel, stride, padding, data_format):
    options = {"strides": (stride, stride), "padding": padding, "data_format": data_format}

    def biased(op):
        shape = (1, 1, 1, -1) if data_format == "channels_last" else (1, -1, 1, 1)
        return lambda x, kernel, bias: op(x, kernel, **options) + ops.reshape(bias, shape)

    x = for_format(data_format, size, 2)
    for ours, theirs, kernels in (
        (engine.conv, ops.conv, tensor(kernel, kernel, 2, 4)),
        (engine.conv_transpose, ops.conv_transpose, tensor(kernel, kernel, 4, 2)),
    ):
        check_equal(lambda *a, f=ours: f(*a, **options), biased(theirs), (x, kernels, tensor(4)))
        without = ours(x, kernels, **options), theirs(x, kernels, **options)
        np.testing.assert_allclose(*map(value, without), atol=1e-4)


def test_dense_equals_keras():
    inputs = tensor(6, 5), tensor(5, 4), tensor(4)
    check_equal(engine.dense, lambda x, kernel, bias: ops.matmul(x, kernel) + bias, inputs)
    np.testing.assert_allclose(value(engine.dense(*inputs[:2])), value(inputs[0]) @ value(inputs[1]), atol=1e-5)


def test_leaky_relu_equals_keras():
    check_equal(lambda x: engine.leaky_relu(x, 0.3), lambda x: ops.leaky_relu(x, 0.3), (tensor(50, 3),))


@pytest.mark.parametrize(("shape", "axis"), [((30, 4), -1), ((6, 5, 3, 4), -1), ((6, 4, 5, 3), 1)])
def test_batch_norm_equals_its_definition(shape, axis):
    axes = [i for i in range(len(shape)) if i != axis % len(shape)]

    def reference(x, scale, offset):
        mean, variance = ops.mean(x, axes), ops.var(x, axes)
        return ops.batch_normalization(x, mean, variance, axis, offset, scale, 1e-3)

    x, scale, offset = tensor(*shape), tensor(4), tensor(4)
    check_equal(lambda *inputs: engine.batch_norm(*inputs, axis, 1e-3)[0], reference, (x, scale, offset))
    _, mean, variance = engine.batch_norm(x, scale, offset, axis, 1e-3)
    np.testing.assert_allclose(value(mean), value(x).mean(tuple(axes)), atol=1e-5)
    np.testing.assert_allclose(value(variance), value(x).var(tuple(axes)), atol=1e-5)
    other = tensor(4), ops.square(tensor(4))  # statistics that are not this batch's
    check_equal(
        lambda x, scale, offset: engine.normalise(x, *other, scale, offset, axis, 1e-3),
        lambda x, scale, offset: ops.batch_normalization(x, *other, axis, offset, scale, 1e-3),
        (x, scale, offset),
    )


@pytest.mark.parametrize("draw", [engine.normal, engine.uniform])
def test_random_numbers_follow_the_seed_and_their_distribution(draw):
    def drawn(seed):
        generator = keras.random.SeedGenerator(seed)
        return [value(draw(shape, generator)) for shape in ((50, 41), (50, 41), (3, 5, 7))]

    first, second, third = drawn(3)
    for mine, again, other in zip((first, second, third), drawn(3), drawn(4), strict=True):
        assert mine.dtype == "float32"
        np.testing.assert_array_equal(mine, again)
        assert not np.array_equal(mine, other)
    assert third.shape == (3, 5, 7)
    assert not np.array_equal(second, drawn(4)[0])  # a neighbouring seed is not the same noise one draw later
    numbers = np.concatenate([first.ravel(), second.ravel()])
    assert len(np.unique(numbers)) > 0.99 * len(numbers)
    assert stats.kstest(numbers, "norm" if draw is engine.normal else "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1
    if draw is engine.uniform:
        assert 0 <= numbers.min() < numbers.max() < 1


@pytest.mark.parametrize("rate", [0.2, 0.3, 0.5])
@pytest.mark.parametrize("shape", [(40, 501), (7, 9, 11, 13)])
def test_dropout_drops_at_its_rate_and_keeps_the_mean(shape, rate):
    generator = keras.random.SeedGenerator(0)
    x = ops.ones(shape)
    first, second = (value(engine.dropout(x, rate, generator)) for _ in range(2))
    for dropped in (first, second):
        np.testing.assert_allclose(np.unique(dropped), [0, 1 / (1 - rate)], rtol=1e-6)
        zeros = int((dropped == 0).sum())
        assert stats.binomtest(zeros, dropped.size, rate).pvalue > 1e-3
        for axis in range(len(shape)):  # no unit follows its neighbour
            a, b = np.take(dropped, range(shape[axis] - 1), axis), np.take(dropped, range(1, shape[axis]), axis)
            assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    mask = value(engine.input_gradient(lambda x: engine.dropout(x, rate, keras.random.SeedGenerator(0)), x))
    np.testing.assert_array_equal(mask, first)


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "nesterov": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.01, beta_1=0.5, epsilon=1e-4),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "decayed": lambda: keras.optimizers.Adam(0.01, weight_decay=0.1),
    "clipped": lambda: keras.optimizers.Adam(0.01, global_clipnorm=0.1),
    "averaged": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5),
    "accumulated": lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "scheduled": lambda: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)),
    "adamw": lambda: keras.optimizers.AdamW(0.01),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_updates_equal_the_optimizers_own(make):
    start = [rng.standard_normal(shape).astype("float32") for shape in ((4, 3), (3,), (2, 2, 3, 5))]
    gradients = [[ops.convert_to_tensor(rng.standard_normal(w.shape).astype("float32")) for w in start] for _ in "1234"]

    def moved(update):
        optimizer, variables = make(), [keras.Variable(w) for w in start]
        engine.build_optimizer(optimizer, variables)
        for each in gradients:
            update(optimizer, each, variables)
        return [value(v) for v in (*variables, *optimizer.variables)]

    plain = moved(lambda optimizer, *rest: optimizer.apply(*rest))
    for mine, theirs in zip(moved(engine.update), plain, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6, rtol=1e-5)


def test_an_update_takes_transposed_gradients_and_none():
    kernel, idle = keras.Variable(np.zeros((4, 3), "float32")), keras.Variable(np.ones(2, "float32"))
    gradient = np.arange(12, dtype="float32").reshape(3, 4)
    optimizer = keras.optimizers.Adam(0.1)
    engine.build_optimizer(optimizer, [kernel, idle])
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        engine.update(optimizer, [ops.transpose(ops.convert_to_tensor(gradient)), None], [kernel, idle])
    np.testing.assert_allclose(value(kernel), np.where(gradient.T > 0, -0.1, 0), atol=1e-5)
    np.testing.assert_array_equal(value(idle), 1)


@pytest.mark.parametrize("rate", [0.0, 1e-6, 1 - 1e-6])
def test_dropout_at_rates_beyond_16_bits(rate):
    dropped = value(engine.dropout(ops.ones((20, 10)), rate, keras.random.SeedGenerator(0)))
    expected = 1 / (1 - rate) if rate < 0.5 else 0
    assert (np.isclose(dropped, expected, rtol=1e-3)).mean() > 0.98


SPECIAL = {
    "dilated": lambda module: module.Conv2D(3, 3, dilation_rate=2),
    "grouped": lambda module: module.Conv2D(4, 3, groups=2),
    "padded": lambda module: module.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=0),
    "uncentred": lambda module: module.BatchNormalization(center=False),
}


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_unusual_arguments_of_layers_mean_what_they_mean_in_keras(make):
    if make is SPECIAL["grouped"] and keras.config.backend() == "tensorflow":
        pytest.skip("TensorFlow's CPU has no grouped convolution outside a graph")
    ours, theirs, x = make(layers), make(keras.layers), tensor(2, 8, 8, 4)
    for layer in (ours, theirs):
        layer.build(x.shape)
    ours.set_weights(theirs.get_weights())
    options = {"training": True} if "Batch" in type(ours).__name__ else {}
    np.testing.assert_allclose(value(ours(x, **options)), value(theirs(x, **options)), atol=1e-5)


def test_dropout_may_drop_whole_rows():
    dropped = value(layers.Dropout(0.5, noise_shape=(20, 1), seed=0)(ops.ones((20, 30)), training=True))
    assert (dropped == dropped[:, :1]).all()
    assert 0 < (dropped == 0).mean() < 1


LAYERS = {
    "Dense": ((6,), {"units": 4, "activation": "relu"}),
    "Conv2D": ((8, 8, 2), {"filters": 3, "kernel_size": 5, "strides": 2, "padding": "same"}),
    "Conv2DTranspose": ((4, 4, 2), {"filters": 3, "kernel_size": 5, "strides": 2, "padding": "same"}),
    "BatchNormalization": ((4, 4, 2), {"momentum": 0.9}),
    "LeakyReLU": ((6,), {"negative_slope": 0.3}),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_have_the_weights_and_values_of_keras_layers(name):
    shape, config = LAYERS[name]
    ours, theirs = (getattr(module, name)(**config) for module in (layers, keras.layers))
    x = tensor(5, *shape)
    for layer in (ours, theirs):
        layer.build((None, *shape))
    assert [w.path.split("/")[-1] for w in ours.weights] == [w.path.split("/")[-1] for w in theirs.weights]
    ours.set_weights(theirs.get_weights())
    for training in (True, False):
        options = {"training": training} if name == "BatchNormalization" else {}
        np.testing.assert_allclose(value(ours(x, **options)), value(theirs(x, **options)), atol=1e-5)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(ours))
    assert type(again) is type(ours)
    assert again.get_config() == ours.get_config()


def test_flattened_are_all_layers_inside_a_layer_each_once():
    dense = keras.layers.Dense(2)
    inside = keras.Sequential([dense, keras.layers.ReLU()])
    wrapped = keras.layers.TimeDistributed(inside)
    network = keras.Sequential([keras.Input((3, 4)), wrapped, keras.layers.Flatten(), keras.layers.Dense(6)])
    found = layers.flattened(keras.Sequential([network, network.layers[-1]]))
    assert all(found.count(layer) == 1 for layer in (network, *network.layers, inside, *inside.layers))
    assert len(found) == 1 + 4 + 3
