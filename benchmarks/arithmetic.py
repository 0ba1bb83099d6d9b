"""What the arithmetic alone of a training step takes on this machine: multiply-adds over the best matrix product.

    python benchmarks/arithmetic.py
    python benchmarks/arithmetic.py --quick                           # does it still run? (CI)

The rate is that of the fastest of several products of large square float32 matrices, on the CPU cores that this process
may use, by the fastest of NumPy and the three backends, each in a process of its own.

Counted are the multiply-adds of dense layers and convolutions: a layer has as many forward as for the gradient of its
weights, and as for that of its input. Taps of a convolution that fall on padding are not counted, and nothing else is:
no bias, activation, normalisation, random number or optimizer, no byte moved. So the result is a bound from below to
every implementation that does not save multiplications (Winograd, FFT).

- ``vae``: encoder and decoder once, with the gradients of all weights, and of all inputs but the images.
- ``dcgan``, players in turns. The discriminator's step: the generator forward; the discriminator forward on real and on
  generated images, with the gradients of its weights, and of all inputs but the images. The generator's step: both
  forward; the gradients of all inputs but the noise, and of the generator's weights.
"""

import math
import os

import common
import numpy as np

SIZE, QUICK_SIZE = 4096, 256
BATCHES = {"vae": 128, "dcgan": 256}


def main():
    args = common.parsed(common.parser(__doc__, rounds=5, backends=("numpy", *common.BACKENDS)))
    results = common.by_backend(measure, args)
    rates = {result["backend"]: result["size"] ** 3 / min(result["seconds"]) for result in results}
    fastest = max(rates, key=rates.get)
    rows = [[name, f"{2e-9 * rate:.0f}"] for name, rate in rates.items()]
    print(common.table(["float32 product by", "GFLOP/s, best"], rows))
    print(f"\n{len(os.sched_getaffinity(0))} cores, {results[0]['size']} squared; the bounds are at {fastest}'s rate\n")
    rows = [
        [name, str(BATCHES[name]), f"{count:.4g}", common.short(1e3 * count / rates[fastest])]
        for name, count in multiply_adds().items()
    ]
    print(common.table(["model", "batch", "multiply-adds per step", "ms at least"], rows))


def measure(library, args):
    os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    size = QUICK_SIZE if args.quick else SIZE
    matrices = np.random.default_rng(0).standard_normal((2, size, size), "float32")
    product = PRODUCTS[library](*matrices)
    product()
    return [{"backend": library, "size": size, "seconds": [common.timed(product)[1] for _ in range(args.rounds)]}]


def by_numpy(a, b):
    return lambda: a @ b


def by_torch(a, b):
    import torch

    a, b = torch.from_numpy(a), torch.from_numpy(b)
    return lambda: a @ b


def by_tensorflow(a, b):
    import tensorflow as tf

    a, b = tf.constant(a), tf.constant(b)
    return lambda: a @ b


def by_jax(a, b):
    import jax

    a, b, product = jax.device_put(a), jax.device_put(b), jax.jit(jax.numpy.matmul)
    return lambda: product(a, b).block_until_ready()


PRODUCTS = {"numpy": by_numpy, "torch": by_torch, "tensorflow": by_tensorflow, "jax": by_jax}


def multiply_adds():
    """Of one training step of each model."""
    encoder, decoder = [784 * 400, 2 * 400 * 20], [20 * 400, 400 * 784]
    first = encoder[0]
    vae = 3 * (sum(encoder) + sum(decoder)) - first
    generator = [100 * 7 * 7 * 256, conv(7, 1, 128, 256), conv(14, 2, 64, 128), conv(28, 2, 1, 64)]
    discriminator = [conv(28, 2, 1, 64), conv(14, 2, 64, 128), 7 * 7 * 128]
    g, d = sum(generator), sum(discriminator)
    discriminator_step = g + 2 * (3 * d - discriminator[0])
    generator_step = 3 * g - generator[0] + 2 * d
    per_image = {"vae": vae, "dcgan": discriminator_step + generator_step}
    return {model: BATCHES[model] * count for model, count in per_image.items()}


def conv(size, stride, channels, filters, kernel=5):
    """Of a convolution of a square image with "same" padding, and equally of its transpose, to such an image."""
    outputs = math.ceil(size / stride)
    before = ((outputs - 1) * stride + kernel - size) // 2
    taps = sum(0 <= stride * output + tap - before < size for output in range(outputs) for tap in range(kernel))
    return taps**2 * channels * filters


if __name__ == "__main__":
    main()
