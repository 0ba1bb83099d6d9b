"""The built-in models: one paper, one file. This page only names them; nothing is imported before it is asked for."""

from typing import Any

from genzoo.registry import builtin_class, register

register(
    "vae",
    "genzoo.models.vae:VAE",
    tags={"vae", "encoder", "likelihood"},
    summary="Variational autoencoder, fully connected (Kingma and Welling, 2014)",
)
register(
    "conv-vae",
    "genzoo.models.conv_vae:ConvVAE",
    tags={"vae", "encoder", "likelihood"},
    summary="Variational autoencoder, convolutional",
)
register(
    "beta-vae",
    "genzoo.models.beta_vae:BetaVAE",
    tags={"vae", "encoder", "likelihood"},
    summary="beta-VAE, with beta or a controlled capacity (Higgins et al. 2017, Burgess et al. 2018)",
)
register(
    "iwae",
    "genzoo.models.iwae:IWAE",
    tags={"vae", "encoder", "likelihood"},
    summary="Importance weighted autoencoder (Burda et al. 2016)",
)
register(
    "cvae",
    "genzoo.models.cvae:CVAE",
    tags={"vae", "encoder", "likelihood", "conditional"},
    summary="Conditional variational autoencoder (Sohn et al. 2015)",
)
register(
    "gan",
    "genzoo.models.gan:GAN",
    tags={"gan"},
    summary="Generative adversarial network, fully connected (Goodfellow et al. 2014)",
)
register(
    "lsgan",
    "genzoo.models.lsgan:LSGAN",
    tags={"gan"},
    summary="Least squares GAN, fully connected (Mao et al. 2017)",
)
register(
    "wgan-gp",
    "genzoo.models.wgan_gp:WGANGP",
    tags={"gan"},
    summary="Wasserstein GAN with gradient penalty, fully connected (Gulrajani et al. 2017)",
)
register(
    "dcgan",
    "genzoo.models.dcgan:DCGAN",
    tags={"gan"},
    summary="Deep convolutional GAN (Radford, Metz and Chintala, 2016)",
)
register(
    "cgan",
    "genzoo.models.cgan:CGAN",
    tags={"gan", "conditional"},
    summary="Conditional GAN, fully connected (Mirza and Osindero, 2014)",
)
register(
    "cdcgan",
    "genzoo.models.cdcgan:CDCGAN",
    tags={"gan", "conditional"},
    summary="Conditional deep convolutional GAN (Miyato and Koyama, 2018)",
)
register(
    "aae",
    "genzoo.models.aae:AAE",
    tags={"aae", "encoder"},
    summary="Adversarial autoencoder (Makhzani et al. 2016)",
)


def __getattr__(name: str) -> Any:
    """``genzoo.models.VAE``, imported when it is asked for."""
    return builtin_class(__name__, name)
