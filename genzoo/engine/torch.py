"""PyTorch: eager. Gradients are recorded inside ``value_and_grad`` and nowhere else, as on the other backends."""

import contextlib

import keras
import torch


def value_and_grad(loss_fn, variables):
    with torch.enable_grad():
        loss = loss_fn()
        # autograd.grad, not backward: gradients must not accumulate in the other player's networks.
        gradients = torch.autograd.grad(loss, [v.value for v in variables], allow_unused=True)
    return loss.detach(), gradients


def input_gradient(fn, x):
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        return torch.autograd.grad(fn(x).sum(), x, create_graph=True)[0]


def compile_inference(model, fn):
    def run(*arrays):
        with torch.no_grad():
            return keras.ops.convert_to_numpy(fn(*(keras.ops.convert_to_tensor(a) for a in arrays)))

    return run


def weights_kept(model):
    """Nothing to do: variables keep their values here whatever raises."""
    return contextlib.nullcontext()


def pin_seeds(layers):
    """Makes dropout draw from its own saved seed.

    Keras' torch backend sends a ``Dropout`` without a seed to torch's global generator, which no file restores.
    """
    for layer in layers:
        generator = getattr(layer, "seed_generator", None)
        if generator is not None and generator._initial_seed is None:
            generator._initial_seed = int(keras.ops.convert_to_numpy(generator.state)[0])


class TrainingStep:
    def train_step(self, data):
        with torch.no_grad():
            self.run_step(data, training=True)
        return self.get_metrics_result()

    def test_step(self, data):
        with torch.no_grad():
            self.run_step(data, training=False)
        return self.get_metrics_result()
