"""Functions of tensors that PyTorch runs eagerly, recorded as the operations they come down to, and replayed.

A replay runs the arithmetic of a step and nothing else: no layers of Keras, no tape of autograd, little Python.
What ``jax.jit`` asks of a function holds here too: other Python side effects than those on variables happen while it is
recorded, on tensors that may have no values, and not in its replays.
"""

import functools

import torch
from torch.overrides import TorchFunctionMode

from genzoo.engine.torch import borrowed
from genzoo.engine.torch.replay import replay_of, simplify


class Recorded:
    """A function from tensors to a list of tensors, without gradients, that is recorded and then replayed.

    There is one recording for all inputs of the same shapes and dtypes. It takes as long as dozens of calls, so it is
    made when such inputs have come ``eager_calls`` times before. A function that reads a tensor's value cannot be
    recorded and stays eager.

    Args:
        fn: function of tensors (or None) that returns a list of tensors.
        state: function that returns all tensors that ``fn`` may change.
    """

    eager_calls = 5

    def __init__(self, fn, state):
        self._fn, self._state = fn, state
        self._replays = {}
        self._recordable = True

    @torch.no_grad()
    def __call__(self, *inputs):
        inputs = [x if x is None else x.contiguous() for x in inputs]  # a recorded view would not fit other strides
        signature = tuple(None if x is None else (x.shape, x.dtype, x.device) for x in inputs)
        found = self._replays.get(signature, 0)
        if callable(found):
            return found(*inputs)
        if self._recordable and found == self.eager_calls:
            return self._record(signature, inputs)
        self._replays[signature] = min(found + 1, self.eager_calls)
        return self._fn(*inputs)

    def _record(self, signature, inputs):
        before = [(tensor, tensor.clone()) for tensor in self._state()]
        for way in _ways():
            try:
                self._replays[signature], outputs = way(self._fn, inputs, before)
                return outputs
            except Exception:
                # If the function itself is at fault it will say so again, now in its own words.
                for tensor, value in before:
                    tensor.copy_(value)
        self._recordable = False
        return self._fn(*inputs)


@functools.cache
def _ways():
    """The ways of recording that this PyTorch has, the better one first."""
    if not borrowed.can_record():
        return ()
    if not _is_right(_recorded_as_it_runs):
        borrowed.make_fx.refuse("a replay differs from what was recorded")
        return ()
    if borrowed.constant_limit.found is None:
        return (_recorded_as_it_runs,)
    if not _is_right(_recorded_without_memory):
        borrowed.constant_limit.refuse("a replay differs from what was recorded")
        return (_recorded_as_it_runs,)
    return _recorded_without_memory, _recorded_as_it_runs


def _is_right(way):
    """Whether a recording of a small function does what the function does."""

    def function(x):
        y = torch.relu(2.0 * x - 1.0)
        total.add_(y.sum())
        z = torch.tanh(y.view(-1, 2).t() / 3.0) + y.view(2, -1)
        return [torch.sigmoid(z), total * 1.0]

    batches = torch.linspace(-1.0, 2.0, 12).view(3, 4)
    total = torch.zeros(())
    expected = [function(x) for x in batches]
    total = torch.zeros(())
    try:
        replay, first = way(function, [batches[0]], [(total, total.clone())])
        results = [first, *map(replay, batches[1:])]
    except Exception:
        return False
    return all(torch.equal(a, b) for pair in zip(results, expected, strict=True) for a, b in zip(*pair, strict=True))


def _recorded_without_memory(fn, inputs, before):
    """The replay, and the outputs of its first run, from a trace of tensors that have no memory.

    Real ones would leave the heap in fragments: a trace makes many small objects that stay between them.
    """
    with borrowed.nothing_computed():
        module = _trace(fn, inputs, "fake", _allow_non_fake_inputs=True)
    if not all(((tensor == value) | tensor.isnan()).all() for tensor, value in before):
        raise RuntimeError("The trace moved what only its replay may move.")
    outputs = _FirstRun(module).run(*inputs)
    return replay_of(module), outputs


def _recorded_as_it_runs(fn, inputs, before):
    """The replay, and the outputs of its first run, from a trace of that run itself."""
    outputs = []

    def run(*inputs):
        outputs[:] = fn(*inputs)
        return outputs

    return replay_of(_trace(run, inputs, "real")), [output.detach() for output in outputs]


def _trace(fn, inputs, mode, **options):
    def traced(*inputs):
        with _NoReading(), _no_branching()():
            return fn(*inputs)

    module = borrowed.make_fx.found(traced, tracing_mode=mode, **options)(*inputs)
    simplify(module.graph)
    return module


class _FirstRun(torch.fx.Interpreter):
    """Runs a trace and corrects what it says of the layout of tensors.

    A trace guesses the strides of axes of length 1, which none of its operations depends on. One that is wrong about
    other strides is refused, because the function itself may then come down to other operations.
    """

    def run_node(self, node):
        result, foretold = super().run_node(node), node.meta.get("val")
        if isinstance(result, torch.Tensor) and isinstance(foretold, torch.Tensor):
            if _layout(result) != _layout(foretold):
                raise RuntimeError(f"The trace is wrong about {node}.")
            node.meta["val"] = result.detach().to("meta")
        return result


def _layout(tensor):
    strides = [stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if size != 1]
    return tensor.shape, tensor.dtype, strides


class _NoReading(TorchFunctionMode):
    """Refuses to hand a tensor's values to NumPy or Python, where a recording could not follow them."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.__array__):
            raise RuntimeError("A recorded function cannot read the values of tensors.")
        return func(*args, **(kwargs or {}))


@functools.cache
def _no_branching():
    class NoBranching(borrowed.dispatch_mode.found):
        """Refuses operations whose result is a Python number, or whose shape follows from values."""

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(func.tags):
                raise RuntimeError("A recorded function cannot depend on the values of tensors.")
            return func(*args, **(kwargs or {}))

    return NoBranching
