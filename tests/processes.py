"""Fresh Python processes for what a process can do once only: import, choose a backend, be interrupted."""

import os
import subprocess
import sys

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


def run_python(code, hidden=(), **changes):
    """Runs code to its end.

    Args:
        code: Python source.
        hidden: packages that the process shall not have, neither for ``import`` nor for ``find_spec``.
        **changes: of the environment.

    Returns:
        Its standard output and its standard error.
    """
    code = _HIDE.format(hidden=tuple(hidden)) + code
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment(**changes), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr
