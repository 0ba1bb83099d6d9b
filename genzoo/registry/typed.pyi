"""``genzoo.get`` by model, for type checkers: scripts/write_types.py writes it from the registry."""

from collections.abc import Mapping
from typing import Any, Literal, Never, final, overload

from genzoo.model import GenerativeModel
from genzoo.models.aae import AAE
from genzoo.models.beta_vae import BetaVAE
from genzoo.models.cdcgan import CDCGAN
from genzoo.models.cgan import CGAN
from genzoo.models.conv_vae import ConvVAE
from genzoo.models.cvae import CVAE
from genzoo.models.dcgan import DCGAN
from genzoo.models.gan import GAN
from genzoo.models.iwae import IWAE
from genzoo.models.lsgan import LSGAN
from genzoo.models.vae import VAE
from genzoo.models.wgan_gp import WGANGP
from genzoo_plugins.adgm import ADGM
from genzoo_plugins.ali import ALI
from genzoo_plugins.bigan import BiGAN
from genzoo_plugins.lapgan import LAPGAN
from genzoo_plugins.pix2pix import Pix2Pix
from genzoo_plugins.ssgan import SSGAN

Name = Literal[
    "aae",
    "adgm",
    "ali",
    "beta-vae",
    "bigan",
    "cdcgan",
    "cgan",
    "conv-vae",
    "cvae",
    "dcgan",
    "gan",
    "iwae",
    "lapgan",
    "lsgan",
    "pix2pix",
    "ssgan",
    "vae",
    "wgan-gp",
]

@final
class NoSuchOption:
    """What ``get`` gives for an option that the model does not have, or a value of a wrong type: of no use."""

@overload
def get(
    model: Literal["aae"],
    /,
    *,
    latent_dim: int = 8,
    hidden_dim: int = 1000,
    prior: str = "gaussian",
    prior_std: float = 5.0,
    num_classes: int | None = None,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> AAE: ...
@overload
def get(
    model: Literal["adgm"],
    /,
    *,
    num_classes: int = 10,
    latent_dim: int = 100,
    auxiliary_dim: int = 100,
    hidden_dim: int = 500,
    alpha: float = 60.0,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> ADGM: ...
@overload
def get(
    model: Literal["ali"],
    /,
    *,
    latent_dim: int = 64,
    filters: int = 32,
    dropout: float = 0.2,
    initial_std: float = 0.01,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> ALI: ...
@overload
def get(
    model: Literal["beta-vae"],
    /,
    *,
    latent_dim: int = 10,
    beta: float = 4.0,
    capacity: float | None = None,
    capacity_steps: int = 100000,
    gamma: float = 1000.0,
    hidden_dim: int = 256,
    num_layers: int = 2,
    kl_schedule: str = "constant",
    kl_steps: int = 10000,
    free_bits: float = 0.0,
    likelihood: str = "bernoulli",
    sigma: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> BetaVAE: ...
@overload
def get(
    model: Literal["bigan"],
    /,
    *,
    latent_dim: int = 50,
    hidden_dim: int = 1024,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> BiGAN: ...
@overload
def get(
    model: Literal["cdcgan"],
    /,
    *,
    num_classes: int = 10,
    conditioning: str = "projection",
    filters: int = 64,
    dropout: float = 0.3,
    latent_dim: int = 100,
    objective: str = "non-saturating",
    discriminator_steps: int = 1,
    penalty: str | None = None,
    penalty_weight: float = 10.0,
    label_smoothing: float = 0.0,
    spectral_norm: bool = False,
    updates: str = "alternating",
    ema_decay: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> CDCGAN: ...
@overload
def get(
    model: Literal["cgan"],
    /,
    *,
    num_classes: int = 10,
    hidden_dim: int = 1200,
    dropout: float = 0.5,
    latent_dim: int = 100,
    objective: str = "non-saturating",
    discriminator_steps: int = 1,
    penalty: str | None = None,
    penalty_weight: float = 10.0,
    label_smoothing: float = 0.0,
    spectral_norm: bool = False,
    updates: str = "alternating",
    ema_decay: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> CGAN: ...
@overload
def get(
    model: Literal["conv-vae"],
    /,
    *,
    hidden_dim: int = 256,
    num_layers: int = 2,
    kl_schedule: str = "constant",
    kl_steps: int = 10000,
    free_bits: float = 0.0,
    latent_dim: int = 20,
    likelihood: str = "bernoulli",
    sigma: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> ConvVAE: ...
@overload
def get(
    model: Literal["cvae"],
    /,
    *,
    num_classes: int = 10,
    num_layers: int = 2,
    hidden_dim: int = 400,
    kl_schedule: str = "constant",
    kl_steps: int = 10000,
    free_bits: float = 0.0,
    latent_dim: int = 20,
    likelihood: str = "bernoulli",
    sigma: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> CVAE: ...
@overload
def get(
    model: Literal["dcgan"],
    /,
    *,
    filters: int = 64,
    dropout: float = 0.3,
    latent_dim: int = 100,
    objective: str = "non-saturating",
    discriminator_steps: int = 1,
    penalty: str | None = None,
    penalty_weight: float = 10.0,
    label_smoothing: float = 0.0,
    spectral_norm: bool = False,
    updates: str = "alternating",
    ema_decay: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> DCGAN: ...
@overload
def get(
    model: Literal["gan"],
    /,
    *,
    hidden_dim: int = 1200,
    num_layers: int = 2,
    activation: str = "maxout",
    dropout: float = 0.5,
    latent_dim: int = 100,
    objective: str = "non-saturating",
    discriminator_steps: int = 1,
    penalty: str | None = None,
    penalty_weight: float = 10.0,
    label_smoothing: float = 0.0,
    spectral_norm: bool = False,
    updates: str = "alternating",
    ema_decay: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> GAN: ...
@overload
def get(
    model: Literal["iwae"],
    /,
    *,
    num_samples: int = 50,
    hidden_dim: int = 200,
    num_layers: int = 2,
    latent_dim: int = 50,
    likelihood: str = "bernoulli",
    sigma: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> IWAE: ...
@overload
def get(
    model: Literal["lapgan"],
    /,
    *,
    levels: int = 3,
    filters: int = 128,
    hidden_dim: int = 1200,
    noise_dim: int = 100,
    dropout: float = 0.5,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> LAPGAN: ...
@overload
def get(
    model: Literal["lsgan"],
    /,
    *,
    hidden_dim: int = 512,
    activation: str = "leaky-relu",
    dropout: float = 0.0,
    objective: str = "least-squares",
    num_layers: int = 2,
    latent_dim: int = 100,
    discriminator_steps: int = 1,
    penalty: str | None = None,
    penalty_weight: float = 10.0,
    label_smoothing: float = 0.0,
    spectral_norm: bool = False,
    updates: str = "alternating",
    ema_decay: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> LSGAN: ...
@overload
def get(
    model: Literal["pix2pix"],
    /,
    *,
    filters: int = 64,
    depth: int | None = None,
    patch: int = 70,
    l1_weight: float = 100.0,
    dropout: float = 0.5,
    mirror: bool = False,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> Pix2Pix: ...
@overload
def get(
    model: Literal["ssgan"],
    /,
    *,
    num_classes: int = 10,
    latent_dim: int = 100,
    hidden_dim: int = 1000,
    unlabelled_weight: float = 1.0,
    ema_decay: float = 0.9999,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> SSGAN: ...
@overload
def get(
    model: Literal["vae"],
    /,
    *,
    hidden_dim: int = 400,
    num_layers: int = 1,
    kl_schedule: str = "constant",
    kl_steps: int = 10000,
    free_bits: float = 0.0,
    latent_dim: int = 20,
    likelihood: str = "bernoulli",
    sigma: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> VAE: ...
@overload
def get(
    model: Literal["wgan-gp"],
    /,
    *,
    hidden_dim: int = 512,
    num_layers: int = 3,
    activation: str = "leaky-relu",
    dropout: float = 0.0,
    objective: str = "wasserstein",
    discriminator_steps: int = 5,
    penalty: str | None = "gradient-penalty",
    latent_dim: int = 100,
    penalty_weight: float = 10.0,
    label_smoothing: float = 0.0,
    spectral_norm: bool = False,
    updates: str = "alternating",
    ema_decay: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    trainable: bool = True,
    **others: Never,
) -> WGANGP: ...

# A call that fits no model above. The parameter, of a type that no value has, and `others` there keep `**options` away,
# whose names a checker does not know. It overlaps with the last on purpose, which is for names known only at run time.
@overload
def get(  # pyright: ignore[reportOverlappingOverload]
    model: Name, /, *, none_such: NoSuchOption = ..., **config: Any
) -> NoSuchOption: ...
@overload
def get(model: str | Mapping[str, Any], /, **config: Any) -> GenerativeModel: ...
