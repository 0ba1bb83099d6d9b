"""The loops and verbs that genzoo is measured against, written by hand for TensorFlow.

One ``tf.function`` per step, fed by ``tf.data``; optimizers and batch normalisation are TensorFlow's fused kernels.
"""

import itertools
import math

import numpy as np
import tensorflow as tf

LEAK, RATE, EPSILON, MOMENTUM = 0.3, 0.3, 1e-3, 0.99  # of the DCGAN
CRITIC_STEPS, PENALTY, CRITIC_LEAK = 5, 10.0, 0.2  # of the WGAN-GP


class Adam:
    """Adam in TensorFlow's own kernel, one call per variable."""

    def __init__(self, variables, learning_rate, beta_1=0.9, beta_2=0.999):
        self.variables = variables
        self.learning_rate, self.beta_1, self.beta_2 = learning_rate, beta_1, beta_2
        self.slots = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables]
        self.step = tf.Variable(0.0)

    def apply(self, gradients):
        step = self.step.assign_add(1.0)
        power_1, power_2 = self.beta_1**step, self.beta_2**step
        for variable, (m, v), gradient in zip(self.variables, self.slots, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=m.handle, v=v.handle, grad=gradient, lr=self.learning_rate,
                beta1=self.beta_1, beta2=self.beta_2, epsilon=1e-7, beta1_power=power_1, beta2_power=power_2,
            )  # fmt: skip


class Momentum:
    """Keras' SGD with momentum in TensorFlow's own kernel."""

    def __init__(self, variables, learning_rate, momentum):
        self.variables = variables
        self.learning_rate, self.momentum = learning_rate, momentum
        self.velocities = [tf.Variable(tf.zeros_like(v)) for v in variables]

    def apply(self, gradients):
        for variable, velocity, gradient in zip(self.variables, self.velocities, gradients, strict=True):
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=variable.handle, accum=velocity.handle, grad=gradient, lr=self.learning_rate,
                momentum=self.momentum,
            )  # fmt: skip


class Loop:
    """Shuffled epochs over uint8 images, and running means of the losses on the device."""

    losses: tuple[str, ...]

    def __init__(self, images, batch_size):
        steps = len(images) // batch_size
        images = tf.constant(images)
        chosen = tf.data.Dataset.range(len(images)).shuffle(len(images)).batch(batch_size, drop_remainder=True)
        self.batches = chosen.map(lambda i: tf.gather(images, i)).prefetch(tf.data.AUTOTUNE)
        self.steps, self.batch_size = steps, batch_size
        self.totals = tf.Variable(tf.zeros(len(self.losses)))
        self.networks = {}

    @tf.function
    def compiled_step(self, images):
        self.totals.assign_add(tf.stack(self.step(unit_interval(images))))

    def epoch(self):
        self.totals.assign(tf.zeros_like(self.totals))
        for images in self.batches:
            self.compiled_step(images)
        return dict(zip(self.losses, (self.totals.numpy() / self.steps).tolist(), strict=True))

    def minimize(self, loss_fn, optimizer):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(optimizer.variables)
            loss = loss_fn()
        optimizer.apply(tape.gradient(loss, optimizer.variables))
        return loss

    def weight_counts(self):
        """Weights and batch statistics, as Keras counts them."""
        return {name: sum(math.prod(v.shape) for v in variables) for name, variables in self.networks.items()}


class VAE(Loop):
    losses = ("loss", "reconstruction_loss", "kl_loss")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        self.hidden, self.mean, self.log_variance = linear(784, 400), linear(400, 20), linear(400, 20)
        self.decoder = [linear(20, 400), linear(400, 784)]
        self.networks["encoder"] = [*self.hidden, *self.mean, *self.log_variance]
        self.networks["decoder"] = variables(self.decoder)
        self.optimizer = Adam([*self.networks["encoder"], *self.networks["decoder"]], 1e-3)

    def step(self, x):
        x = tf.reshape(x, (self.batch_size, 784))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.optimizer.variables)
            mean, log_variance = self.posterior(x)
            z = mean + tf.exp(0.5 * log_variance) * tf.random.normal(mean.shape)
            logits = perceptron(self.decoder, z)
            cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
            reconstruction = tf.reduce_sum(cross_entropy) / self.batch_size
            divergence = tf.square(mean) + tf.exp(log_variance) - 1.0 - log_variance
            kl = 0.5 * tf.reduce_sum(divergence) / self.batch_size
            loss = reconstruction + kl
        self.optimizer.apply(tape.gradient(loss, self.optimizer.variables))
        return loss, reconstruction, kl

    def posterior(self, x):
        hidden = tf.nn.relu(affine(x, self.hidden))
        return affine(hidden, self.mean), affine(hidden, self.log_variance)

    def sample(self, n, batch_size=256):
        return in_batches(self.decoded, normal(n, 20), batch_size=batch_size)

    def encode(self, images, batch_size=256):
        return in_batches(self.encoded, images, batch_size=batch_size)

    def log_likelihood(self, images, samples, batch_size=2048):
        return in_batches(self.estimated, images, normal(len(images), samples, 20), batch_size=batch_size // samples)

    @tf.function(reduce_retracing=True)
    def decoded(self, z):
        return tf.reshape(tf.sigmoid(perceptron(self.decoder, z)), (-1, 28, 28, 1))

    @tf.function(reduce_retracing=True)
    def encoded(self, images):
        return self.posterior(tf.reshape(unit_interval(images), (-1, 784)))[0]

    @tf.function(reduce_retracing=True)
    def estimated(self, images, noise):
        x = tf.reshape(unit_interval(images), (-1, 784))
        mean, log_variance = (t[:, None] for t in self.posterior(x))
        z = mean + tf.exp(0.5 * log_variance) * noise
        logits = tf.reshape(perceptron(self.decoder, tf.reshape(z, (-1, 20))), (-1, noise.shape[1], 784))
        log_ratio = 0.5 * tf.reduce_sum(tf.square(noise) + log_variance - tf.square(z), 2)
        log_ratio += tf.linalg.matvec(logits, x) - tf.reduce_sum(tf.nn.softplus(logits), 2)
        return tf.reduce_logsumexp(log_ratio, 1) - math.log(noise.shape[1])


class DCGAN(Loop):
    losses = ("discriminator_loss", "generator_loss")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        self.g_kernels = [glorot(100, 7 * 7 * 256), glorot(5, 5, 128, 256), glorot(5, 5, 64, 128), glorot(5, 5, 1, 64)]
        self.g_norms = [batch_norm(7 * 7 * 256), batch_norm(128), batch_norm(64)]
        self.d_layers = [conv(1, 64), conv(64, 128), dense(7 * 7 * 128, 1)]
        trained = [*self.g_kernels, *variables(norm[:2] for norm in self.g_norms)]
        self.networks["generator"] = [*trained, *variables(norm[2:] for norm in self.g_norms)]
        self.networks["discriminator"] = variables(self.d_layers)
        self.optimizers = Adam(self.networks["discriminator"], 1e-4), Adam(trained, 1e-4)

    def generator(self, z, normalised):
        x = normalised(tf.reshape(tf.matmul(z, self.g_kernels[0]), (z.shape[0], 1, 1, -1)), self.g_norms[0])
        x = tf.reshape(x, (z.shape[0], 7, 7, 256))
        x = normalised(transposed(x, self.g_kernels[1], 1), self.g_norms[1])
        x = normalised(transposed(x, self.g_kernels[2], 2), self.g_norms[2])
        return tf.tanh(transposed(x, self.g_kernels[3], 2))

    def discriminator(self, x):
        for kernel, bias in self.d_layers[:2]:
            x = tf.nn.bias_add(tf.nn.conv2d(x, kernel, strides=2, padding="SAME"), bias)
            x = tf.nn.dropout(tf.nn.leaky_relu(x, LEAK), RATE)
        return affine(tf.reshape(x, (self.batch_size, -1)), self.d_layers[2])

    def step(self, x):
        noise = tf.random.normal((2, self.batch_size, 100))
        real, fake = 2.0 * x - 1.0, self.generator(noise[0], batch_normalised)

        def discriminator_loss():
            real_loss = tf.reduce_mean(tf.nn.softplus(-self.discriminator(real)))
            return real_loss + tf.reduce_mean(tf.nn.softplus(self.discriminator(fake)))

        def generator_loss():
            return tf.reduce_mean(tf.nn.softplus(-self.discriminator(self.generator(noise[1], batch_normalised))))

        losses = discriminator_loss, generator_loss
        return [self.minimize(loss, optimizer) for loss, optimizer in zip(losses, self.optimizers, strict=True)]

    def sample(self, n, batch_size=256):
        return in_batches(self.decoded, normal(n, 100), batch_size=batch_size)

    @tf.function
    def decoded(self, z):
        return 0.5 + 0.5 * self.generator(z, moving_normalised)


class WGANGP(Loop):
    losses = ("discriminator_loss", "generator_loss")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        self.generator_layers = layers(he, 100, 512, 512, 512, 784)
        self.critic_layers = layers(glorot, 784, 512, 512, 512, 1)
        self.networks["generator"] = variables(self.generator_layers)
        self.networks["discriminator"] = variables(self.critic_layers)
        self.optimizers = {name: Adam(weights, 1e-4, 0.0, 0.9) for name, weights in self.networks.items()}

    def generate(self):
        return tf.sigmoid(perceptron(self.generator_layers, tf.random.normal((self.batch_size, 100))))

    def critic(self, x, activation=lambda x: tf.nn.leaky_relu(x, CRITIC_LEAK)):
        return perceptron(self.critic_layers, x, activation)

    def critic_loss(self, real, fake):
        fake_logits, real_logits = tf.split(self.critic(tf.concat([fake, real], 0)), 2)
        return tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits) + PENALTY * self.penalty(real, fake)

    def penalty(self, real, fake):
        mixed = fake + tf.random.uniform((self.batch_size, 1)) * (real - fake)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(mixed)
            logits = self.critic(mixed, masked_leaky_relu)
        slopes = tape.gradient(logits, mixed)
        return tf.reduce_mean(tf.square(tf.sqrt(tf.reduce_sum(tf.square(slopes), 1) + 1e-12) - 1.0))

    def step(self, x):
        real, critic_losses = tf.reshape(x, (self.batch_size, 784)), []
        for _ in range(CRITIC_STEPS):
            fake = self.generate()
            loss = self.minimize(lambda fake=fake: self.critic_loss(real, fake), self.optimizers["discriminator"])
            critic_losses.append(loss)
        loss = self.minimize(lambda: -tf.reduce_mean(self.critic(self.generate())), self.optimizers["generator"])
        return tf.add_n(critic_losses) / CRITIC_STEPS, loss


class AAE(Loop):
    losses = ("autoencoder_loss", "discriminator_loss", "generator_loss")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        self.encoder_layers = layers(small_normal, 784, 1000, 1000, 8)
        self.decoder_layers = layers(small_normal, 8, 1000, 1000, 784)
        self.discriminator_layers = layers(small_normal, 8, 1000, 1000, 1)
        encoder, decoder = variables(self.encoder_layers), variables(self.decoder_layers)
        discriminator = variables(self.discriminator_layers)
        self.networks |= {"encoder": encoder, "decoder": decoder, "discriminator": discriminator}
        self.optimizers = [
            Momentum([*encoder, *decoder], 0.01, 0.9),
            Momentum(discriminator, 0.1, 0.1),
            Momentum(encoder, 0.1, 0.1),
        ]

    def encode(self, x):
        return perceptron(self.encoder_layers, x)

    def discriminator(self, z):
        return perceptron(self.discriminator_layers, z)

    def step(self, x):
        x = tf.reshape(x, (self.batch_size, 784))

        def autoencoder_loss():
            decoded = tf.sigmoid(perceptron(self.decoder_layers, self.encode(x)))
            return tf.reduce_sum(tf.math.squared_difference(x, decoded)) / (2.0 * self.batch_size)

        def discriminator_loss():
            prior_logits, code_logits = tf.split(self.discriminator(both), 2)
            return tf.reduce_mean(tf.nn.softplus(-prior_logits)) + tf.reduce_mean(tf.nn.softplus(code_logits))

        def generator_loss():
            return tf.reduce_mean(tf.nn.softplus(-self.discriminator(self.encode(x))))

        first = self.minimize(autoencoder_loss, self.optimizers[0])
        both = tf.concat([5.0 * tf.random.normal((self.batch_size, 8)), self.encode(x)], 0)
        return first, *map(self.minimize, (discriminator_loss, generator_loss), self.optimizers[1:])


# Initial weights.


def uniform(limit, *shape):
    return tf.Variable(tf.random.uniform(shape, -limit, limit))


def glorot(*shape):
    """Uniform, as Keras has it by default."""
    return uniform(math.sqrt(6.0 / (math.prod(shape[:-2]) * (shape[-2] + shape[-1]))), *shape)


def he(size_in, size_out):
    return uniform(math.sqrt(6.0 / size_in), size_in, size_out)


def small_normal(*shape):
    return tf.Variable(tf.random.normal(shape, stddev=0.01))


def linear(size_in, size_out):
    """Kernel and bias as PyTorch has them by default."""
    return uniform(size_in**-0.5, size_in, size_out), uniform(size_in**-0.5, size_out)


def dense(size_in, size_out, initial=glorot):
    return initial(size_in, size_out), tf.Variable(tf.zeros(size_out))


def layers(initial, *sizes):
    return [dense(*pair, initial) for pair in itertools.pairwise(sizes)]


def conv(channels, filters):
    return glorot(5, 5, channels, filters), tf.Variable(tf.zeros(filters))


def batch_norm(size):
    """Scale, offset, moving mean and moving variance."""
    return [tf.Variable(make(size)) for make in (tf.ones, tf.zeros, tf.zeros, tf.ones)]


def variables(layers):
    return [variable for layer in layers for variable in layer]


# Networks.


def affine(x, layer):
    return tf.nn.bias_add(tf.matmul(x, layer[0]), layer[1])


def perceptron(layers, x, activation=tf.nn.relu):
    for layer in layers[:-1]:
        x = activation(affine(x, layer))
    return affine(x, layers[-1])


def masked_leaky_relu(x):
    """Leaky ReLU by a factor that is a constant to the tape; the fused one's second derivative pushes zeros through."""
    return x * tf.where(x > 0.0, 1.0, CRITIC_LEAK)


def transposed(x, kernel, stride):
    batch, height, width, _ = x.shape
    return tf.nn.conv2d_transpose(x, kernel, (batch, stride * height, stride * width, kernel.shape[2]), stride)


def batch_normalised(x, norm):
    scale, offset, moving_mean, moving_variance = norm
    x, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, epsilon=EPSILON)
    moving_mean.assign_sub((1 - MOMENTUM) * (moving_mean - mean))
    moving_variance.assign_sub((1 - MOMENTUM) * (moving_variance - variance))
    return tf.nn.leaky_relu(x, LEAK)


def moving_normalised(x, norm):
    scale, offset, mean, variance = norm
    x, *_ = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, mean, variance, epsilon=EPSILON, is_training=False)
    return tf.nn.leaky_relu(x, LEAK)


def unit_interval(images):
    return tf.cast(images, tf.float32) / 255.0


def normal(*shape):
    return np.random.default_rng().standard_normal(shape, "float32")


def in_batches(function, *arrays, batch_size):
    starts = range(0, len(arrays[0]), batch_size)
    results = [function(*(tf.constant(array[i : i + batch_size]) for array in arrays)) for i in starts]
    return np.concatenate([result.numpy() for result in results])


MODELS = {"vae": VAE, "dcgan": DCGAN, "wgan-gp": WGANGP, "aae": AAE}
