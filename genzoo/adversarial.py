"""``AdversarialModel``: Algorithm 1 of Goodfellow et al. (2014), and what the field has since put in its two losses."""

from typing import Any

import keras
from keras import ops

from genzoo import layers, losses, networks
from genzoo.annotations import ImageShape, Tensor
from genzoo.model import GenerativeModel
from genzoo.validation import choice, flag, fraction, needs, positive, positive_int


class AdversarialModel(GenerativeModel):
    """A generator and a discriminator that train in turns.

    A subclass writes ``build_generator`` and ``build_discriminator``, and ``generate`` and ``discriminate`` if its
    networks take more than one input.

    Args:
        latent_dim: size of the noise z.
        objective: ``"non-saturating"``, ``"minimax"``, ``"least-squares"``, ``"hinge"`` or ``"wasserstein"`` (with
            a penalty or ``spectral_norm``).
        discriminator_steps: the discriminator's updates per generator update, k of Algorithm 1. They share the batch of
            real images, where Algorithm 1 draws another, and each has its own noise.
        penalty: on the discriminator's slope: ``"gradient-penalty"``, ``"r1"``, ``"dragan"`` or None.
        penalty_weight: factor of the penalty. Slopes are with respect to pixels in [0, 1]; those of a paper that has
            them in [-1, 1] are half as large.
        label_smoothing: the discriminator's target for real images is one minus this (one-sided; not for hinge and
            wasserstein, which have no target).
        spectral_norm: whether every kernel of the discriminator, as a matrix, is divided by its largest singular value,
            whose estimate moves once per step.
        updates: ``"alternating"``, Algorithm 1; ``"shared-fakes"``, where the generator's update reuses the
            discriminator's images, a forward pass of the generator less; or ``"simultaneous"``, where both move at once
            on one evaluation of each network, as in the TensorFlow tutorial. The last two have one discriminator step,
            and the last has no penalty.
        ema_decay: decay per step of an average of the generator's weights (Yazıcı et al. 2019) that ``sample`` then
            uses, such as 0.999, or None. In step t it is at most (1 + t) / (10 + t), so that the start is forgotten.
        **kwargs: ``seed``, ``name``, ``dtype``.
    """

    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    tags = frozenset({"gan"})

    def __init__(
        self,
        latent_dim: int = 100,
        objective: str = "non-saturating",
        discriminator_steps: int = 1,
        penalty: str | None = None,
        penalty_weight: float = 10.0,
        label_smoothing: float = 0.0,
        spectral_norm: bool = False,
        updates: str = "alternating",
        ema_decay: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.objective = choice("objective", objective, losses.OBJECTIVES)
        self.discriminator_steps = positive_int("discriminator_steps", discriminator_steps)
        self.penalty = choice("penalty", penalty, (None, "gradient-penalty", "r1", "dragan"))
        self.penalty_weight = positive("penalty_weight", penalty_weight)
        self.label_smoothing = fraction("label_smoothing", label_smoothing)
        self.spectral_norm = flag("spectral_norm", spectral_norm)
        self.updates = choice("updates", updates, ("alternating", "shared-fakes", "simultaneous"))
        self.ema_decay = None if ema_decay is None else fraction("ema_decay", ema_decay)
        needs("penalty_weight", penalty_weight, default=10.0, what="a penalty", given=penalty is not None)
        needs("updates", updates, default="alternating", what="discriminator_steps=1", given=discriminator_steps == 1)
        needs(
            "penalty",
            penalty,
            default=None,
            what="alternating updates or shared fakes",
            given=updates != "simultaneous",
        )
        if self.label_smoothing and not losses.OBJECTIVES[objective].smooths:
            raise ValueError(
                f"The {objective!r} objective has no target for real images to smooth. "
                f"Received: label_smoothing={label_smoothing}"
            )
        if objective == "wasserstein" and penalty is None and not spectral_norm:
            raise ValueError(
                "The 'wasserstein' objective needs a critic of bounded slope. Received: penalty=None and "
                "spectral_norm=False. Set penalty='gradient-penalty', as 'wgan-gp' has it, or spectral_norm=True."
            )

    def build_generator(self, image_shape: ImageShape) -> keras.Model:
        """The network from latents to images in [0, 1]."""
        raise NotImplementedError(f"{type(self).__name__} must define build_generator(image_shape).")

    def build_discriminator(self, image_shape: ImageShape) -> keras.Model:
        """The network from images in [0, 1] to logits ``(batch, 1)``; without batch normalisation if penalised."""
        raise NotImplementedError(f"{type(self).__name__} must define build_discriminator(image_shape).")

    def generate(self, z: Tensor, y: Tensor | None = None, generator: keras.Model | None = None) -> Tensor:
        """Images for latents (and labels), from the generator or from its average."""
        return (generator or self.generator)(z)

    def discriminate(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits for images (and labels)."""
        return self.discriminator(x)

    def judge(self, real: Tensor, fake: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits for real images and logits for generated ones."""
        return self.discriminate(real, y), self.discriminate(fake, y)

    def judge_as_one(self, real: Tensor, fake: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The same in one batch, for networks of matrix products, which read their weights once for both."""
        both, y = ops.concatenate([real, fake]), None if y is None else ops.concatenate([y, y])
        return tuple(ops.split(self.discriminate(both, y), 2))

    def build_networks(self, image_shape: ImageShape) -> None:
        self.generator = self.build_generator(image_shape)
        self.discriminator = self.build_discriminator(image_shape)
        if self.ema_decay is not None:
            self.generator_ema = networks.frozen_copy(self.generator, "generator_ema")

    def step(self, x: Tensor, y: Tensor | None = None) -> None:
        if self.spectral_norm and self.is_training:
            layers.power_iteration(self.discriminator)
        turns = {"alternating": self._take_turns, "shared-fakes": self._share_fakes, "simultaneous": self._share_all}
        turns[self.updates](x, y)
        if self.ema_decay is not None and self.is_training:
            self.move_average(self.generator_ema, self.generator, self.ema_decay)

    def updates_per_step(self, player: str) -> int:
        return self.discriminator_steps if player == "discriminator" else 1

    def _take_turns(self, x, y):
        """Algorithm 1: every update has new noise."""
        for _ in range(self.discriminator_steps):
            fake = self.generate(self.noise(ops.shape(x)[0]), y)
            self.minimize(lambda fake=fake: self.discriminator_loss(x, fake, y), "discriminator")
        z = self.noise(ops.shape(x)[0])
        self.minimize(lambda: self.generator_loss(self.generate(z, y), y), "generator")

    def _share_fakes(self, x, y):
        """The generator moves on the images that the discriminator has just learnt from."""
        z = self.noise(ops.shape(x)[0])
        generated = self.record(lambda: (self.generate(z, y),), "generator")
        (fake,) = generated.outputs
        self.minimize(lambda: self.discriminator_loss(x, fake, y), "discriminator")
        self.minimize(lambda fake: self.generator_loss(fake, y), "generator", through=(generated,))

    def _share_all(self, x, y):
        """Both players move from where both stand, on one evaluation of each network."""
        z = self.noise(ops.shape(x)[0])
        generated = self.record(lambda: (self.generate(z, y),), "generator")
        judged = self.record(lambda fake: self.judge(x, fake, y), "discriminator", generated.outputs)
        objective = losses.OBJECTIVES[self.objective]
        # The generator first: the way back leads through the discriminator's weights as they are.
        self.minimize(lambda _, fake: objective.generator(fake), "generator", through=(judged, generated))
        self.minimize(self._discriminator_objective, "discriminator", through=(judged,))

    def discriminator_loss(self, real: Tensor, fake: Tensor, y: Tensor | None = None) -> Tensor:
        """The objective's loss on real and generated images, and the penalty."""
        loss = self._discriminator_objective(*self.judge(real, fake, y))
        return loss if self.penalty is None else loss + self.penalty_weight * self._slope_penalty(real, fake, y)

    def _discriminator_objective(self, real_logits, fake_logits):
        objective = losses.OBJECTIVES[self.objective]
        smoothed = {"real_target": 1.0 - self.label_smoothing} if objective.smooths else {}
        return objective.discriminator(real_logits, fake_logits, **smoothed)

    def generator_loss(self, fake: Tensor, y: Tensor | None = None) -> Tensor:
        """The objective's loss on generated images."""
        return losses.OBJECTIVES[self.objective].generator(self.discriminate(fake, y))

    def decode_step(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generate(z, y, self.generator if self.ema_decay is None else self.generator_ema)

    def _slope_penalty(self, real, fake, y):
        def critic(images):
            return self.discriminate(images, y)

        if self.penalty == "r1":
            return losses.r1_penalty(critic, real)
        mix = self.uniform((ops.shape(real)[0], 1, 1, 1))
        if self.penalty == "dragan":
            noise = self.uniform(ops.shape(real))
            return losses.dragan_penalty(critic, real, noise, mix)
        return losses.gradient_penalty(critic, real, fake, mix)
