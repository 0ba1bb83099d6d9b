"""The loops that genzoo is measured against, written by hand for PyTorch.

Eager, with ``torch.optim.Adam(fused=True)``. Gradients come from ``backward``, not ``autograd.grad``: the fused CPU
kernel is silently wrong on a gradient whose strides differ from its parameter's, and ``backward`` restores them.
"""

import torch
from torch import nn
from torch.nn import functional as F

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


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


class Loop:
    """Shuffled epochs over uint8 images, and running means of the losses on the device."""

    losses: tuple[str, ...]
    networks: tuple[str, ...]

    def __init__(self, images, batch_size):
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(DEVICE)
        self.batch_size = batch_size
        for name in self.networks:
            setattr(self, name, getattr(self, name)().apply(glorot).to(DEVICE))

    def adam(self, learning_rate, *networks):
        parameters = [p for network in networks for p in network.parameters()]
        return torch.optim.Adam(parameters, lr=learning_rate, eps=1e-7, fused=True)

    def epoch(self):
        totals, steps = torch.zeros(len(self.losses), device=DEVICE), 0
        for chosen in torch.randperm(len(self.images), device=DEVICE).split(self.batch_size):
            totals += torch.stack(self.step(self.images[chosen].float() / 255))
            steps += 1
        return dict(zip(self.losses, (totals / steps).tolist(), strict=True))

    def weight_counts(self):
        """Weights and batch statistics, as Keras counts them."""
        tensors = {name: getattr(self, name).state_dict() for name in self.networks}
        return {
            name: sum(t.numel() for t in state.values() if t.is_floating_point()) for name, state in tensors.items()
        }


class VAE(Loop):
    losses, networks = ("loss", "reconstruction_loss", "kl_loss"), ("encoder", "decoder")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        self.optimizer = self.adam(1e-3, self.encoder, self.decoder)

    @staticmethod
    def encoder():
        heads = nn.ModuleDict({"mean": nn.Linear(400, 20), "log_variance": nn.Linear(400, 20)})
        return nn.ModuleDict({"hidden": nn.Linear(784, 400), **heads})

    @staticmethod
    def decoder():
        return nn.Sequential(nn.Linear(20, 400), nn.ReLU(inplace=True), nn.Linear(400, 784))

    def step(self, x):
        x = x.flatten(1)
        hidden = F.relu(self.encoder["hidden"](x), inplace=True)
        mean, log_variance = self.encoder["mean"](hidden), self.encoder["log_variance"](hidden)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        reconstruction = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum") / len(x)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum() / len(x)
        loss = reconstruction + kl
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach(), reconstruction.detach(), kl.detach()


class DCGAN(Loop):
    losses, networks = ("discriminator_loss", "generator_loss"), ("generator", "discriminator")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        self.optimizers = {name: self.adam(1e-4, getattr(self, name)) for name in self.networks}

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
        )

    @staticmethod
    def discriminator():
        def block(channels, filters):
            return nn.Conv2d(channels, filters, 5, stride=2, padding=2), nn.LeakyReLU(0.3, inplace=True), Dropout(0.3)

        return nn.Sequential(*block(1, 64), *block(64, 128), nn.Flatten(), nn.Linear(7 * 7 * 128, 1))

    def update(self, player, loss):
        self.optimizers[player].zero_grad()
        loss.backward(inputs=list(getattr(self, player).parameters()))  # not the other player's weight gradients
        self.optimizers[player].step()
        return loss.detach()

    def step(self, x):
        real = 2 * x - 1
        with torch.no_grad():
            fake = self.generator(torch.randn(len(x), 100, device=DEVICE))
        loss = F.softplus(-self.discriminator(real)).mean() + F.softplus(self.discriminator(fake)).mean()
        discriminator_loss = self.update("discriminator", loss)
        fake = self.generator(torch.randn(len(x), 100, device=DEVICE))
        return discriminator_loss, self.update("generator", F.softplus(-self.discriminator(fake)).mean())


def glorot(module):
    """Keras' initial weights: Glorot uniform kernels, zero biases."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


MODELS = {"vae": VAE, "dcgan": DCGAN}
