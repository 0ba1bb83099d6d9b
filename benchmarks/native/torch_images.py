"""Convolutions by hand for PyTorch: ``dcgan``."""

import functools

import torch
from torch import nn
from torch.nn import functional as F

from native.torch_loop import DEVICE, Loop, glorot, in_batches, normal


class Dropout(nn.Module):
    """``nn.Dropout`` from 16 random bits per unit, which on a CPU saves a sixth of a DCGAN step."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if x.is_cuda:
            return F.dropout(x, self.rate)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()].view(x.shape)
        keep = bits >= round(self.rate * 2**16) - 2**15
        return x * keep.to(x.dtype).mul_(1 / (1 - self.rate))


class DCGAN(Loop):
    losses, networks = ("discriminator_loss", "generator_loss"), ("generator", "discriminator")
    objectives = ("fake", "discriminator_loss", "generator_loss")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        adam = functools.partial(self.optimizer, torch.optim.Adam, lr=1e-4, eps=1e-7)
        self.optimizers = {name: adam(name) for name in self.networks}

    @staticmethod
    def generator():
        def normalised(norm, features):
            return norm(features, eps=1e-3, momentum=0.01), nn.LeakyReLU(0.3, inplace=True)

        return nn.Sequential(
            nn.Linear(100, 7 * 7 * 256, bias=False),
            *normalised(nn.BatchNorm1d, 7 * 7 * 256),
            nn.Unflatten(1, (256, 7, 7)),
            nn.ConvTranspose2d(256, 128, 5, padding=2, bias=False),
            *normalised(nn.BatchNorm2d, 128),
            nn.ConvTranspose2d(128, 64, 5, stride=2, padding=2, output_padding=1, bias=False),
            *normalised(nn.BatchNorm2d, 64),
            nn.ConvTranspose2d(64, 1, 5, stride=2, padding=2, output_padding=1, bias=False),
            nn.Tanh(),
        ).apply(glorot)

    @staticmethod
    def discriminator():
        def block(channels, filters):
            return nn.Conv2d(channels, filters, 5, stride=2, padding=2), nn.LeakyReLU(0.3, inplace=True), Dropout(0.3)

        blocks = *block(1, 64), *block(64, 128)
        return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(7 * 7 * 128, 1)).apply(glorot)

    def step(self, x):
        with torch.no_grad():
            fake = self.fake(len(x))
        discriminator_loss = self.update("discriminator", self.discriminator_loss(2 * x - 1, fake))
        return discriminator_loss, self.update("generator", self.generator_loss(len(x)))

    def fake(self, n):
        return self.generator(torch.randn(n, 100, device=DEVICE))

    def discriminator_loss(self, real, fake):
        real_logits, fake_logits = (self.discriminator(x).float() for x in (real, fake))
        return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()

    def generator_loss(self, n):
        fake = self.generator(torch.randn(n, 100, device=DEVICE))
        return F.softplus(-self.discriminator(fake).float()).mean()

    def sample(self, n, batch_size=256):
        self.generator.eval()
        images = in_batches(self.decoded, normal(n, 100), batch_size=batch_size)
        self.generator.train()
        return images

    def decoded(self, z):
        return self.generator(z).mul_(0.5).add_(0.5).permute(0, 2, 3, 1)


MODELS = {"dcgan": DCGAN}
