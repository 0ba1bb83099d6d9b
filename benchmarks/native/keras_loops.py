"""Keras' own training: plain layers, and a ``train_step`` for PyTorch and JAX as Keras' guides write it.

https://keras.io/guides/custom_train_step_in_torch and .../custom_train_step_in_jax, with an optimizer per player.
"""

import keras
from keras import layers, ops

IMAGE_SHAPE = (28, 28, 1)


class Loop(keras.Model):
    """Players that move in turns. A subclass has ``networks``, ``losses``, ``players`` and ``objective``."""

    losses: tuple[str, ...]
    players: dict[str, tuple[str, ...]]  # to the names of the networks that move

    def __init__(self, images, batch_size):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(0)
        self.build_networks()
        self.means = {name: keras.metrics.Mean(name) for name in self.losses}
        self.moves = {player: self.optimizer_of(player) for player in self.players}
        for player, optimizer in self.moves.items():
            optimizer.build(self.weights_of(player))
        self.slots = [v for optimizer in self.moves.values() for v in optimizer.variables]  # part of JAX' state
        self.built = True
        self.compile(optimizer=keras.optimizers.SGD())  # which moves nothing: a model must have one
        self.epoch = lambda: self.fit(images, batch_size=batch_size, verbose=0).history
        self.train_step = {"torch": self.torch_step, "jax": self.jax_step}[keras.config.backend()]

    @property
    def metrics(self):
        return list(self.means.values())

    def weights_of(self, player):
        return [w for name in self.players[player] for w in getattr(self, name).trainable_variables]

    def objective(self, player, x):
        """What the player minimises, and its losses by name."""
        raise NotImplementedError

    def weight_counts(self):
        names = {name for networks in self.players.values() for name in networks}
        return {name: getattr(self, name).count_params() for name in names}

    def played(self, player, x):
        loss, values = self.objective(player, x)
        for name, value in values.items():
            self.means[name].update_state(value)
        return loss

    def torch_step(self, data):
        import torch

        x = images_of(data)
        for player, optimizer in self.moves.items():
            self.zero_grad()
            self.played(player, x).backward()
            weights = self.weights_of(player)
            with torch.no_grad():
                optimizer.apply([w.value.grad for w in weights], weights)
        return {name: mean.result() for name, mean in self.means.items()}

    def jax_step(self, state, data):
        import jax

        x, parts = images_of(data), [self.trainable_variables, self.non_trainable_variables, self.metrics_variables]
        kept, state = state[2], [*state[0], *state[1], *state[3]]
        variables = [v for part in parts for v in part]
        now = dict(zip(map(id, variables), state, strict=True))
        for player, optimizer in self.moves.items():
            weights = self.weights_of(player)

            def loss(values, player=player, weights=weights):
                held = now | dict(zip(map(id, weights), values, strict=True))
                with keras.StatelessScope([(v, held[id(v)]) for v in variables]) as scope:
                    value = self.played(player, x)
                return value, {id(v): scope.get_current_value(v) for v in parts[1] + parts[2]}

            values = [now[id(w)] for w in weights]
            (_, changed), gradients = jax.value_and_grad(loss, has_aux=True)(values)
            now.update(changed)
            slots = [now[id(v)] for v in optimizer.variables]
            values, slots = optimizer.stateless_apply(slots, gradients, values)
            now.update(zip(map(id, [*weights, *optimizer.variables]), [*values, *slots], strict=True))
        with keras.StatelessScope([(v, now[id(v)]) for v in parts[2]]):
            logs = {name: mean.result() for name, mean in self.means.items()}
        trainable, others, metrics = ([now[id(v)] for v in part] for part in parts)
        return logs, (trainable, others, kept, metrics)


class VAE(Loop):
    losses = ("loss", "reconstruction_loss", "kl_loss")
    players = {"autoencoder": ("encoder", "decoder")}

    def build_networks(self):
        images, z = keras.Input(IMAGE_SHAPE), keras.Input((20,))
        hidden = layers.Dense(400, "relu")(layers.Flatten()(images))
        heads = [layers.Dense(20, dtype="float32", name=name)(hidden) for name in ("mean", "log_variance")]
        self.encoder = keras.Model(images, heads)
        self.decoder = keras.Model(z, layers.Dense(784, dtype="float32")(layers.Dense(400, "relu")(z)))

    def optimizer_of(self, player):
        return keras.optimizers.Adam(1e-3)

    def objective(self, player, x):
        mean, log_variance = self.encoder(x, training=True)
        noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
        logits = self.decoder(mean + ops.exp(0.5 * log_variance) * noise, training=True)
        target = ops.reshape(x, (-1, 784))
        reconstruction = ops.mean(ops.sum(ops.binary_crossentropy(target, logits, from_logits=True), axis=1))
        kl = ops.square(mean) + ops.exp(log_variance) - 1 - log_variance
        kl = 0.5 * ops.mean(ops.sum(kl, axis=1))
        loss = reconstruction + kl
        return loss, {"loss": loss, "reconstruction_loss": reconstruction, "kl_loss": kl}


class DCGAN(Loop):
    losses = ("discriminator_loss", "generator_loss")
    players = {"discriminator": ("discriminator",), "generator": ("generator",)}

    def build_networks(self):
        self.generator = keras.Sequential([keras.Input((100,)), layers.Dense(7 * 7 * 256, use_bias=False)])
        for part in (*self.activated(), layers.Reshape((7, 7, 256))):
            self.generator.add(part)
        for filters, strides in ((128, 1), (64, 2)):
            self.generator.add(layers.Conv2DTranspose(filters, 5, strides, "same", use_bias=False))
            for part in self.activated():
                self.generator.add(part)
        self.generator.add(layers.Conv2DTranspose(1, 5, 2, "same", use_bias=False))
        self.generator.add(layers.Activation("tanh", dtype="float32"))
        self.discriminator = keras.Sequential([keras.Input(IMAGE_SHAPE)])
        for filters in (64, 128):
            self.discriminator.add(layers.Conv2D(filters, 5, 2, "same"))
            self.discriminator.add(layers.LeakyReLU(0.3))
            self.discriminator.add(layers.Dropout(0.3))
        self.discriminator.add(layers.Flatten())
        self.discriminator.add(layers.Dense(1, dtype="float32"))

    @staticmethod
    def activated():
        return layers.BatchNormalization(), layers.LeakyReLU(0.3)

    def optimizer_of(self, player):
        return keras.optimizers.Adam(1e-4)

    def objective(self, player, x):
        noise = keras.random.normal((ops.shape(x)[0], 100), seed=self.seeds)
        fake = self.generator(noise, training=True)
        if player == "generator":
            loss = ops.mean(ops.softplus(-self.discriminator(fake, training=True)))
        else:
            real_logits = self.discriminator(2.0 * x - 1.0, training=True)
            fake_logits = self.discriminator(ops.stop_gradient(fake), training=True)
            loss = ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))
        return loss, {f"{player}_loss": loss}


def images_of(data):
    x, *_ = keras.utils.unpack_x_y_sample_weight(data)
    return ops.cast(x, "float32") / 255.0


MODELS = {"vae": VAE, "dcgan": DCGAN}
