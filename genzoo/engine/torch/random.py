"""Random numbers as operations on a seed generator's state, so that a recorded step draws anew at every replay."""

import keras
import torch

from genzoo.engine import plain

_library = torch.library.Library("genzoo", "FRAGMENT")
_library.define("normal(Tensor(a!) state, int[] shape) -> Tensor")
_library.define("uniform(Tensor(a!) state, int[] shape) -> Tensor")
_library.define("dropout_mask(Tensor(a!) state, Tensor like, float rate) -> Tensor")


def normal(shape, seed_generator):
    return _drawn(plain.normal, torch.ops.genzoo.normal.default, shape, seed_generator)


def uniform(shape, seed_generator):
    return _drawn(plain.uniform, torch.ops.genzoo.uniform.default, shape, seed_generator)


def dropout(x, rate, seed_generator):
    x = keras.ops.convert_to_tensor(x)
    state = seed_generator.state.value
    # Where Keras infers shapes, and where 16 bits cannot tell the rate from 1.
    if "meta" in (x.device.type, state.device.type) or rate > 1 - 2**-16:
        return plain.dropout(x, rate, seed_generator)
    return x * torch.ops.genzoo.dropout_mask.default(state, x.detach(), rate)


def _drawn(plainly, draw, shape, seed_generator):
    state = seed_generator.state.value
    return plainly(shape, seed_generator) if state.device.type == "meta" else draw(state, [int(n) for n in shape])


def _generator(state):
    """A generator for the next draw of this state, whose counter moves on."""
    seed, counter = state.tolist()
    state[1] += 1
    # Mixed (SplitMix64), because a sum would make neighbouring seeds the same stream, one draw apart.
    word = ((seed & 0xFFFFFFFF) << 32 | counter & 0xFFFFFFFF) + 0x9E3779B97F4A7C15
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    word = (word ^ word >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return torch.Generator(state.device).manual_seed((word ^ word >> 31) & 0x7FFFFFFFFFFFFFFF)


def _normal(state, shape):
    return torch.randn(shape, generator=_generator(state), device=state.device)


def _uniform(state, shape):
    return torch.rand(shape, generator=_generator(state), device=state.device)


def _dropout_mask(state, like, rate):
    """0 with probability ``rate``, else ``1 / (1 - rate)``; on a CPU from 16 random bits per unit."""
    mask, generator = torch.empty_like(like), _generator(state)
    if like.device.type == "cpu":
        words = torch.empty(-(-like.numel() // 4), dtype=torch.int64).random_(-(2**63), None, generator=generator)
        # As the mask lies in memory, so that both are read straight through.
        bits = words.view(torch.int16)[: like.numel()].as_strided(mask.shape, mask.stride())
        torch.ge(bits, round(rate * 2**16) - 2**15, out=mask)
    else:
        torch.ge(torch.rand(like.shape, generator=generator, device=like.device), rate, out=mask)
    return mask.mul_(1 / (1 - rate))


for _name, _function in (("normal", _normal), ("uniform", _uniform), ("dropout_mask", _dropout_mask)):
    _library.impl(_name, _function, "CompositeExplicitAutograd")

# While a step is being recorded.
for _name in ("normal", "uniform"):
    _library.impl(_name, lambda state, shape: torch.empty(shape, device=state.device), "Meta")
_library.impl("dropout_mask", lambda state, like, rate: torch.empty_like(like), "Meta")
