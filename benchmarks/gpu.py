"""All that waits for a GPU, most valuable first, each part bounded in time, in one command. Linux, NVIDIA.

    python benchmarks/gpu.py --minutes 8 --data mnist.npz --out runs/gpu
    python benchmarks/gpu.py --device cpu --tiny                      # does it still run? (CI)
    python benchmarks/gpu.py --pack DIR --data FOLDER                 # what a machine without a network needs

1. The engine's tests on CUDA, PyTorch and JAX (``gpu_tests.py``).
2. Step times of ``vae`` and ``dcgan`` beside Keras' own training and loops by hand (``gpu_steps.py``).
3. Trainings, as far as time reaches (``gpu_trainings.py``).

``OUT/gpu.json`` holds a row per result, and is replaced by a whole file after each. What was not reached says so. A
second call with the same ``--out`` on the same kind of device leaves out what is done or has failed, and goes on with
trainings where they were.
Every part runs in a process of its own; one that crashes or hangs costs one result. PARTS says in which order, and
which share of the time that is left each part may take; what it does not take is left to those that follow.
"""

import argparse
import functools
import json
import os
import platform
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import common
import gpu_pack
import gpu_results
import gpu_steps
import gpu_trainings

HERE = Path(__file__).resolve().parent
GRACE_S = 5  # between being asked to end and being ended


class Part(NamedTuple):
    name: str
    backend: str
    share: float  # of the time, beside the shares of the parts that follow
    case_limit: int  # seconds for one test or measurement; 0 for none


PARTS = (
    Part("tests", "torch", 3, 60),
    Part("tests", "jax", 3, 60),
    Part("steps", "jax", 5, 90),
    Part("steps", "torch", 5, 90),
    Part("trainings", "jax", 8, 0),
)
TINY_PARTS = (*PARTS[:4], Part("trainings", "torch", 8, 0))  # which compiles nothing
PROBE = """
import json, os
backend = os.environ["KERAS_BACKEND"]
import gpu_results
where = gpu_results.platform_of(backend)
if backend == "torch":
    import torch
    gpu = torch.cuda.is_available()
    found = {"device": torch.cuda.get_device_name() if gpu else None, "cuda": torch.version.cuda}
else:
    import jax
    first = jax.local_devices()[0]
    found = {"device": first.device_kind if first.platform == "gpu" else None, "cuda": first.client.platform_version}
import genzoo
print(json.dumps({"platform": where, **found}))
"""


def main():
    args = parsed()
    if args.pack:
        gpu_pack.pack(args.pack, args.data, args.python_version, args.also)
        return
    os.environ |= environment(args)
    sys.path[:0] = map(str, args.path)
    results, deadline = gpu_results.Results(args.out / "gpu.json"), time.time() + 60 * args.minutes
    parts = [part for part in (TINY_PARTS if args.tiny else PARTS) if part.name in args.parts]
    parts = [part for part in parts if part.backend in args.backends]
    backends = list(dict.fromkeys(part.backend for part in parts))
    with ThreadPoolExecutor() as pool:
        machines = dict(zip(backends, pool.map(functools.partial(machine, args=args), backends), strict=True))
    if not any("error" not in found for found in machines.values()):
        why = "\n".join(f"{backend}: {found['error']}" for backend, found in machines.items())
        print(
            f"gpu.py needs a GPU that PyTorch or JAX computes on, or --device cpu. Found none:\n{why}", file=sys.stderr
        )
        sys.exit(2)
    args.out.mkdir(parents=True, exist_ok=True)
    begin(results, parts, machines, args)
    for i, part in enumerate(parts):
        share = part.share / sum(later.share for later in parts[i:])
        until = time.time() + share * max(0.0, deadline - time.time())
        if "error" not in machines[part.backend]:
            run_part(part, results, until, args)
    finish(results, parts)
    if args.tiny and (wrong := faults(results, args)):
        sys.exit("\n".join(wrong))


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--data", type=Path, help="MNIST: mnist.npz, or a folder that holds it; for --pack also others")
    parser.add_argument("--path", type=Path, nargs="+", default=[], help="folders to import from, after this checkout")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--tiny", action="store_true", help="as little as runs: a test, not a measurement")
    parser.add_argument(
        "--parts", nargs="+", choices=("tests", "steps", "trainings"), default=["tests", "steps", "trainings"]
    )
    parser.add_argument("--backends", nargs="+", choices=("torch", "jax"), default=["torch", "jax"])
    parser.add_argument("--pack", type=Path, metavar="DIR", help="write all that must be carried to DIR, and stop")
    parser.add_argument("--python-version", default=gpu_pack.PYTHON, help=f"of --pack (default: {gpu_pack.PYTHON})")
    parser.add_argument("--also", nargs="+", default=[], metavar="PACKAGE", help="further wheels for --pack")
    args = parser.parse_args()
    if args.data and not args.pack:
        args.data = (args.data / "mnist.npz" if args.data.is_dir() else args.data).resolve()
        if not args.data.exists():
            parser.error(f"--data: there is no file {args.data}")
    return args


def environment(args):
    """What all processes get: this checkout first, and the device."""
    paths = [str(path.resolve()) for path in (HERE.parent, HERE, *args.path)]
    found = {"PYTHONPATH": os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])}
    if args.tiny:  # threads crawl where they lack a core, and there is nothing to optimise
        found |= {"OMP_NUM_THREADS": "1", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    found |= {"GENZOO_GPU_DEVICE": args.device, "PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    if args.device == "cpu":
        return found | {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu", "KERAS_TORCH_DEVICE": "cpu"}
    return found | {"JAX_PLATFORMS": "cuda,cpu", "KERAS_TORCH_DEVICE": "cuda"}


def machine(backend, args):
    """What every row says of the device, or ``error``."""
    versions = {package: common.version(package) for package in (*common.PACKAGES, "jaxlib") if common.version(package)}
    known = {"python": platform.python_version(), "versions": versions, "processor": common.processor()}
    env = os.environ | {"KERAS_BACKEND": backend}
    try:
        done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, env=env, timeout=120)
    except subprocess.TimeoutExpired:
        return {"device": "unknown", "error": "it did not answer within 120 s", **known}
    if done.returncode:
        return {"device": "unknown", "error": last_line(done), **known}
    found = json.loads(done.stdout.splitlines()[-1])
    if found["platform"] != args.device:
        return {"device": "unknown", "error": f"it computes on {found['platform']}", **known}
    device = found["device"] or f"{common.processor()}, {len(os.sched_getaffinity(0))} cores"
    return {"device": device, "driver": driver(), "cuda": found["cuda"], "tiny": args.tiny, **known}


def last_line(done):
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def driver():
    try:
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def cases_of(part, args):
    if part.name == "tests":
        return ["engine"]
    return list((gpu_steps if part.name == "steps" else gpu_trainings).cases(part.backend, args.tiny))


def begin(results, parts, machines, args):
    """Writes what is to come, as not reached."""
    content = results.read()
    content["machines"] |= machines
    call = {"minutes": args.minutes, "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "command": sys.argv}
    content["calls"].append(call)
    results.write(content)
    for part in parts:
        error = machines[part.backend].get("error")
        for case in cases_of(part, args):
            status = results.row(part.name, part.backend, case).get("status")
            if status is None or error:
                results.put(part.name, part.backend, case, status="not reached", **({"why": error} if error else {}))
            elif status == "running":  # when the call before was killed
                results.put(part.name, part.backend, case, status="cut off")


def run_part(part, results, until, args):
    """Runs processes until every case of the part is through, or time is up."""
    open_ = [c for c in cases_of(part, args) if results.row(part.name, part.backend, c)["status"] in gpu_results.OPEN]
    if part.name == "trainings" and args.data is None and not args.tiny:
        for case in open_:
            results.put(part.name, part.backend, case, why="no --data")
        return
    while open_ and time.time() < until:
        given = open_[:1] if part.name == "trainings" else open_  # the memory of one is not the next one's
        ending, output = run_child(part, given, results, until, args)
        open_ = after(part, open_, given, results, ending, output)
        say(part, ending, until)


def after(part, open_, given, results, ending, output):
    """The cases that are still to be run, after a process that has ended thus."""
    rows = {case: results.row(part.name, part.backend, case) for case in open_}
    running = [case for case in given if rows[case]["status"] == "running"]
    if ending == "time is up":
        for case in running:
            results.put(part.name, part.backend, case, status="cut off", why=ending)
        return []
    if part.name == "tests" and running and (test := crashed(results, part, running[0], f"{ending}\n{output}")):
        print(f"{test}: {ending}", flush=True)
        return open_  # the next process leaves it out
    if not running and ending != "ended" and rows[given[0]]["status"] == "not reached":
        running = given[:1]  # it has not come so far as to begin
    for case in running:
        results.put(part.name, part.backend, case, status="failed", error=f"{ending}\n{output}".strip())
    begun = [case for case in given if case in running or rows[case]["status"] not in ("not reached", "running")]
    return [case for case in open_ if case not in begun] if begun else []


def crashed(results, part, case, how):
    """The test that was running when its process ended, if one was; the row then says so."""
    row = results.row(part.name, part.backend, case)
    tests, failures = row.get("tests", {}), row.get("failures", {})
    test = next((test for test, outcome in tests.items() if outcome == "running"), None)
    if test is not None:
        new = {"tests": tests | {test: "crashed"}, "failures": failures | {test: how}}
        results.put(part.name, part.backend, case, **new)
    return test


def run_child(part, cases, results, until, args):
    """How a process that measures these cases has ended, and its output, shortened."""
    env = os.environ | {"KERAS_BACKEND": part.backend}
    if part.name == "tests":
        import gpu_tests

        command = ["-m", "pytest", *gpu_tests.arguments(part.backend, args.tiny)]
        env |= {**gpu_tests.environment(args.tiny), "GENZOO_GPU_RESULTS": str(results.path.resolve())}
        env["GENZOO_GPU_CASE_LIMIT"] = str(part.case_limit)
    else:
        command = [HERE / f"gpu_{part.name}.py", "--results", results.path.resolve(), "--backend", part.backend]
        command += ["--deadline", until, "--case-limit", part.case_limit, *(["--tiny"] if args.tiny else [])]
        command += ["--cases", *cases, *(["--data", args.data] if args.data else [])]
    log = args.out / f"{part.name}-{part.backend}.log"
    with open(log, "ab") as output:
        start = output.tell()
        child = subprocess.Popen(
            [sys.executable, *map(str, command)], stdout=output, stderr=output, env=env, cwd=HERE.parent,
            start_new_session=True, preexec_fn=gpu_results.end_with_parent,
        )  # fmt: skip
        ending = ended(child, until)
    with open(log, "rb") as file:
        file.seek(start)
        said = file.read().decode(errors="replace")
    return ending, said if len(said) < 2000 else f"{said[:1000]}\n...\n{said[-1000:]}"


def ended(child, until):
    """Waits for a process, ends it and all that it has started when time is up, and says how it has ended."""
    try:
        child.wait(max(1.0, until - time.time()))
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
        stop(child)
        if isinstance(error, KeyboardInterrupt):
            raise
        return "time is up"
    if child.returncode == -signal.SIGALRM:
        return "it took longer than one case may"
    if child.returncode < 0:
        return f"it crashed, signal {-child.returncode}"
    return "ended" if child.returncode == 0 else f"exit code {child.returncode}"


def stop(child):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
            child.wait(GRACE_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def say(part, ending, until):
    print(f"{part.name} {part.backend}: {ending}, {max(0, until - time.time()):.0f} s left of its time", flush=True)


def finish(results, parts):
    """Prints how far every case is."""
    content = results.read()
    content["calls"][-1]["ended"] = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    results.write(content)
    chosen = {(part.name, part.backend) for part in parts}
    rows = [row for row in content["rows"] if (row["part"], row["backend"]) in chosen]
    cells = [[row["part"], row["backend"], row["case"], row["device"], row["status"]] for row in rows]
    print(common.table(["part", "backend", "case", "device", "status"], cells, names=5))
    print(f"\n{results.path}")


def faults(results, args):
    """What a dry run should not have met."""
    found = []
    for row in results.read()["rows"]:
        errors = [e for e in row.get("errors", {}).values() if args.device == "gpu" or "needs CUDA" not in e]
        errors += [*row.get("failures", {}).values(), row.get("error"), row.get("why")]
        if row["status"] != "done" or any(errors):
            found.append(
                f"{row['part']} {row['backend']} {row['case']}: {row['status']}\n" + "\n".join(filter(None, errors))
            )
    return found


if __name__ == "__main__":
    main()
