"""Part "tests" of ``gpu.py``: the engine's own tests on the device. This is the plugin for pytest that records them.

Float32 is float32 there: TF32 is off, because the tests' tolerances are those of float32. Every test is recorded as it
ends, with what it has put on the device. Run again, it leaves out the tests that are recorded; one that ended the
process is recorded as "crashed".
"""

import collections
import os
import re
from pathlib import Path

import gpu_results
import pytest

ROOT = Path(__file__).resolve().parents[1]
CASE = "engine"
# Full float32 in both libraries, and XLA's optimisations, which conftest.py turns off to save time.
FLOAT32 = {"NVIDIA_TF32_OVERRIDE": "0", "JAX_DEFAULT_MATMUL_PRECISION": "highest"}
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the tests need none of what may be installed there
OPTIMISED = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "0"}
TINY = "closed_form or (twenty_steps and sgd) or leaky_relu_equals"


def files(backend):
    """The tests of the engine, but those of other backends."""
    others = {"torch", "jax", "tensorflow"} - {backend}
    engine = {"test_engine", "test_arithmetic", *(f"test_engine_{name}" for name in ("torch", "jax", "tensorflow"))}
    found = [p for p in sorted((ROOT / "tests").glob("test_*.py")) if p.stem in engine]
    found += sorted((ROOT / "tests" / "engine").glob("**/test_*.py"))
    return [p for p in found if not any(name in str(p.relative_to(ROOT)) for name in others)]


def environment(tiny):
    return {**FLOAT32, **ALONE, **({} if tiny else OPTIMISED)}


def arguments(backend, tiny):
    """Of ``python -m pytest``. Warnings are no errors here: other versions than CI's have others."""
    options = ["-p", "gpu_tests", "-p", "no:cacheprovider", "-q", "--rootdir", ROOT, "-o", "filterwarnings=default"]
    return [*options, *(["-k", TINY] if tiny else []), *files(backend)]


class Recorder:
    def __init__(self):
        self.backend = os.environ["KERAS_BACKEND"]
        self.results = gpu_results.Results(os.environ["GENZOO_GPU_RESULTS"])
        self.limit = int(os.environ["GENZOO_GPU_CASE_LIMIT"])
        before = self.results.row("tests", self.backend, CASE)
        self.tests, self.messages = before.get("tests", {}), before.get("failures", {})
        self.on_device = before.get("put_on_device", {})
        for test, outcome in self.tests.items():
            if outcome == "running":
                self.tests[test] = "crashed"
        self.about, self.collected, self.before = {}, before.get("collected", 0), 0

    def put(self, **fields):
        counts = collections.Counter(self.tests.values())
        known = {"tests": self.tests, "failures": self.messages, "put_on_device": self.on_device}
        not_reached = max(0, self.collected - len(self.tests))
        without = [test for test, count in self.on_device.items() if count == 0 and self.tests.get(test) == "passed"]
        found = {
            "dtype": "the tests' own", "batch": "the tests' own", **self.about, "collected": self.collected,
            **{name: counts[name] for name in ("passed", "failed", "skipped", "crashed")}, "not_reached": not_reached,
            "passed_without_the_device": without,
        }  # fmt: skip
        self.results.put("tests", self.backend, CASE, **{"status": "running", **found, **known, **fields})

    @pytest.hookimpl(trylast=True)  # behind what -k leaves out
    def pytest_collection_modifyitems(self, config, items):
        gpu_results.on_the_right_device(self.backend)
        if self.backend == "torch":
            import torch

            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        self.collected = len(items)
        paths = sorted({item.path for item in items})
        self.about = {
            "precision": gpu_results.precision(self.backend),
            "tolerances": {p.name: sorted(set(re.findall(r"[ar]tol=[^\s,)]+", p.read_text()))) for p in paths},
            "files": [str(p.relative_to(ROOT)) for p in paths],
        }
        left_out = [item for item in items if item.nodeid in self.tests]
        items[:] = [item for item in items if item.nodeid not in self.tests]
        config.hook.pytest_deselected(items=left_out)
        self.put()

    def pytest_runtest_logstart(self, nodeid):
        self.tests[nodeid] = "running"
        self.before = allocations(self.backend)
        self.put()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self):
        with gpu_results.limited(self.limit):
            return (yield)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.tests[report.nodeid] = "failed"
            self.messages[report.nodeid] = f"{report.when}: {report.longreprtext[-1500:]}"
        elif report.skipped:
            self.tests[report.nodeid] = "skipped"
        elif report.when == "call":
            self.tests[report.nodeid] = "passed"

    def pytest_runtest_logfinish(self, nodeid):
        count = allocations(self.backend)
        self.on_device[nodeid] = None if count is None else count - self.before
        self.put()

    def pytest_sessionfinish(self, exitstatus):
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED):
            self.put(status="done" if self.tests else "failed")


def allocations(backend):
    """How often memory of the device was taken so far; None on a CPU."""
    if backend == "torch":
        import torch

        if torch.cuda.is_available():
            return torch.cuda.memory_stats().get("allocation.all.allocated", 0)
        return None
    import jax

    return (jax.local_devices()[0].memory_stats() or {}).get("num_allocs")


def pytest_configure(config):
    config.pluginmanager.register(Recorder(), "genzoo-gpu-recorder")
