"""What the loops by hand for PyTorch share.

Eager, with fused optimizers. Gradients come from ``backward``, not ``autograd.grad``: the fused CPU
kernel is silently wrong on a gradient whose strides differ from its parameter's, and ``backward`` restores them.
"""

import itertools

import numpy as np
import torch
from torch import nn

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Loop:
    """Shuffled epochs over uint8 images, and running means of the losses on the device."""

    losses: tuple[str, ...]
    networks: tuple[str, ...]
    objectives: tuple[str, ...] = ()  # names of the functions without side effects, which can be compiled

    def __init__(self, images, batch_size):
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(DEVICE)
        self.batch_size = batch_size
        self.totals = torch.zeros(len(self.losses), device=DEVICE)
        for name in self.networks:
            setattr(self, name, getattr(self, name)().to(DEVICE))

    def optimizer(self, kind, *networks, **options):
        parameters = [p for network in networks for p in getattr(self, network).parameters()]
        return kind(parameters, **options, fused=True)

    def update(self, player, loss):
        optimizer = self.optimizers[player]
        optimizer.zero_grad()
        loss.backward(inputs=optimizer.param_groups[0]["params"])  # not the other players' weight gradients
        optimizer.step()
        return loss.detach()

    def epoch(self):
        self.totals.zero_()
        batches = torch.randperm(len(self.images), device=DEVICE).split(self.batch_size)
        for chosen in batches:
            self.train(chosen)
        return dict(zip(self.losses, (self.totals / len(batches)).tolist(), strict=True))

    def train(self, chosen):
        self.totals += torch.stack(self.step(unit_interval(self.images[chosen])))

    def weight_counts(self):
        """Weights and batch statistics, as Keras counts them."""
        tensors = {name: getattr(self, name).state_dict() for name in self.networks}
        return {
            name: sum(t.numel() for t in state.values() if t.is_floating_point()) for name, state in tensors.items()
        }


def linears(*sizes):
    return [nn.Linear(*pair) for pair in itertools.pairwise(sizes)]


def perceptron(*sizes):
    *hidden, last = linears(*sizes)
    return [*(part for layer in hidden for part in (layer, nn.ReLU(inplace=True))), last]


def initial(kernel_initializer):
    """What gives a module kernels of this kind, and zero biases."""

    def initialize(module):
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            kernel_initializer(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    return initialize


glorot = initial(nn.init.xavier_uniform_)


def unit_interval(images):
    return images.float() / 255


def normal(*shape):
    return np.random.default_rng().standard_normal(shape, "float32")


@torch.inference_mode()
def in_batches(function, *arrays, batch_size):
    batches = (torch.from_numpy(array).to(DEVICE).split(batch_size) for array in arrays)
    return torch.cat(list(map(function, *batches))).cpu().numpy()
