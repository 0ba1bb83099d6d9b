"""The loops that genzoo is measured against, written by hand for TensorFlow.

One ``tf.function`` per step, fed by ``tf.data``; Adam and batch normalisation are TensorFlow's fused kernels.
"""

import math

import tensorflow as tf

LEAK, RATE, EPSILON, MOMENTUM = 0.3, 0.3, 1e-3, 0.99


class Adam:
    """Adam in TensorFlow's own kernel, one call per variable."""

    def __init__(self, variables, learning_rate):
        self.variables = variables
        self.learning_rate = learning_rate
        self.slots = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables]
        self.step = tf.Variable(0.0)

    def apply(self, gradients):
        step = self.step.assign_add(1.0)
        for variable, (m, v), gradient in zip(self.variables, self.slots, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=m.handle, v=v.handle, grad=gradient, lr=self.learning_rate,
                beta1=0.9, beta2=0.999, epsilon=1e-7, beta1_power=0.9**step, beta2_power=0.999**step,
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
        self.totals.assign_add(tf.stack(self.step(tf.cast(images, tf.float32) / 255.0)))

    def epoch(self):
        self.totals.assign(tf.zeros_like(self.totals))
        for images in self.batches:
            self.compiled_step(images)
        return dict(zip(self.losses, (self.totals.numpy() / self.steps).tolist(), strict=True))

    def weight_counts(self):
        """Weights and batch statistics, as Keras counts them."""
        return {name: sum(math.prod(v.shape) for v in variables) for name, variables in self.networks.items()}


class VAE(Loop):
    losses = ("loss", "reconstruction_loss", "kl_loss")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        self.hidden, self.mean, self.log_variance = dense(784, 400), dense(400, 20), dense(400, 20)
        self.first, self.last = dense(20, 400), dense(400, 784)
        self.networks["encoder"] = [*self.hidden, *self.mean, *self.log_variance]
        self.networks["decoder"] = [*self.first, *self.last]
        self.optimizer = Adam([*self.networks["encoder"], *self.networks["decoder"]], 1e-3)

    def step(self, x):
        x = tf.reshape(x, (self.batch_size, 784))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.optimizer.variables)
            hidden = tf.nn.relu(affine(x, self.hidden))
            mean, log_variance = affine(hidden, self.mean), affine(hidden, self.log_variance)
            z = mean + tf.exp(0.5 * log_variance) * tf.random.normal(mean.shape)
            logits = affine(tf.nn.relu(affine(z, self.first)), self.last)
            cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
            reconstruction = tf.reduce_sum(cross_entropy) / self.batch_size
            divergence = tf.square(mean) + tf.exp(log_variance) - 1.0 - log_variance
            kl = 0.5 * tf.reduce_sum(divergence) / self.batch_size
            loss = reconstruction + kl
        self.optimizer.apply(tape.gradient(loss, self.optimizer.variables))
        return loss, reconstruction, kl


class DCGAN(Loop):
    losses = ("discriminator_loss", "generator_loss")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        self.g_kernels = [kernel(100, 7 * 7 * 256), kernel(5, 5, 128, 256), kernel(5, 5, 64, 128), kernel(5, 5, 1, 64)]
        self.g_norms = [batch_norm(7 * 7 * 256), batch_norm(128), batch_norm(64)]
        self.d_layers = [conv(1, 64), conv(64, 128), dense(7 * 7 * 128, 1)]
        trained = [*self.g_kernels, *(v for norm in self.g_norms for v in norm[:2])]
        self.networks["generator"] = [*trained, *(v for norm in self.g_norms for v in norm[2:])]
        self.networks["discriminator"] = [v for layer in self.d_layers for v in layer]
        self.optimizers = Adam(self.networks["discriminator"], 1e-4), Adam(trained, 1e-4)

    def generator(self):
        x = tf.matmul(tf.random.normal((self.batch_size, 100)), self.g_kernels[0])
        x = normalised(tf.reshape(x, (self.batch_size, 1, 1, -1)), self.g_norms[0])
        x = tf.reshape(x, (self.batch_size, 7, 7, 256))
        x = normalised(transposed(x, self.g_kernels[1], 1), self.g_norms[1])
        x = normalised(transposed(x, self.g_kernels[2], 2), self.g_norms[2])
        return tf.tanh(transposed(x, self.g_kernels[3], 2))

    def discriminator(self, x):
        for kernel, bias in self.d_layers[:2]:
            x = tf.nn.bias_add(tf.nn.conv2d(x, kernel, strides=2, padding="SAME"), bias)
            x = tf.nn.dropout(tf.nn.leaky_relu(x, LEAK), RATE)
        return affine(tf.reshape(x, (self.batch_size, -1)), self.d_layers[2])

    def minimize(self, loss_fn, optimizer):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(optimizer.variables)
            loss = loss_fn()
        optimizer.apply(tape.gradient(loss, optimizer.variables))
        return loss

    def step(self, x):
        real, fake = 2.0 * x - 1.0, self.generator()

        def discriminator_loss():
            real_loss = tf.reduce_mean(tf.nn.softplus(-self.discriminator(real)))
            return real_loss + tf.reduce_mean(tf.nn.softplus(self.discriminator(fake)))

        def generator_loss():
            return tf.reduce_mean(tf.nn.softplus(-self.discriminator(self.generator())))

        losses = discriminator_loss, generator_loss
        return [self.minimize(loss, optimizer) for loss, optimizer in zip(losses, self.optimizers, strict=True)]


def kernel(*shape):
    """Keras' initial kernel, Glorot uniform."""
    fans = math.prod(shape[:-2]) * (shape[-2] + shape[-1])
    limit = math.sqrt(6.0 / fans)
    return tf.Variable(tf.random.uniform(shape, -limit, limit))


def dense(size_in, size_out):
    return kernel(size_in, size_out), tf.Variable(tf.zeros(size_out))


def conv(channels, filters):
    return kernel(5, 5, channels, filters), tf.Variable(tf.zeros(filters))


def batch_norm(size):
    """Scale, offset, moving mean and moving variance."""
    return [tf.Variable(make(size)) for make in (tf.ones, tf.zeros, tf.zeros, tf.ones)]


def affine(x, layer):
    return tf.nn.bias_add(tf.matmul(x, layer[0]), layer[1])


def transposed(x, kernel, stride):
    batch, height, width, _ = x.shape
    return tf.nn.conv2d_transpose(x, kernel, (batch, stride * height, stride * width, kernel.shape[2]), stride)


def normalised(x, norm):
    scale, offset, moving_mean, moving_variance = norm
    x, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, epsilon=EPSILON)
    moving_mean.assign_sub((1 - MOMENTUM) * (moving_mean - mean))
    moving_variance.assign_sub((1 - MOMENTUM) * (moving_variance - variance))
    return tf.nn.leaky_relu(x, LEAK)


MODELS = {"vae": VAE, "dcgan": DCGAN}
