"""A process that trains small models with one borrowed name missing or changed, each case in a fork of its own.

It reads cases from standard input, a JSON list ``[name, way]`` a line, and answers with one JSON line each: the weights
after training, twice, and the engine's warnings. genzoo is imported in the fork, after the name is broken.
"""

import contextlib
import gc
import importlib
import json
import os
import sys
import traceback
import types
import warnings

if os.environ["KERAS_BACKEND"] == "torch":
    import torch
    import torch.fx.experimental.proxy_tensor  # takes seconds, so once for all forks

import keras
import numpy as np


def raiser(*args, **kwargs):
    raise TypeError("its arguments are others now")


class Without:
    """A namespace as it is, but for one name inside it that genzoo finds gone or changed."""

    def __init__(self, whole, path, instead):
        self._whole, self._path, self._instead = whole, path, instead

    def __call__(self, *args, **kwargs):
        return self._whole(*args, **kwargs)

    def __getattr__(self, name):
        asked_by = sys._getframe(1).f_globals["__name__"]
        if name != self._path[0] or not asked_by.startswith("genzoo."):
            return getattr(self._whole, name)
        if len(self._path) > 1:
            return Without(getattr(self._whole, name), self._path[1:], self._instead)
        if self._instead is None:
            raise AttributeError(name)
        return self._instead


def renamed(owner, name):
    """Gives a name to its own library under another one, as a library does that moves it."""
    new, home = f"{name}_moved", getattr(owner, "__name__", None)

    def is_theirs(module):
        return str(module).startswith("keras.src") or module == home

    objects = gc.get_objects()
    for function in [each for each in objects if type(each) is types.FunctionType and is_theirs(each.__module__)]:
        code = function.__code__
        names, consts = (tuple(new if n == name else n for n in each) for each in (code.co_names, code.co_consts))
        function.__code__ = code.replace(co_names=names, co_consts=consts)
    classes = [each for each in objects if issubclass(type(each), type) and is_theirs(each.__module__)]
    for place in [owner, *classes, *(module for key, module in list(sys.modules.items()) if is_theirs(key))]:
        if name in vars(place):
            setattr(place, new, vars(place)[name])


def broken(name, way):
    """Removes what a borrowed name names, or changes it, for everyone but its own library."""
    instead = raiser if way == "changed" else None
    *parents, last = name.split(".")
    if name.startswith("torch.ops.aten."):
        torch.ops.aten = Without(torch.ops.aten, name.split(".")[3:], instead)
    elif name == "random.seed":
        elsewhere = types.SimpleNamespace(randint=lambda low, high: int(np.random.randint(low, high)))
        importlib.import_module("keras.src.random.seed_generator").python_random = elsewhere
    elif name.endswith(".variables"):  # the order is another
        cls = getattr(keras.optimizers, parents[-1])
        variables = cls.variables.fget
        cls.variables = property(lambda self: [*variables(self)[:2], *variables(self)[2:][::-1]])
    else:
        owner = importlib.import_module(parents[0])
        for part in parents[1:]:
            owner = getattr(owner, part)
        if parents[0] in ("keras", "torch"):
            _ = keras.optimizers.Adam(), keras.optimizers.SGD()  # whose modules come late
            renamed(owner, last)
        if hasattr(owner, last):
            owner = owner if last in vars(owner) else type(owner)
            delattr(owner, last) if instead is None else setattr(owner, last, instead)


def trained():
    """The weights of small models after a few steps."""
    import genzoo

    if keras.config.backend() == "torch":
        from genzoo.engine.torch.recording import Recorded

        Recorded.eager_calls = 1
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), dtype="uint8")
    nesterov, momentum = (keras.optimizers.SGD(0.01, momentum=0.9, nesterov=each) for each in (True, False))
    dcgan = genzoo.get("dcgan", filters=2, latent_dim=2, seed=0)
    dcgan.compile({"discriminator": momentum})
    vae = genzoo.get("vae", hidden_dim=4, latent_dim=2, seed=0)
    vae.compile(nesterov)
    for model in (dcgan, vae):
        model.fit(images, batch_size=4, verbose=0)  # on PyTorch: eager, recorded, replayed
    return [weight.tolist() for model in (dcgan, vae) for weight in model.get_weights()]


def answer(name, way):
    if name is not None:
        broken(name, way)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        weights = [trained()]
        if name in ("random.seed", "jax.threefry_partitionable"):  # whose fallbacks are right with other numbers
            weights.append(trained())
    messages = [str(w.message) for w in said if w.category.__name__ == "BorrowedNameWarning"]
    return {"weights": weights, "messages": messages}


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            result = {"error": "the fork died"}
            try:
                result = answer(*json.loads(line))
            except BaseException:
                result = {"error": traceback.format_exc()}
            with contextlib.suppress(BrokenPipeError):
                print(json.dumps(result), file=answers, flush=True)
            os._exit(0)
        if os.waitpid(process, 0)[1] != 0:
            print(json.dumps({"error": "the fork died"}), file=answers, flush=True)


if __name__ == "__main__":
    main()
