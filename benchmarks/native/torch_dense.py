"""Fully connected networks by hand for PyTorch: ``vae``, ``wgan-gp``, ``aae``."""

import functools
import math

import torch
from torch import nn
from torch.nn import functional as F

from native.torch_loop import DEVICE, Loop, glorot, in_batches, initial, linears, normal, perceptron, unit_interval

CRITIC_STEPS, PENALTY, CRITIC_LEAK = 5, 10.0, 0.2  # of the WGAN-GP

he = initial(functools.partial(nn.init.kaiming_uniform_, nonlinearity="relu"))
small_normal = initial(functools.partial(nn.init.normal_, std=0.01))


class VAE(Loop):
    losses, networks = ("loss", "reconstruction_loss", "kl_loss"), ("encoder", "decoder")
    objectives = ("objective",)

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
        reconstruction, kl = self.objective(x.flatten(1))
        loss = self.update("autoencoder", reconstruction + kl)
        return loss, reconstruction.detach(), kl.detach()

    def objective(self, x):
        mean, log_variance = (t.float() for t in self.posterior(x))
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        reconstruction = F.binary_cross_entropy_with_logits(self.decoder(z).float(), x, reduction="sum") / len(x)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum() / len(x)
        return reconstruction, kl

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


MODELS = {"vae": VAE, "wgan-gp": WGANGP, "aae": AAE}
