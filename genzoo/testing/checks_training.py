"""Checks of ``build``, ``fit`` and ``evaluate``."""

import collections

import keras
import numpy as np
from keras import ops

from genzoo.layers import flattened
from genzoo.testing.subjects import BATCH, restore, state_of, weights_of
from genzoo.testing.suite import check, expect, skip


@check()
def builds_from_the_data(subject):
    """The networks take their sizes from the data: grey and coloured images, square or not.

    Mend: size every layer in ``build_networks(image_shape)`` by its argument; refuse shapes that cannot be, with a
    ``ValueError`` that says what was received.
    """
    height, width, channels = subject.image_shape
    for shape in [subject.image_shape, (height, width, 1 if channels == 3 else 3), (2 * height, width, channels)]:
        model = subject.new()
        try:
            model.build((None, *shape))
        except ValueError as error:
            if shape != subject.image_shape and "Received" in str(error):
                continue
            raise
        expect(model.image_shape == shape, f"built for {shape}, it is of image shape {model.image_shape}.")
        for player, networks in model.players.items():
            missing = [name for name in networks if not hasattr(model, name)]
            expect(not missing, f"player {player!r} moves {', '.join(missing)}, which build_networks does not make.")
            expect(model.optimizer.variables_of(player), f"player {player!r} has nothing to move in {networks!r}.")
        if "translation" not in subject.tags:
            made = model.sample(2, seed=0).shape
            expect(made == (2, *shape), f"built for images of shape {shape}, it samples an array of shape {made}.")


@check()
def fits_one_batch(subject):
    """``fit`` runs, and every loss and every weight stays finite.

    Mend: look at the error; of a loss that is NaN, guard its logarithms, roots and divisions, or take
    ``genzoo.losses``, which works on logits.
    """
    if subject.failure is not None:
        raise subject.failure


@check()
def history_has_the_metrics(subject):
    """``fit`` reports a loss for each player and what ``logs`` declares: these, all of them and in this order.

    Mend: call ``self.minimize`` for every player and ``self.log`` for every name in ``logs``, in every step.
    """
    model, epoch = subject.trained(), subject.first_epoch()
    losses = ["loss"] if len(model.players) == 1 else [f"{player}_loss" for player in model.players]
    expected, names = [*losses, *model.logs], [metric.name for metric in model.metrics]
    expect(names == expected, f"the model's metrics are {names}, expected {expected}.")
    expect({*epoch.history} == {*expected}, f"fit reports {sorted(epoch.history)}, expected {sorted(expected)}.")
    silent = [name for name, count in epoch.counts.items() if count == 0]
    expect(not silent, f"nothing was measured as {', '.join(silent)}.")


@check()
def every_optimizer_advances(subject):
    """Every player's optimizer makes at least one update in every training step.

    Mend: call ``self.minimize(loss_fn, player)`` for every player that ``players`` declares.
    """
    model = subject.trained()
    steps = int(model.optimizer.iterations)
    expect(steps == 2, f"after 2 batches the model counts {steps} steps.")
    for player in model.players:
        made = int(model.optimizer[player].iterations)
        expect(made >= steps, f"in {steps} steps the optimizer of {player!r} has made {made} updates.")


@check(after=("every_optimizer_advances",))
def players_move_their_own_variables(subject):
    """Every player moves every layer of its networks, and nothing else; without learning rates nothing moves.

    Mend: declare in ``players`` what a player moves; a layer that stays still is out of its loss, or was called
    outside ``loss_fn``, where nothing is differentiated. Weights are changed by ``self.minimize`` alone.
    """
    model = _with_learning_rates(subject)
    _spread_kernels(model)
    state = state_of(model)
    for player in (None, *model.players):
        restore(model, state)
        for other in model.players:
            if other != player:
                model.optimizer[other].learning_rate = 0.0
        subject.fit(model)
        moved = _moved(model, state)
        own = [] if player is None else model.optimizer.variables_of(player)
        strange = [v.path for v in moved if not any(v is o for o in own)]
        who = f"while only {player!r} learns" if player else "while nobody learns"
        expect(not strange, f"{who}, {', '.join(strange)} moves.")
        layers = collections.defaultdict(list)
        for variable in own:
            layers[variable.path.rpartition("/")[0]].append(any(variable is m for m in moved))
        # Not every variable: the last bias of a Wasserstein critic cancels in a difference of its outputs.
        still = [layer for layer, moves in layers.items() if not any(moves)]
        expect(not still, f"{who}, {', '.join(still)} stays still.")


def _with_learning_rates(subject):
    """The untrained copy, with optimizers whose learning rate can be set."""
    model = subject.untrained()
    if all(has_settable_rate(model.optimizer[player]) for player in model.players):
        return model
    model = subject.built()
    model.compile(keras.optimizers.SGD(0.1))
    return model


def has_settable_rate(optimizer):
    """Whether an optimizer's learning rate is a number and no schedule."""
    return any(optimizer.learning_rate is variable for variable in optimizer.variables)


def _spread_kernels(model):
    """Some papers start so small that the first gradients round away."""
    rng = np.random.default_rng(0)
    for kernel in (v for v in model.trainable_variables if len(v.shape) > 1):
        kernel.assign(rng.standard_normal(kernel.shape) / np.prod(kernel.shape[:-1]) ** 0.5)


def _moved(model, state):
    """The trainable variables that are no longer as in ``state``."""
    before = dict(zip(map(id, model.variables), state, strict=False))
    return [v for v in model.trainable_variables if not np.array_equal(before[id(v)], ops.convert_to_numpy(v))]


@check()
def batch_norm_trains(subject):
    """Batch normalisation learns its statistics in ``fit`` and leaves them alone in ``evaluate``.

    Mend: call networks plainly, ``self.generator(z)``, without ``training=``: they train in ``fit`` and infer in
    ``evaluate`` by themselves.
    """
    model = subject.untrained()
    found = [layer for layer in flattened(model) if isinstance(layer, keras.layers.BatchNormalization)]
    statistics = [v for layer in found if layer.trainable for v in (layer.moving_mean, layer.moving_variance)]
    if not statistics:
        skip("it has no batch normalisation")
    before = [ops.convert_to_numpy(v) for v in statistics]
    model.evaluate(*subject.data(), batch_size=BATCH, verbose=0)
    for variable, value in zip(statistics, before, strict=True):
        expect(np.array_equal(value, ops.convert_to_numpy(variable)), f"{variable.path} moves in evaluate.")
    subject.fit(model)
    for variable, value in zip(statistics, before, strict=True):
        expect(not np.array_equal(value, ops.convert_to_numpy(variable)), f"{variable.path} does not move in fit.")


@check(after=("a_seed_fixes_everything",))
def compiled_equals_eager(subject):
    """The compiled step does what the same Python does line by line (``run_eagerly=True``).

    Mend: keep numbers that change in variables or compute them from ``self.optimizer.iterations``: Python attributes,
    ``np.random`` and ``if`` on values are read once, when the step is compiled. Take ``ops.where`` and ``ops.cond``.
    """
    subject.fit(subject.untrained(), epochs=3)  # PyTorch records steps after a few
    compiled, eager = subject.untrained(), subject.built()
    eager.compile(eager.optimizer, run_eagerly=True)
    start, histories = weights_of(compiled), [subject.fit(model).history for model in (compiled, eager)]
    for name, values in histories[0].items():
        expect(
            np.allclose(values, histories[1][name], rtol=1e-3, atol=1e-4),
            (f"over two batches {name} is {values[0]:.6g} compiled and {histories[1][name][0]:.6g} eager."),
        )
    # Of all weights together: optimizers that divide gradients by their size make rounding errors of small ones large.
    way, gap = (_distance(weights_of(compiled), others) for others in (start, weights_of(eager)))
    expect(gap <= 0.1 * way + 1e-6, f"compiled weights move by {way:.2g}, and end {gap:.2g} from the eager ones.")


def _distance(one, other):
    return np.sqrt(sum(np.sum(np.square(a.astype("float64") - b)) for a, b in zip(one, other, strict=True)))


@check(after=("float16_is_refused",))
def bfloat16_trains(subject):
    """``dtype="mixed_bfloat16"`` computes in bfloat16, keeps weights in float32 and losses finite.

    Mend: pass ``**kwargs`` on to ``GenerativeModel``; compute losses in float32, for example by a last layer with
    ``dtype="float32"``; give no layer a fixed dtype but for that.
    """
    policy = keras.config.dtype_policy().name
    subject.trained()  # in float32, before anything is said of bfloat16
    model = subject.new(dtype="mixed_bfloat16")
    history = subject.fit(model, BATCH).history
    for name, values in history.items():
        expect(np.isfinite(values).all(), f"{name} is {values[-1]}.")
    dtypes = {v.dtype for v in model.trainable_variables}
    expect(dtypes == {"float32"}, f"trainable weights are {', '.join(sorted(dtypes))}.")
    computing = {layer.compute_dtype for layer in flattened(model) if _holds_weights(layer)}
    expect("bfloat16" in computing, f"its layers compute in {', '.join(sorted(computing))}.")
    dtype = subject.images(model, seed=0).dtype
    expect(dtype == np.float32, f"its images are {dtype}.")
    expect(keras.config.dtype_policy().name == policy, "it changed Keras' global dtype policy.")


def _holds_weights(layer):
    """Whether a layer has weights itself, and not only layers that have some."""
    return layer.weights and flattened(layer) == [layer]


@check()
def partial_last_batch_trains(subject):
    """An epoch may end with a smaller batch.

    Mend: take the batch size from the data, ``ops.shape(x)[0]``; do not assume ``batch_size``.
    """
    model = subject.untrained()
    history = subject.fit(model, BATCH + BATCH // 2).history
    for name, values in history.items():
        expect(np.isfinite(values).all(), f"with a batch of {BATCH} and one of {BATCH // 2}, {name} is {values[-1]}.")
    steps = int(model.optimizer.iterations)
    expect(steps == 2, f"a batch of {BATCH} and one of {BATCH // 2} count as {steps} steps.")


@check()
def evaluate_changes_nothing(subject):
    """``evaluate`` changes neither weights nor optimizers nor random state, so that it repeats itself.

    Mend: guard what only training does with ``if self.is_training:``; draw noise with ``self.normal`` and
    ``self.uniform``, whose state ``evaluate`` puts back.
    """
    model = subject.trained()
    counted = {id(v) for metric in model.metrics for v in metric.variables}

    def state():
        kept = [v for v in model.variables if id(v) not in counted] + model.optimizer.variables
        return [v.path for v in kept], [np.array(ops.convert_to_numpy(v)) for v in kept]

    paths, before = state()
    scores = [model.evaluate(*subject.data(), batch_size=BATCH, verbose=0, return_dict=True) for _ in range(2)]
    changed = [path for path, a, b in zip(paths, before, state()[1], strict=True) if not np.array_equal(a, b)]
    expect(not changed, f"it changes {', '.join(changed)}.")
    repeats = np.array_equal([*scores[0].values()], [*scores[1].values()], equal_nan=True)
    expect(repeats, f"twice on the same images it gives {scores[0]}, then {scores[1]}.")
    expect({*scores[0]} == {m.name for m in model.metrics}, f"it reports {sorted(scores[0])}.")
