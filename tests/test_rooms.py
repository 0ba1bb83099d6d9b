"""A room imports rooms below it, never beside or above; inside a room no module waits for itself."""

import ast
import graphlib
import importlib.util
import re

import pytest
from places import ROOT

pytestmark = pytest.mark.once

# From the ground to the roof, as the table in CONTRIBUTING.md has them: the only place where the order is written.
ROOMS = re.findall(r"^\| `(\w+)", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)


def modules():
    """Every module's name, and its file."""
    for path in sorted([*ROOT.glob("genzoo/**/*.py"), *ROOT.glob("genzoo_plugins/**/*.py")]):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


FILES = dict(modules())


def room_of(module):
    top, _, rest = module.partition(".")
    return rest.partition(".")[0] or top if top == "genzoo" else top


def run(node):
    """All that is in a node, but for what only type checkers read."""
    for_checkers = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    for child in node.orelse if for_checkers else ast.iter_child_nodes(node):
        yield child
        yield from run(child)


def imports(module):
    """The modules of ours that a module imports, inside functions too."""
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in run(ast.parse(FILES[module].read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names = [full if (full := f"{source}.{alias.name}") in FILES else source for alias in node.names]
        yield from (name for name in names if name in FILES and name != module)


@pytest.mark.parametrize("module", FILES)
def test_no_import_leads_up_or_beside(module):
    floor = ROOMS.index(room_of(module))
    beside = [name for name in imports(module) if room_of(name) != room_of(module)]
    wrong = [name for name in beside if ROOMS.index(room_of(name)) >= floor]
    assert not wrong, f"{module} imports {wrong}, which does not lie below it"


def test_no_imports_form_a_circle():
    tuple(graphlib.TopologicalSorter({module: set(imports(module)) for module in FILES}).static_order())
