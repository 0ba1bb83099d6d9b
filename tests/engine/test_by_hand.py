"""One step written once equals a loop by hand in PyTorch, on every backend."""

import keras
import numpy as np
import pytest
from backends import pytorch
from toys import BATCH, LATENT, STEPS, ToyCritic, ToyGAN

torch = pytorch()
softplus = torch.nn.functional.softplus


class Adam:
    """Kingma and Ba (2015), Algorithm 1 in the efficient form of its section 2, as Keras has it.

    torch.optim.Adam puts epsilon elsewhere, which shows in the sixth digit where gradients are small.
    """

    def __init__(self, variables, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.variables, self.learning_rate, self.betas, self.epsilon = (
            variables,
            learning_rate,
            (beta_1, beta_2),
            epsilon,
        )
        self.moments = [(torch.zeros_like(v), torch.zeros_like(v)) for v in variables]
        self.t = 0

    @torch.no_grad()
    def step(self):
        self.t += 1
        beta_1, beta_2 = self.betas
        alpha = self.learning_rate * (1 - beta_2**self.t) ** 0.5 / (1 - beta_1**self.t)
        for variable, (m, v) in zip(self.variables, self.moments, strict=True):
            m.lerp_(variable.grad, 1 - beta_1)
            v.lerp_(variable.grad.square(), 1 - beta_2)
            variable -= alpha * m / (v.sqrt() + self.epsilon)


def torch_weights(model):
    return [torch.tensor(w, requires_grad=True) for w in model.get_weights()]


def torch_dense(weights):
    def network(x):
        return torch.tanh(x @ weights[0] + weights[1]) @ weights[2] + weights[3]

    return network


def torch_gan_step(generator, discriminator, x, noise, update):
    fake = generator(noise[:, 0]).detach()
    update("discriminator", softplus(-discriminator(x)).mean() + softplus(discriminator(fake)).mean())
    update("generator", softplus(-discriminator(generator(noise[:, 1]))).mean())


def torch_critic_step(generator, discriminator, x, noise, update):
    for i in (0, 1):
        fake = generator(noise[:, i]).detach()
        middle = ((x + fake) / 2).requires_grad_()
        slope = torch.autograd.grad(discriminator(middle).sum(), middle, create_graph=True)[0]
        penalty = ((slope.square().sum(1) + 1e-12).sqrt() - 1).square().mean()
        update("discriminator", discriminator(fake).mean() - discriminator(x).mean() + penalty)
    update("generator", -discriminator(generator(noise[:, 0])).mean())


def torch_loop(weights, step, images, noise, optimizer):
    """A hand-written torch loop over the same batches; returns the final weights."""
    generator, discriminator = weights[:4], weights[4:]
    players = {
        "generator": (generator, optimizer(generator)),
        "discriminator": (discriminator, optimizer(discriminator)),
    }

    def update(player, loss):
        variables, optimizer = players[player]
        for variable, gradient in zip(variables, torch.autograd.grad(loss, variables), strict=True):
            variable.grad = gradient
        optimizer.step()

    for i in range(STEPS):
        batch = slice(i * BATCH, (i + 1) * BATCH)
        x, z = torch.tensor(images[batch]).reshape(-1, 4), torch.tensor(noise[batch])
        step(torch_dense(generator), torch_dense(discriminator), x, z, update)
    return [w.detach().numpy() for w in weights]


@pytest.mark.parametrize(("model_class", "step"), [(ToyGAN, torch_gan_step), (ToyCritic, torch_critic_step)])
@pytest.mark.parametrize(
    ("optimizer", "reference"),
    [
        (keras.optimizers.SGD(0.02), lambda w: torch.optim.SGD(w, 0.02)),
        (keras.optimizers.Adam(0.01), lambda w: Adam(w, 0.01)),
    ],
    ids=["sgd", "adam"],
)
def test_twenty_steps_equal_a_hand_written_torch_loop(data, model_class, step, optimizer, reference):
    model = model_class(seed=0)
    model.build((None, 2, 2, 1))
    model.compile(optimizer)
    start, weights = model.get_weights(), torch_weights(model)
    model.fit(*data, batch_size=BATCH, shuffle=False, verbose=0)
    expected = torch_loop(weights, step, *data, reference)
    for before, mine, theirs in zip(start, model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
        if mine.ndim == 2:  # the bias of a critic cancels in its loss
            assert np.abs(mine - before).max() > 1e-3
    assert int(model.optimizer["discriminator"].iterations) == STEPS * (2 if model_class is ToyCritic else 1)


def test_only_what_runs_inside_minimize_is_differentiated():
    class Outside(ToyGAN):
        def step(self, x, y=None):
            fake = self.generator(y[:, 0])
            self.minimize(lambda: keras.ops.square(self.discriminator(fake)), "discriminator")
            self.minimize(lambda: keras.ops.square(self.generator(y[:, 0]) + 0.0 * fake), "generator")

    rng = np.random.default_rng(0)
    model = Outside(seed=0)
    x, y = rng.random((8, 2, 2, 1), dtype="float32"), rng.standard_normal((8, 2, LATENT)).astype("float32")
    model.build((None, 2, 2, 1))
    before = model.generator.get_weights()
    model.fit(x, y, verbose=0)
    reference = [torch.tensor(w, requires_grad=True) for w in before]
    loss = torch_dense(reference)(torch.tensor(y[:, 0])).square().mean()
    for old, new, gradient in zip(
        before, model.generator.get_weights(), torch.autograd.grad(loss, reference), strict=True
    ):
        np.testing.assert_allclose(new, old - 0.1 * gradient.numpy(), atol=1e-6)
