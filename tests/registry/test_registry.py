"""Models are found by name, and nothing is imported before it is asked for. Plugins: test_plugins.py."""

import re

import pytest
from processes import run_python
from toys import ToyGAN

import genzoo
from genzoo import registry
from genzoo.models.dcgan import DCGAN
from genzoo.models.vae import VAE

BUILT_IN = [spec.name for spec in registry._specs.values() if spec.source == "genzoo"]


@pytest.fixture(autouse=True)
def _own_registrations(monkeypatch):
    """What a test registers is gone after it; what a docstring registered before it, and plugins, are not seen."""
    monkeypatch.setenv("GENZOO_PLUGINS", "")
    monkeypatch.setattr(registry, "_specs", {name: registry._specs[name] for name in BUILT_IN})


# What there is.


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_is_what_its_spec_says(name):
    spec = registry.spec(name)
    cls = spec.load()
    assert spec.tags == cls.tags
    assert spec.summary
    assert spec.target == f"{cls.__module__}:{cls.__qualname__}"
    assert type(genzoo.get(name)) is cls


def test_every_public_name_resolves_and_is_listed():
    assert all(getattr(genzoo, name) is not None for name in genzoo.__all__)
    assert set(genzoo.__all__) <= set(dir(genzoo))
    assert genzoo.GenerativeModel.__name__ == "GenerativeModel"
    with pytest.raises(AttributeError, match="module 'genzoo' has no attribute 'gett'"):
        genzoo.gett  # noqa: B018


def test_importing_and_listing_imports_nothing():
    heavy = ("keras", "numpy", "tensorflow", "torch", "jax", "PIL", "typer")
    code = f"""
import genzoo, genzoo.registry
genzoo.list_models("*gan*", tags="gan"), genzoo.registry.spec("vae"), dir(genzoo)
print([name for name in {heavy!r} if name in sys.modules])
"""
    printed, _ = run_python(code)
    assert printed == "[]\n"


def test_list_is_in_natural_order():
    for name in ("m-10", "m-2", "m-1", "m"):
        genzoo.register(name, DCGAN)
    assert genzoo.list_models("m*") == ["m", "m-1", "m-2", "m-10"]


@pytest.mark.parametrize(
    ("pattern", "tags", "expected"),
    [
        ("*d*", "gan", ["cdcgan", "dcgan"]),
        ("*", ("gan", "fast"), ["my-gan"]),
        ("*", {"gan", "encoder"}, []),
        ("my_*", (), ["my-gan", "my-vae"]),
        ("?cgan", (), ["dcgan"]),
        ("nothing*", (), []),
    ],
)
def test_list_filters_by_pattern_and_by_all_tags(pattern, tags, expected):
    genzoo.register("my-gan", DCGAN, tags={"gan", "fast"})
    genzoo.register("my-vae", VAE)
    assert genzoo.list_models(pattern, tags) == expected


# Getting one, and citing it.


@pytest.mark.parametrize("name", BUILT_IN)
def test_cite_prints_whole_bibtex_entries(name, capsys):
    genzoo.cite(name)
    printed = capsys.readouterr().out
    for entry in printed.strip().split("\n@"):
        assert re.match(r"@?(inproceedings|article)\{\w+\d{4}\w+,\n", entry)
        assert {"title", "author", "year"} <= set(re.findall(r"^  (\w+)=\{", entry, flags=re.MULTILINE))
        assert entry.count("{") == entry.count("}")


def test_a_model_without_a_reference_cannot_be_cited():
    class Nameless(VAE):
        """No reference."""

    genzoo.register("nameless", Nameless)
    with pytest.raises(ValueError, match="docstring of 'nameless' has no section 'Reference'"):
        genzoo.cite("nameless")


@pytest.mark.parametrize(
    "model",
    ["my-vae", "my_vae", "genzoo.models.vae:VAE", {"name": "my_vae"}, {"name": "vae", "hidden_dim": 400}],
)
def test_a_model_has_many_names(model):
    genzoo.register("my-vae", "genzoo.models.vae:VAE")
    got = genzoo.get(model, latent_dim=3)
    assert type(got) is VAE
    assert (got.latent_dim, got.hidden_dim) == (3, 400)
    assert got.compiled


def test_arguments_win_over_the_dict_and_the_dict_over_the_name():
    genzoo.register("small-vae", VAE, config={"latent_dim": 2, "hidden_dim": 5, "seed": 1})
    model = genzoo.get({"name": "small-vae", "latent_dim": 3, "hidden_dim": 6}, latent_dim=4)
    assert (model.latent_dim, model.hidden_dim, model.seed) == (4, 6, 1)


def test_keras_own_arguments_pass():
    model = genzoo.get("vae", name="mine", dtype="mixed_bfloat16")
    assert (model.name, model.dtype_policy.name) == ("mine", "mixed_bfloat16")


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("dgcan", {}, "Unknown model. Received: 'dgcan'. Did you mean 'dcgan'"),
        ("zzzzz", {}, "Received: 'zzzzz'. Known: aae, beta-vae, cdcgan, cgan"),
        ("dist/dcgan", {}, "Unknown model. Received: 'dist/dcgan'"),
        ("vae", {"latent_dims": 2}, "Unknown option of 'vae'. Received: 'latent_dims'. Did you mean 'latent_dim'"),
        ({"name": "vae", "beta": 2}, {}, "Unknown option of 'vae'. Received: 'beta'"),
        ("vae", {"latent_dim": 0}, "`latent_dim` must be an integer of at least 1. Received: latent_dim=0"),
        ({"latent_dim": 2}, {}, "needs the model's name under 'name'. Received keys: ['latent_dim']"),
        (3, {}, "Expected a model's name or a dict with one. Received: 3"),
        ("genzoo.models.vae:Vae", {}, "Module 'genzoo.models.vae' has no 'Vae'"),
    ],
)
def test_what_cannot_be_got_is_explained(model, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        genzoo.get(model, **options)


def test_module_that_is_not_there_is_named():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        genzoo.get("no_such_module:VAE")


# Registering.


def test_class_decorator_takes_tags_and_summary_from_the_class():
    @genzoo.register("toy-too")
    class Toy(ToyGAN):
        """One line.

        Another.
        """

        tags = frozenset({"gan", "toy"})

    spec = registry.spec("toy_too")
    assert spec.load() is Toy
    assert (spec.tags, spec.summary, spec.source) == ({"gan", "toy"}, "One line.", "registered")
    assert type(genzoo.get("toy-too")) is Toy


@pytest.mark.parametrize("name", ["VAE", "-vae", "vae--2", "my vae", "vae/2", ""])
def test_names_are_lowercase_kebab(name):
    with pytest.raises(ValueError, match="lowercase kebab"):
        genzoo.register(name, VAE)


def test_a_taken_name_stays_with_its_owner():
    with pytest.raises(
        ValueError, match=r"'vae' is taken by genzoo.models.vae:VAE. Received: genzoo.models.dcgan:DCGAN"
    ):
        genzoo.register("vae", DCGAN)
    assert type(genzoo.get("vae")) is VAE


def test_a_notebook_cell_may_run_again():
    def cell():
        class Mine(VAE):
            pass

        genzoo.register("mine", Mine)
        return Mine

    first, again = cell(), cell()
    assert first is not again
    assert type(genzoo.get("mine")) is again
    genzoo.register("vae", VAE)  # the same as the string that is there
