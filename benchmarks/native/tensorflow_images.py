"""Convolutions by hand for TensorFlow: ``dcgan``."""

import tensorflow as tf

from native.tensorflow_loop import Adam, Loop, affine, dense, glorot, in_batches, normal, variables

LEAK, RATE, EPSILON, MOMENTUM = 0.3, 0.3, 1e-3, 0.99


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


def conv(channels, filters):
    return glorot(5, 5, channels, filters), tf.Variable(tf.zeros(filters))


def batch_norm(size):
    """Scale, offset, moving mean and moving variance."""
    return [tf.Variable(make(size)) for make in (tf.ones, tf.zeros, tf.zeros, tf.ones)]


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


MODELS = {"dcgan": DCGAN}
