"""The built-in models: one paper, one file. This page only names them; nothing is imported before it is asked for."""

from genzoo.registry import builtin_class, register

register(
    "vae",
    "genzoo.models.vae:VAE",
    tags={"vae", "encoder"},
    summary="Variational autoencoder, fully connected (Kingma and Welling, 2014)",
)
register(
    "dcgan",
    "genzoo.models.dcgan:DCGAN",
    tags={"gan"},
    summary="Deep convolutional GAN (Radford, Metz and Chintala, 2016)",
)


def __getattr__(name):
    """``genzoo.models.VAE``, imported when it is asked for."""
    return builtin_class(__name__, name)
