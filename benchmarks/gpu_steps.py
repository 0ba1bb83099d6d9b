"""Part "steps" of ``gpu.py``: step times of ``fit``, of Keras' own training and of loops by hand, in alternation.

A round is one epoch over uint8 images in host memory, as in ``step_time.py``; the loops by hand for PyTorch and JAX
hold them on the device. Warm-up epochs, which compile and record, do not count; after every epoch the device is waited
for. A side that fails is recorded with its error, and the others go on.
"""

import functools
import os
import statistics
import traceback
from typing import NamedTuple

import common
import gpu_results
import native
import step_time

BATCHES = (128, 256, 512, 1024)
DTYPES = ("float32", "mixed_bfloat16")
STEPS, ROUNDS, WARM_UPS = {"vae": 200, "dcgan": 40}, 7, 2
SIDES = {
    "torch": {
        "first": ("genzoo", "keras", "by hand", "by hand: graph"),
        "compiled": ("genzoo", "by hand: compile", "by hand: compile, graph", "by hand: channels last, graph"),
    },
    "jax": {"first": ("genzoo", "keras", "by hand")},
}


class Case(NamedTuple):
    sides: str  # of SIDES
    model: str
    dtype: str
    batch: int

    @property
    def name(self):
        return f"{self.model} {self.dtype} {self.batch}" + ("" if self.sides == "first" else f" {self.sides}")


def cases(backend, tiny):
    """Most valuable first: the batch sizes that the models have by default, the largest, those between."""
    if tiny:
        found = [Case(s, m, d, 4) for s in SIDES[backend] for m, d in zip(STEPS, DTYPES, strict=True)]
        return {case.name: case for case in found}
    usual = [("dcgan", 256), ("vae", 128), ("dcgan", 1024), ("vae", 1024), ("dcgan", 128), ("vae", 512)]
    order = [*usual, ("dcgan", 512), ("vae", 256)]
    found = [Case("first", model, dtype, batch) for model, batch in order for dtype in DTYPES]
    if "compiled" in SIDES[backend]:
        late = [Case("compiled", model, dtype, batch) for model, batch in order for dtype in DTYPES]
        found = found[:4] + late[:4] + found[4:] + late[4:]
    return {case.name: case for case in found}


def main():
    args = gpu_results.child_arguments()
    gpu_results.on_the_right_device(args.backend)
    known, results = cases(args.backend, args.tiny), gpu_results.Results(args.results)
    for name in args.cases:
        results.put("steps", args.backend, name, status="running")
        with gpu_results.limited(args.case_limit):
            measured = measure(known[name], args)
        results.put("steps", args.backend, name, **measured)


def measure(case, args):
    import keras

    steps, rounds, warm_ups = (2, 1, 1) if args.tiny else (STEPS[case.model], ROUNDS, WARM_UPS)
    images = common.random_images(steps * case.batch)
    keras.config.set_dtype_policy(case.dtype)
    epochs, sides, errors = {}, {}, {}
    for name in SIDES[args.backend][case.sides]:
        try:
            epochs[name] = side(name, case, args.backend, images)
            first = [timed(epochs[name], args.backend) for _ in range(warm_ups)]
            sides[name] = {"first_epochs_s": first, "ms": []}
        except Exception:
            errors[name] = traceback.format_exc(limit=-4)
            epochs.pop(name, None)
    for _ in range(rounds):
        for name, epoch in epochs.items():
            sides[name]["ms"].append(1e3 * timed(epoch, args.backend) / steps)
    for found in sides.values():
        found |= {"median": statistics.median(found["ms"]), "min": min(found["ms"])}
    return {
        "status": "done" if "genzoo" in sides else "failed",
        **case._asdict(),
        "steps": steps,
        "rounds": rounds,
        "ratios": ratios(sides),
        "sides_ms": sides,
        "errors": errors,
        "precision": gpu_results.precision(args.backend),
        **memory(args.backend),
    }


def ratios(sides):
    """genzoo's median and minimum over those of every other side."""
    ours = sides.get("genzoo")
    others = {name: found for name, found in sides.items() if ours and name != "genzoo"}
    return {name: {what: ours[what] / found[what] for what in ("median", "min")} for name, found in others.items()}


def side(name, case, backend, images):
    """A function that trains one epoch."""
    if name == "genzoo":
        import genzoo

        model = genzoo.get(case.model, seed=0, dtype=case.dtype)
        return functools.partial(model.fit, images, batch_size=case.batch, epochs=1, verbose=0)
    if name == "keras":
        from native import keras_loops

        loop = keras_loops.MODELS[case.model](images, case.batch)
        step_time.check(genzoo_model(case), loop)
        return loop.epoch
    _, _, variants = name.partition(": ")
    build = by_hand_jax if backend == "jax" else by_hand_torch
    return build(native.models(backend)[case.model], case, images, variants.split(", ") if variants else [])


def genzoo_model(case):
    import genzoo

    return genzoo.get(case.model, seed=0, dtype=case.dtype)


def by_hand_jax(loop, case, images, variants):
    return loop(images, case.batch, "float32" if case.dtype == "float32" else "bfloat16").epoch


def by_hand_torch(loop, case, images, variants):
    from native import torch_variants

    loop = loop(images, case.batch)
    if "graph" in variants and torch_variants.DEVICE.type != "cuda":
        raise NotImplementedError("A CUDA graph needs CUDA.")
    if "channels last" in variants:
        torch_variants.channels_last(loop)
    if "compile" in variants:
        torch_variants.compiled(loop)
    if case.dtype != "float32":
        torch_variants.mixed_bfloat16(loop)
    if "graph" in variants:
        torch_variants.recorded(loop)
    return loop.epoch


def timed(epoch, backend):
    """Seconds until the device has done all of it."""

    def whole():
        epoch()
        wait(backend)

    return common.timed(whole)[1]


def wait(backend):
    if backend == "torch":
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
    else:
        import jax

        jax.block_until_ready(jax.numpy.zeros(()) + 1)  # comes after all that was sent to the device before
        jax.effects_barrier()


def memory(backend):
    """The most that the device held, of all sides together."""
    if backend == "torch":
        import torch

        return {"peak_bytes": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None}
    import jax

    return {"peak_bytes": (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")}


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
