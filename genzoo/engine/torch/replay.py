"""A traced graph of operations as one Python function."""

import collections
import operator
import types

import torch

from genzoo.engine.torch import borrowed


def replay_of(module):
    """The function of a trace. It calls the operations in order, and frees each tensor after its last use."""
    nodes = list(module.graph.nodes)
    overwriting, last_uses = _overwriting(nodes), _last_uses(nodes)
    source = _Source(module)
    for i, node in enumerate(nodes):
        source.write(node, f"t{i}", overwriting.get(node, node.target))
        if node.op == "call_function":
            source.free(last_uses[node])
    return source.function()


class _Source:
    """The source of the function, line by line, and the objects that it names."""

    def __init__(self, module):
        self._module = module
        self._names, self._parameters, self._bound, self._lines = {}, [], {}, []

    def write(self, node, name, target):
        if node.op == "get_attr":
            self._names[node] = self._bind(operator.attrgetter(node.target)(self._module))
            return
        self._names[node] = name
        if node.op == "placeholder":
            self._parameters.append(name)
        elif node.op == "output":
            self._lines.append(f"return {self._code(node.args[0])}")
        else:
            arguments = [self._code(a) for a in node.args]
            arguments += [f"{key}={self._code(a)}" for key, a in node.kwargs.items()]
            self._lines.append(f"{name} = {self._bind(borrowed.bare(target))}({', '.join(arguments)})")

    def free(self, nodes):
        """Forgets values, but not those that the module holds."""
        gone = [self._names[node] for node in nodes if node.op != "get_attr"]
        if gone:
            self._lines.append(f"del {', '.join(gone)}")

    def function(self):
        # What is bound comes as defaults of parameters, because Python finds locals faster than globals.
        parameters = ", ".join([*self._parameters, *(f"{name}={name}" for name in self._bound)])
        names = dict(self._bound)
        exec("\n    ".join([f"def replay({parameters}):", *self._lines]), names)
        return names["replay"]

    def _bind(self, value):
        name = f"b{len(self._bound)}"
        self._bound[name] = value
        return name

    def _code(self, argument):
        if isinstance(argument, torch.fx.Node):
            return self._names[argument]
        if isinstance(argument, (list, tuple)):
            inside = "".join(f"{self._code(a)}, " for a in argument)
            return f"[{inside}]" if isinstance(argument, list) else f"({inside})"
        return repr(argument) if type(argument) in (int, bool, str, types.NoneType) else self._bind(argument)


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


def _overwriting(nodes):
    """Operations that may write over their first argument, because nobody else needs it: new memory is slow."""
    views, in_place = borrowed.overwriting()
    uses = collections.Counter(n for node in nodes for n in node.all_input_nodes)
    found = {}
    for node in nodes:
        if node.target in in_place and _is_like(node, node.args[0]):
            source = node.args[0]
            while uses[source] == 1 and source.target in views:
                source = source.args[0]
            if uses[source] == 1 and _is_fresh(source, views):
                found[node] = in_place[node.target]
    return found


def _is_like(node, argument):
    one, other = (getattr(n, "meta", {}).get("val") for n in (node, argument))
    if not (isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)):
        return False
    return (one.shape, one.stride(), one.dtype) == (other.shape, other.stride(), other.dtype)


def _is_fresh(node, views):
    """Whether the value is new memory."""
    if node.target is operator.getitem:
        node = node.args[0]
    schema = borrowed.schema_of(node.target)
    return schema is not None and all(r.alias_info is None for r in schema.returns) and node.target not in views


def simplify(graph) -> None:
    """Takes out of a trace what no result and no variable depends on."""
    for node in graph.nodes:
        if node.op == "call_function" and node.target is not operator.getitem and not borrowed.schema_of(node.target):
            raise RuntimeError(f"Nobody knows what {node.target} changes.")
    _forget_copies(graph)
    _forget_what_leads_nowhere(graph)


def _forget_copies(graph):
    """Forgets aliases that only autograd needs, and copies of constants, which a trace makes for every use."""
    for node in graph.nodes:
        constant = node.target is borrowed.fresh_copy.found and not _is_changed(node)
        if node.op == "call_function" and (constant or node.target is borrowed.detach.found):
            node.replace_all_uses_with(node.args[0])


def _forget_what_leads_nowhere(graph):
    """Forgets operations that change nothing and lead to no output."""
    needed = set()
    for node in reversed(graph.nodes):
        acts = node.op in ("placeholder", "output") or _changes_its_arguments(node)
        if acts or torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()) or node in needed:
            needed.update([node, *node.all_input_nodes])
    for node in reversed(graph.nodes):
        if node not in needed:
            graph.erase_node(node)


def _is_changed(node):
    """Whether an operation changes the value in place, or a view of it."""
    return any(_changes_its_arguments(user) or (_is_alias(user) and _is_changed(user)) for user in node.users)


def _is_alias(node):
    schema = borrowed.schema_of(node.target)
    return node.target is operator.getitem or (schema is not None and any(r.alias_info for r in schema.returns))


def _changes_its_arguments(node):
    return node.op == "call_function" and getattr(borrowed.schema_of(node.target), "is_mutable", False)
