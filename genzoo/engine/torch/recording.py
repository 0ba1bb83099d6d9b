"""Functions of tensors that PyTorch runs eagerly, recorded as the operations they come down to, and replayed.

A replay has none of what lies between a step and its arithmetic: Keras' layers, autograd's tape, Python's dispatch.
What ``jax.jit`` asks of a function holds here too: other Python side effects than those on variables happen while it is
recorded, on tensors that may have no values, and not in its replays.
"""

import collections
import contextlib
import logging
import operator
import threading
import types

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
_settings = threading.Lock()
_VIEWS = {aten.permute.default, aten.view.default, aten._unsafe_view.default, aten.t.default, aten.unsqueeze.default}
_IN_PLACE = {
    aten.relu.default: aten.relu_.default,
    aten.leaky_relu.default: aten.leaky_relu_.default,
    aten.sigmoid.default: aten.sigmoid_.default,
    aten.tanh.default: aten.tanh_.default,
    aten.mul.Tensor: aten.mul_.Tensor,
    aten.div.Tensor: aten.div_.Tensor,
    aten.add.Tensor: aten.add_.Tensor,
    aten.sub.Tensor: aten.sub_.Tensor,
}


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
        for way in (self._recorded_without_memory, self._recorded_as_it_runs):
            try:
                self._replays[signature], outputs = way(inputs, before)
                return outputs
            except Exception:
                # If the function itself is at fault it will say so again, now in its own words.
                for tensor, value in before:
                    tensor.copy_(value)
        self._recordable = False
        return self._fn(*inputs)

    def _recorded_without_memory(self, inputs, before):
        """The replay, and the outputs of its first run, from a trace of tensors that have no memory.

        Real ones would leave the heap in fragments: a trace makes many small objects that stay between them.
        """
        with _nothing_computed():
            module = _trace(self._fn, inputs, "fake", _allow_non_fake_inputs=True)
        if not all(((tensor == value) | tensor.isnan()).all() for tensor, value in before):
            raise RuntimeError("The trace moved what only its replay may move.")
        outputs = _FirstRun(module).run(*inputs)
        return _compiled(module), outputs

    def _recorded_as_it_runs(self, inputs, before):
        """The same from a trace of the first run itself."""
        outputs = []

        def run(*inputs):
            outputs[:] = self._fn(*inputs)
            return outputs

        return _compiled(_trace(run, inputs, "real")), [output.detach() for output in outputs]


def _trace(fn, inputs, mode, **options):
    from torch.fx.experimental.proxy_tensor import make_fx  # takes its time to import

    def traced(*inputs):
        with _NoReading(), _NoBranching():
            return fn(*inputs)

    module = make_fx(traced, tracing_mode=mode, **options)(*inputs)
    _forget_copies(module.graph)
    _forget_what_leads_nowhere(module.graph)
    return module


@contextlib.contextmanager
def _nothing_computed():
    """PyTorch computes with what a trace takes for constants, which would move real variables; here with none.

    Nor does it log an error for an operation that has no kernel for tensors without memory.
    """
    from torch.fx.experimental import proxy_tensor

    log = logging.getLogger("torch._subclasses.fake_tensor")
    with _settings:
        limit, disabled = proxy_tensor.CONSTANT_NUMEL_LIMIT, log.disabled
        proxy_tensor.CONSTANT_NUMEL_LIMIT, log.disabled = -1, True
        try:
            yield
        finally:
            proxy_tensor.CONSTANT_NUMEL_LIMIT, log.disabled = limit, disabled


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


class _NoBranching(TorchDispatchMode):
    """Refuses operations whose result is a Python number, or whose shape follows from values."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(func.tags):
            raise RuntimeError("A recorded function cannot depend on the values of tensors.")
        return func(*args, **(kwargs or {}))


def _compiled(module):
    """The graph as one Python function; tensors are freed at their last use."""
    nodes = list(module.graph.nodes)
    overwriting = _overwriting(nodes)
    last_uses = _last_uses(nodes)
    names, bound, lines = {}, {}, []

    def bind(value):
        name = f"b{len(bound)}"
        bound[name] = value
        return name

    def code(argument):
        if isinstance(argument, torch.fx.Node):
            return names[argument]
        if isinstance(argument, (list, tuple)):
            inside = "".join(f"{code(a)}, " for a in argument)
            return f"[{inside}]" if isinstance(argument, list) else f"({inside})"
        return repr(argument) if type(argument) in (int, bool, str, types.NoneType) else bind(argument)

    for i, node in enumerate(nodes):
        if node.op == "get_attr":
            names[node] = bind(operator.attrgetter(node.target)(module))
            continue
        names[node] = f"t{i}"
        if node.op == "placeholder":
            continue
        if node.op == "output":
            lines.append(f"return {code(node.args[0])}")
            continue
        target = overwriting.get(node, node.target)
        function = getattr(target, "_op", target)  # an overload's own call costs as much as a small operation
        arguments = [code(a) for a in node.args] + [f"{key}={code(a)}" for key, a in node.kwargs.items()]
        lines.append(f"{names[node]} = {bind(function)}({', '.join(arguments)})")
        gone = [names[n] for n in last_uses[node] if n.op != "get_attr"]
        if gone:
            lines.append(f"del {', '.join(gone)}")
    # What is bound comes as defaults of parameters, because Python finds locals faster than globals.
    parameters = ", ".join([*(names[n] for n in nodes if n.op == "placeholder"), *(f"{b}={b}" for b in bound)])
    exec("\n    ".join([f"def replay({parameters}):", *lines]), bound)
    return bound["replay"]


def _forget_what_leads_nowhere(graph):
    """What neither changes anything nor leads to an output."""
    needed = set()
    for node in reversed(graph.nodes):
        acts = node.op in ("placeholder", "output") or _changes_its_arguments(node)
        if acts or torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()) or node in needed:
            needed.update([node, *node.all_input_nodes])
    for node in reversed(graph.nodes):
        if node not in needed:
            graph.erase_node(node)


def _overwriting(nodes):
    """Operations whose result may take the place of their first argument, needed by nobody else: new memory is slow."""
    uses = collections.Counter(n for node in nodes for n in node.all_input_nodes)
    found = {}
    for node in nodes:
        if node.target in _IN_PLACE and _like(node, node.args[0]):
            source = node.args[0]
            while uses[source] == 1 and source.target in _VIEWS:
                source = source.args[0]
            if uses[source] == 1 and _is_fresh(source):
                found[node] = _IN_PLACE[node.target]
    return found


def _like(node, argument):
    one, other = (getattr(n, "meta", {}).get("val") for n in (node, argument))
    if not (isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)):
        return False
    return (one.shape, one.stride(), one.dtype) == (other.shape, other.stride(), other.dtype)


def _is_fresh(node):
    """Whether the value is new memory."""
    if node.target is operator.getitem:
        node = node.args[0]
    schema = getattr(node.target, "_schema", None)
    return schema is not None and all(r.alias_info is None for r in schema.returns) and node.target not in _VIEWS


def _last_uses(nodes):
    """For every node, those whose values nobody needs after it."""
    last = {}
    for node in nodes:
        last[node] = node
        last.update(dict.fromkeys(node.all_input_nodes, node))
    uses = {node: [] for node in nodes}
    for node, user in last.items():
        uses[user].append(node)
    return uses


def _forget_copies(graph):
    """Aliases that only autograd needs; numbers that the function made into tensors, copied anew for every use."""
    for node in graph.nodes:
        constant = node.target is aten.lift_fresh_copy.default and not _is_changed(node)
        if constant or node.target is aten.detach.default:
            node.replace_all_uses_with(node.args[0])


def _is_changed(node):
    """Whether an operation changes the value in place, or a view of it."""
    return any(_changes_its_arguments(user) or (_is_alias(user) and _is_changed(user)) for user in node.users)


def _is_alias(node):
    schema = getattr(node.target, "_schema", None)
    return node.target is operator.getitem or (schema is not None and any(r.alias_info for r in schema.returns))


def _changes_its_arguments(node):
    return node.op == "call_function" and getattr(getattr(node.target, "_schema", None), "is_mutable", False)
