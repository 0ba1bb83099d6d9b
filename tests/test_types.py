"""What type checkers read. `make types` lets one read it."""

import subprocess
import sys

from places import ROOT


def test_the_stub_of_get_is_what_its_script_writes():
    # In a process of its own, because other tests register models.
    code = "import write_types; print(write_types.stub(), end='')"
    written = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True)
    assert written.returncode == 0, written.stderr
    stub = ROOT / "genzoo" / "registry" / "typed.pyi"
    assert stub.read_text() == written.stdout, "Run scripts/write_types.py and commit what it writes."
