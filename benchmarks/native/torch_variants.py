"""What an expert may add to a loop for PyTorch on a GPU: bfloat16, ``torch.compile``, channels last, a CUDA graph."""

import functools

import torch

from native.torch_loop import DEVICE

# The CPU's code generator takes longer than a test may; there this backend runs what was traced.
COMPILER = "inductor" if DEVICE.type == "cuda" else "aot_eager"
WARM_UP_STEPS = 3


def mixed_bfloat16(loop):
    """Matrix products and convolutions in bfloat16. A graph must not hold the cache of cast weights."""
    _wrap(loop, torch.autocast(DEVICE.type, torch.bfloat16, cache_enabled=False))


def compiled(loop):
    """Networks and losses by ``torch.compile``, with their gradients; the optimizers' kernels are fused already."""
    _wrap(loop, functools.partial(torch.compile, dynamic=False, backend=COMPILER))


def channels_last(loop):
    for name in loop.networks:
        getattr(loop, name).to(memory_format=torch.channels_last)


def recorded(loop):
    """The whole step, from the choice of images to the optimizers, as one CUDA graph."""
    for optimizer in loop.optimizers.values():
        for group in optimizer.param_groups:
            group["capturable"] = True
    chosen, stream = torch.arange(loop.batch_size, device=DEVICE), torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_STEPS):
            loop.train(chosen)
    torch.cuda.current_stream().wait_stream(stream)
    for optimizer in loop.optimizers.values():
        optimizer.zero_grad()  # so that gradients lie in the graph's own memory
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loop.train(chosen)

    def train(indices):
        chosen.copy_(indices)
        graph.replay()

    loop.train = train


def _wrap(loop, wrapper):
    for name in loop.objectives:
        setattr(loop, name, wrapper(getattr(loop, name)))
