"""The loops and verbs that genzoo is measured against, written by hand for PyTorch.

Eager, with fused optimizers. Gradients come from ``backward``, not ``autograd.grad``: the fused CPU
kernel is silently wrong on a gradient whose strides differ from its parameter's, and ``backward`` restores them.
"""

import functools
import itertools
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CRITIC_STEPS, PENALTY, CRITIC_LEAK = 5, 10.0, 0.2  # of the WGAN-GP


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
        totals, steps = torch.zeros(len(self.losses), device=DEVICE), 0
        for chosen in torch.randperm(len(self.images), device=DEVICE).split(self.batch_size):
            totals += torch.stack(self.step(unit_interval(self.images[chosen])))
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
        self.optimizers = {"autoencoder": self.optimizer(torch.optim.Adam, "encoder", "decoder", lr=1e-3, eps=1e-7)}

    @staticmethod
    def encoder():
        heads = nn.ModuleDict({"mean": nn.Linear(400, 20), "log_variance": nn.Linear(400, 20)})
        return nn.ModuleDict({"hidden": nn.Linear(784, 400), **heads})

    @staticmethod
    def decoder():
        return nn.Sequential(nn.Linear(20, 400), nn.ReLU(inplace=True), nn.Linear(400, 784))

    def step(self, x):
        x = x.flatten(1)
        mean, log_variance = self.posterior(x)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        reconstruction = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum") / len(x)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum() / len(x)
        loss = self.update("autoencoder", reconstruction + kl)
        return loss, reconstruction.detach(), kl.detach()

    def posterior(self, x):
        hidden = F.relu(self.encoder["hidden"](x), inplace=True)
        return self.encoder["mean"](hidden), self.encoder["log_variance"](hidden)

    def sample(self, n, batch_size=256):
        return in_batches(self.decoded, normal(n, 20), batch_size=batch_size)

    def encode(self, images, batch_size=256):
        return in_batches(self.encoded, images, batch_size=batch_size)

    def log_likelihood(self, images, samples, batch_size=2048):
        return in_batches(self.estimated, images, normal(len(images), samples, 20), batch_size=batch_size // samples)

    def decoded(self, z):
        return torch.sigmoid_(self.decoder(z)).view(-1, 28, 28, 1)

    def encoded(self, images):
        return self.encoder["mean"](F.relu(self.encoder["hidden"](unit_interval(images).flatten(1)), inplace=True))

    def estimated(self, images, noise):
        x = unit_interval(images).flatten(1)
        mean, log_variance = (t.unsqueeze(1) for t in self.posterior(x))
        z = mean + torch.exp(0.5 * log_variance) * noise
        logits = self.decoder(z)
        log_ratio = 0.5 * (noise.square() + log_variance - z.square()).sum(2)
        log_ratio += torch.bmm(logits, x.unsqueeze(2)).squeeze(2) - F.softplus(logits).sum(2)
        return log_ratio.logsumexp(1) - math.log(noise.shape[1])


class DCGAN(Loop):
    losses, networks = ("discriminator_loss", "generator_loss"), ("generator", "discriminator")

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
        real = 2 * x - 1
        with torch.no_grad():
            fake = self.generator(torch.randn(len(x), 100, device=DEVICE))
        loss = F.softplus(-self.discriminator(real)).mean() + F.softplus(self.discriminator(fake)).mean()
        discriminator_loss = self.update("discriminator", loss)
        fake = self.generator(torch.randn(len(x), 100, device=DEVICE))
        return discriminator_loss, self.update("generator", F.softplus(-self.discriminator(fake)).mean())

    def sample(self, n, batch_size=256):
        self.generator.eval()
        images = in_batches(self.decoded, normal(n, 100), batch_size=batch_size)
        self.generator.train()
        return images

    def decoded(self, z):
        return self.generator(z).mul_(0.5).add_(0.5).permute(0, 2, 3, 1)


def leaky_relu(x):
    return F.leaky_relu(x, CRITIC_LEAK, inplace=True)


def masked_leaky_relu(x):
    """The same by a factor that is a constant to autograd; the real one's second derivative pushes zeros through."""
    return x * torch.where(x > 0, 1.0, CRITIC_LEAK)


class WGANGP(Loop):
    losses, networks = ("discriminator_loss", "generator_loss"), ("generator", "discriminator")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        adam = functools.partial(self.optimizer, torch.optim.Adam, lr=1e-4, betas=(0.0, 0.9), eps=1e-7)
        self.optimizers = {name: adam(name) for name in self.networks}

    @staticmethod
    def generator():
        return nn.Sequential(*perceptron(100, 512, 512, 512, 784), nn.Sigmoid()).apply(he)

    @staticmethod
    def discriminator():
        return nn.ModuleList(linears(784, 512, 512, 512, 1)).apply(glorot)

    def critic(self, x, activation=leaky_relu):
        *hidden, last = self.discriminator
        for layer in hidden:
            x = activation(layer(x))
        return last(x)

    def step(self, x):
        real, critic_losses = x.flatten(1), []
        for _ in range(CRITIC_STEPS):
            with torch.no_grad():
                fake = self.generator(torch.randn(len(x), 100, device=DEVICE))
            fake_logits, real_logits = self.critic(torch.cat([fake, real])).chunk(2)
            loss = fake_logits.mean() - real_logits.mean() + PENALTY * self.penalty(real, fake)
            critic_losses.append(self.update("discriminator", loss))
        fake = self.generator(torch.randn(len(x), 100, device=DEVICE))
        return torch.stack(critic_losses).mean(), self.update("generator", -self.critic(fake).mean())

    def penalty(self, real, fake):
        mixed = torch.lerp(fake, real, torch.rand(len(real), 1, device=DEVICE)).requires_grad_()
        (slopes,) = torch.autograd.grad(self.critic(mixed, masked_leaky_relu).sum(), mixed, create_graph=True)
        return ((slopes.square().sum(1) + 1e-12).sqrt() - 1).square().mean()


class AAE(Loop):
    losses = ("autoencoder_loss", "discriminator_loss", "generator_loss")
    networks = ("encoder", "decoder", "discriminator")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        sgd = functools.partial(self.optimizer, torch.optim.SGD)
        self.optimizers = {
            "autoencoder": sgd("encoder", "decoder", lr=0.01, momentum=0.9),
            "discriminator": sgd("discriminator", lr=0.1, momentum=0.1),
            "generator": sgd("encoder", lr=0.1, momentum=0.1),
        }

    @staticmethod
    def encoder():
        return nn.Sequential(*perceptron(784, 1000, 1000, 8)).apply(small_normal)

    @staticmethod
    def decoder():
        return nn.Sequential(*perceptron(8, 1000, 1000, 784), nn.Sigmoid()).apply(small_normal)

    @staticmethod
    def discriminator():
        return nn.Sequential(*perceptron(8, 1000, 1000, 1)).apply(small_normal)

    def step(self, x):
        x = x.flatten(1)
        reconstruction = F.mse_loss(self.decoder(self.encoder(x)), x, reduction="sum") / (2 * len(x))
        autoencoder_loss = self.update("autoencoder", reconstruction)
        with torch.no_grad():
            both = torch.cat([5 * torch.randn(len(x), 8, device=DEVICE), self.encoder(x)])
        prior_logits, code_logits = self.discriminator(both).chunk(2)
        loss = F.softplus(-prior_logits).mean() + F.softplus(code_logits).mean()
        discriminator_loss = self.update("discriminator", loss)
        generator_loss = self.update("generator", F.softplus(-self.discriminator(self.encoder(x))).mean())
        return autoencoder_loss, discriminator_loss, generator_loss


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
he = initial(functools.partial(nn.init.kaiming_uniform_, nonlinearity="relu"))
small_normal = initial(functools.partial(nn.init.normal_, std=0.01))


def unit_interval(images):
    return images.float() / 255


def normal(*shape):
    return np.random.default_rng().standard_normal(shape, "float32")


@torch.inference_mode()
def in_batches(function, *arrays, batch_size):
    batches = (torch.from_numpy(array).to(DEVICE).split(batch_size) for array in arrays)
    return torch.cat(list(map(function, *batches))).cpu().numpy()


MODELS = {"vae": VAE, "dcgan": DCGAN, "wgan-gp": WGANGP, "aae": AAE}
