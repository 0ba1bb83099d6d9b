"""`genzoo info` explains every option of every model, with its default and the values that it may have."""

import re
import textwrap
from typing import Literal

import pytest

import genzoo as library
from genzoo.cli.options import explained
from genzoo.models.vae import VAE

MODELS = library.list_models()


@pytest.mark.parametrize("name", MODELS)
def test_every_option_of_every_model_is_explained(name):
    model = library.get(name)
    told = explained(type(model))
    assert list(told) == list(model.options())
    for option, text in told.items():
        assert len(text) > 4, option
        assert not text.startswith("as for"), option
        assert not re.search(r"[$\\]|``", text), option


@pytest.mark.parametrize("name", MODELS)
def test_an_option_that_is_a_choice_names_all_of_them(name):
    model = library.get(name)
    for option in model.options():
        if not isinstance(getattr(model, option), str) and option != "penalty":
            continue
        with pytest.raises(ValueError, match="Known: ") as refused:
            library.get(name, **{option: "no-such-choice"})
        for choice in re.search(r"Known: (.*?)\.", str(refused.value))[1].split(", "):
            assert f'"{choice}"' in explained(type(model))[option], (option, choice)


def test_what_a_class_does_not_repeat_is_read_from_its_parents():
    class Child(VAE):
        """One.

        Args:
            hidden_dim: as for ``vae``.
            mode, colour: what it does,
                over two lines: really.
        """

        def __init__(self, mode: Literal["slow", "fast"] = "slow", colour: Literal["red"] | None = None, **kwargs):
            super().__init__(**kwargs)

    told = explained(Child)
    assert told["mode"] == "what it does, over two lines: really. One of 'slow', 'fast'."
    assert told["colour"] == "what it does, over two lines: really. One of 'red'."
    assert told["hidden_dim"] == "width of the hidden layers of each network."
    assert told["latent_dim"] == explained(VAE)["latent_dim"]
    Child.__doc__ = None
    assert explained(Child)["mode"] == "One of 'slow', 'fast'."


def test_info_is_readable_at_80_columns(genzoo):
    printed = genzoo("info", "dcgan").printed
    options = printed.partition("\nOptions\n")[2].partition("\n\n")[0].splitlines()
    assert max(map(len, options)) <= 80
    at = options.index('objective  "non-saturating"')
    below = options[at + 1 : next(i for i in range(at + 1, len(options)) if not options[i].startswith("    "))]
    text = " ".join(textwrap.dedent("\n".join(below)).split())
    assert text == explained(type(library.get("dcgan")))["objective"]
