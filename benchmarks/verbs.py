"""Time of genzoo's verbs beside the same by hand in the backend's own idiom: compiled, batched, NumPy in and out.

    python benchmarks/verbs.py
    python benchmarks/verbs.py --quick                                # does it still run? (CI)

Both sides work in the same batch sizes, those that genzoo has by default. Weights are as initialised. Calls of the two
alternate, every backend in a process of its own; the first call of each, which compiles, does not count.
"""

import functools
import os
from typing import NamedTuple

import common
import native


class Verb(NamedTuple):
    model: str
    name: str
    images: int  # as many go in, or come out of `sample`
    samples: int | None = None


VERBS = (
    Verb("vae", "sample", 10_000),
    Verb("vae", "encode", 10_000),
    Verb("vae", "log_likelihood", 200, 200),
    Verb("dcgan", "sample", 1_000),
)
QUICK_IMAGES, QUICK_SAMPLES = 20, 3


def main():
    results = common.by_backend(measure, common.parsed(common.parser(__doc__, rounds=7)))
    print(common.compared(results, ("backend", "model", "verb", "images", "samples"), "ms"))


def measure(backend, args):
    os.environ["KERAS_BACKEND"] = backend
    models = native.models(backend)
    quick = [verb._replace(images=QUICK_IMAGES, samples=verb.samples and QUICK_SAMPLES) for verb in VERBS]
    return [against(models[verb.model], backend, verb, args) for verb in (quick if args.quick else VERBS)]


def against(by_hand, backend, verb, args):
    """Milliseconds per call in every round, for genzoo and for the code by hand."""
    import genzoo

    images = common.random_images(verb.images)
    model = genzoo.get(verb.model, seed=0)
    model.build((None, *common.IMAGE_SHAPE))
    arguments = (verb.images if verb.name == "sample" else images, *([verb.samples] if verb.samples else []))
    sides = model, by_hand(images, verb.images)
    calls = [functools.partial(getattr(side, verb.name), *arguments) for side in sides]
    first, seconds = common.alternated(*calls, args.rounds)
    if first["genzoo"].shape != first["native"].shape:
        raise SystemExit(f"The results differ. genzoo: {first['genzoo'].shape}, by hand: {first['native'].shape}")
    ms = {side: [1e3 * s for s in times] for side, times in seconds.items()}
    named = {"backend": backend, "model": verb.model, "verb": verb.name}
    return {**named, "images": verb.images, "samples": verb.samples or "", **ms}


if __name__ == "__main__":
    main()
