"""Fresh Python processes for what a process can do once only: import, choose a backend, be interrupted."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

_HIDE = """
import sys
from importlib.machinery import PathFinder

class Hiding(PathFinder):
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] in {hidden!r} else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
"""


def environment(**changes):
    """The environment of this process with changes; None removes a variable."""
    return {key: str(value) for key, value in {**os.environ, **changes}.items() if value is not None}


def run_python(source, *arguments, hidden=(), code=0, **changes):
    """Runs code to its end.

    Args:
        source: of Python.
        *arguments: its ``sys.argv[1:]``.
        hidden: packages that the process shall not have, neither for ``import`` nor for ``find_spec``.
        code: that it must exit with.
        **changes: of the environment.

    Returns:
        Its standard output and its standard error.
    """
    source = (_HIDE.format(hidden=tuple(hidden)) if hidden else "import sys\n") + textwrap.dedent(source)
    command = [sys.executable, "-c", source, *map(str, arguments)]
    environ = environment(PYTHONPATH=Path(__file__).parent, **changes)
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr
