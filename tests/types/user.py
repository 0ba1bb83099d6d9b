"""What a user writes, as a type checker sees it: `make types` fails where a mistake is not told, and where none is."""

from typing import assert_type

import genzoo
from genzoo import GenerativeModel
from genzoo.models.vae import VAE
from genzoo_plugins.bigan import BiGAN

assert_type(genzoo.get("vae"), VAE)
assert_type(genzoo.get("bigan", latent_dim=4), BiGAN)
assert_type(genzoo.get("a-plugin-of-others", depth=3), GenerativeModel)
assert_type(genzoo.get({"name": "vae", "latent_dim": 2}), GenerativeModel)
assert_type(genzoo.load("model.keras"), GenerativeModel)
assert_type(genzoo.list_models("*gan"), list[str])

model = genzoo.get("vae", latent_dim=2, likelihood="gaussian", seed=0)
model.sample(4, seed=0)
model.latent_dim.bit_length()


def with_options(options: dict[str, int], anything: dict) -> None:
    """Names that a checker does not see are not misspelt."""
    genzoo.get("vae", **options).sample(4)
    genzoo.get("vae", latent_dim=2, **anything).sample(4)


genzoo.get("vae", latent_dims=2).sample(4)  # pyright: ignore[reportAttributeAccessIssue]  (misspelt)
genzoo.get("vae", latent_dim="2").sample(4)  # pyright: ignore[reportAttributeAccessIssue]  (no number)
genzoo.gte("vae")  # pyright: ignore[reportAttributeAccessIssue]  (misspelt)
genzoo.get(3)  # pyright: ignore[reportArgumentType, reportCallIssue]  (no name)
