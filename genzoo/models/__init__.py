"""The built-in models: one paper, one file. This page only names them; nothing is imported before it is asked for."""

from typing import Any

from genzoo.registry import builtin_class, register

_VAE = "vae encoder likelihood"
_MODELS = {  # class, tags and summary by the name, which is also the module's
    "vae": ("VAE", _VAE, "Variational autoencoder, fully connected (Kingma and Welling, 2014)"),
    "conv-vae": ("ConvVAE", _VAE, "Variational autoencoder, convolutional"),
    "beta-vae": (
        "BetaVAE",
        _VAE,
        "beta-VAE, with beta or a controlled capacity (Higgins et al. 2017, Burgess et al. 2018)",
    ),
    "iwae": ("IWAE", _VAE, "Importance weighted autoencoder (Burda et al. 2016)"),
    "cvae": ("CVAE", f"{_VAE} conditional", "Conditional variational autoencoder (Sohn et al. 2015)"),
    "gan": ("GAN", "gan", "Generative adversarial network, fully connected (Goodfellow et al. 2014)"),
    "lsgan": ("LSGAN", "gan", "Least squares GAN, fully connected (Mao et al. 2017)"),
    "wgan-gp": ("WGANGP", "gan", "Wasserstein GAN with gradient penalty, fully connected (Gulrajani et al. 2017)"),
    "dcgan": ("DCGAN", "gan", "Deep convolutional GAN (Radford, Metz and Chintala, 2016)"),
    "cgan": ("CGAN", "gan conditional", "Conditional GAN, fully connected (Mirza and Osindero, 2014)"),
    "cdcgan": ("CDCGAN", "gan conditional", "Conditional deep convolutional GAN (Miyato and Koyama, 2018)"),
    "aae": ("AAE", "aae encoder", "Adversarial autoencoder (Makhzani et al. 2016)"),
}
for _name, (_class, _tags, _summary) in _MODELS.items():
    _target = f"genzoo.models.{_name.replace('-', '_')}:{_class}"
    register(_name, _target, tags=_tags.split(), summary=_summary)


def __getattr__(name: str) -> Any:
    """``genzoo.models.VAE``, imported when it is asked for."""
    return builtin_class(__name__, name)
