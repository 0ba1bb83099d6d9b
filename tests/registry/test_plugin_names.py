"""Plugins are found, listed and told apart without an import; one is imported when it is asked for."""

import sys

import pytest
from plugin_packages import imported, install
from processes import run_python

import genzoo
from genzoo import registry
from genzoo.discovery.source import describe
from genzoo.errors import PluginError
from genzoo.models.vae import VAE
from genzoo.testing import subjects
from genzoo.testing.subjects import Subject

# Nothing is imported before it is asked for.


def test_importing_and_listing_imports_no_plugin_and_no_keras(folder):
    code = f"""
    sys.path.insert(0, {str(folder)!r})
    import genzoo
    genzoo.list_models(), genzoo.list_models("*zoo*", tags="toy")
    from genzoo.cli.app import app
    app(["list"], standalone_mode=False)
    heavy = ("keras", "numpy", "packaging")
    inside = [name for name, module in sys.modules.items() if {str(folder)!r} in str(getattr(module, "__file__", ""))]
    print("imported:", inside, [name for name in heavy if name in sys.modules])
    """
    printed, _ = run_python(code, GENZOO_PLUGINS=None)
    *table, last = printed.splitlines()
    assert last == "imported: [] []"
    assert not (folder / "imported").exists()
    names = {line.split()[0] for line in table if not line.startswith(" ")}
    assert {"hello-vae", "pack", "clash-one/clash", "impostor/vae", "sleepy", "broken-exit"} <= names


def test_one_is_imported_when_it_is_asked_for_and_no_other(site, capsys):
    for name in ("hello-vae", "Hello_VAE", "hello-zoo/hello-vae", "Hello.Zoo/hello_vae"):
        model = genzoo.get(name, beta=4.0)
        assert (type(model).__name__, model.beta, model.compiled) == ("Hello", 4.0, True)
    assert imported(site) == {"hello"}
    assert registry.spec("hello-vae").source == "Hello_Zoo"


def test_what_is_installed_later_is_found(site, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    assert "later" not in genzoo.list_models()
    install(tmp_path, "later", [], ["later = hello_zoo:HelloVAE"], {})
    assert "later" in genzoo.list_models()


def test_the_first_distribution_of_a_name_on_the_path_counts(site, tmp_path, monkeypatch):
    install(tmp_path, "hello.zoo", [], ["other-name = hello_zoo:HelloVAE"], {}, version="2.0")
    monkeypatch.syspath_prepend(tmp_path)
    assert "other-name" in genzoo.list_models()
    assert "hello-vae" not in genzoo.list_models()


# Names.


def test_two_plugins_of_one_name_stay_reachable(site):
    with pytest.raises(ValueError, match="Several plugins bring 'clash': 'clash-one/clash' and 'clash-two/clash'"):
        genzoo.get("clash")
    assert type(genzoo.get("clash-one/clash")).__name__ == "One"
    assert type(genzoo.get("clash-two/clash")).__name__ == "Two"
    assert genzoo.list_models("clash*") == ["clash-one/clash", "clash-two/clash"]


def test_genzoos_own_models_and_registered_ones_win(site):
    assert type(genzoo.get("vae")) is type(genzoo.get("genzoo/vae")) is VAE
    assert type(genzoo.get("impostor/vae")).__name__ == "VAE2"
    assert genzoo.list_models("vae") == ["impostor/vae", "vae"]
    genzoo.register("hello-vae", VAE)
    assert type(genzoo.get("hello-vae")) is VAE
    assert "hello-zoo/hello-vae" in genzoo.list_models()


def test_a_class_that_its_module_registers_as_well_is_listed_once(site):
    genzoo.register("clash", "clash_one:One")
    assert genzoo.list_models("*clash*") == ["clash", "clash-two/clash"]


def test_a_function_brings_several_models(site):
    assert genzoo.list_models("*pack*") == ["pack"]
    model = genzoo.get("pack-small")
    assert (type(model).__name__, model.hidden_dim) == ("Small", 7)
    assert genzoo.list_models("*pack*") == ["pack-bad", "pack-plain", "pack-small", "pack-worse"]
    assert genzoo.list_models("*pack*", tags="toy") == ["pack-small"]
    assert genzoo.list_models("*pack*", tags="encoder") == ["pack-plain"]
    assert (type(genzoo.get("pack_plain", latent_dim=3)), genzoo.get("pack-plain").hidden_dim) == (VAE, 9)
    assert type(genzoo.get("pack-zoo/other")).__name__ == "Small"
    assert registry.spec("pack-small").source == "pack-zoo"
    for wrong in ("pack-large", "other", "pack-zoo/pack-large"):
        with pytest.raises(ValueError, match=f"Unknown model. Received: '{wrong}'"):
            genzoo.get(wrong)
    with pytest.raises(
        ValueError, match=r"brings several models.*: other, pack-bad, pack-plain, pack-small, pack-worse"
    ):
        genzoo.get("pack")
    with pytest.raises(PluginError, match=r"Plugin 'pack' of pack-zoo 1.2.*Module 'pack_zoo.small' has no 'Missing'"):
        genzoo.get("pack-bad")
    assert imported(site) == {"pack"}


@pytest.mark.parametrize("name", ["pack-small", "each-a"])  # the second has an entry point of its own
def test_the_suite_takes_a_functions_model_with_its_config(site, name):
    subject = Subject(name)
    assert (subject.config["beta"], subject.config["hidden_dim"]) == (3.0, 16)
    assert subject.new().beta == 3.0


def test_the_suite_sees_a_class_that_is_registered_again(site):
    """As a notebook's cell does when it runs a second time."""

    def registered():
        @genzoo.register("again")
        class Again(VAE):
            """Once more."""

        return Again

    for _ in range(2):
        cls = registered()
        assert subjects.of("again").cls is cls
        assert subjects.of("again") is subjects.of("again")


def test_a_function_may_have_an_entry_point_for_each_model(site):
    assert genzoo.list_models("*each*") == ["each-a", "each-b"]
    assert registry.spec("each-a").load.__self__.target == "each_zoo:models"
    assert genzoo.get("each-b").hidden_dim == 9
    assert genzoo.list_models("*each*") == ["each-a", "each-b"]
    assert genzoo.get("each-zoo/each-b").hidden_dim == 9


def test_unknown_names_are_explained_and_import_nothing(site):
    with pytest.raises(ValueError, match=r"Did you mean 'hello-zoo/hello-vae'.*`genzoo list`"):
        genzoo.get("hello-zoo/hello-vea")
    with pytest.raises(ValueError, match=r"Unknown model. Received: 'hello-vae-2'. Did you mean 'hello-vae'"):
        genzoo.get("hello-vae-2")
    assert imported(site) == set()


# Which are selected.


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("", []),
        (" , ", []),
        ("hello_zoo", ["hello-vae"]),
        ("Hello.Zoo, clash-two,not-there", ["clash", "hello-vae"]),
        ("each-zoo/each_a, clash-two/no-such", ["each-a"]),
    ],
)
def test_the_environment_selects(site, monkeypatch, selection, expected):
    monkeypatch.setenv("GENZOO_PLUGINS", selection)
    assert sorted({*genzoo.list_models()} - {*registry._specs}) == expected
    left = "pack" if expected else "hello-vae"
    full = {"pack": "pack-zoo/pack", "hello-vae": "hello-zoo/hello-vae"}[left]
    for name in (left, full):
        with pytest.raises(ValueError, match=f"GENZOO_PLUGINS leaves out '{full}'. Received: '{name}'"):
            genzoo.get(name)
    assert imported(site) == set()


# What a class says of itself before it is imported.


@pytest.mark.parametrize(
    ("source", "kind", "summary", "tags"),
    [
        ('class X:\n    """\n    One.\n\n    Two."""\n    tags = frozenset({"a", "b"})', "class", "One.", {"a", "b"}),
        ('class X:\n    tags: object = {"a"}', "class", "", {"a"}),
        ("class X:\n    tags = frozenset()", "class", "", set()),
        ("class X:\n    tags = frozenset(compute())", "class", "", set()),
        ('class X:\n    "One."\n    tags = 1 + 1', "class", "One.", set()),
        ("from genzoo.models.vae import VAE\nclass X(VAE): pass", "class", "", VAE.tags),
        ('from genzoo.models.vae import VAE as V\nclass X(V): tags = V.tags | {"a"}', "class", "", VAE.tags | {"a"}),
        ('class Y:\n    tags = {"a"}\nclass X(object, Y):\n    "One."', "class", "One.", {"a"}),
        ('class X:\n    "One."\n\n    def f(self):\n        pass\n\n    tags = {"a"}', "class", "One.", {"a"}),
        ('class X:\n    """One.\n\n    def f(): pass\n    """\n    tags = {"a"}', "class", "One.", {"a"}),
        ('class X(\n    object,\n):\n    "One."\n# Remark\n    tags = {"a"}', "class", "One.", {"a"}),
        ('class X: tags = {"a"}\n\nclass Y: pass', "class", "", {"a"}),
        ('class XY:\n    "No."\nclass X:\n    "One."\n\nclass Z:\n    tags = {"b"}', "class", "One.", set()),
        ('def X():\n    "One."', "function", "One.", set()),
        ("class X(X): pass", "class", "", set()),
        ("from described import X", "", "", set()),
        ("from .. import X", "", "", set()),
        ("X = type('X', (), {})", "", "", set()),
        ('class X:\n    "\\d"', "class", "\\d", set()),
        ("class X(", "", "", set()),
        ("\0", "", "", set()),
        (None, "", "", set()),
    ],
)
def test_summary_and_tags_are_read_from_the_source(tmp_path, monkeypatch, source, kind, summary, tags):
    monkeypatch.syspath_prepend(tmp_path)
    if source is not None:
        (tmp_path / "described.py").write_text(source)
    assert describe("described:X") == (kind, summary, tags)
    assert "described" not in sys.modules


def test_what_is_read_is_what_the_class_says(site):
    before = registry.spec("hello-vae")
    cls = before.load()
    after = registry.spec("hello-vae")
    assert before.tags == after.tags == cls.tags == VAE.tags | {"toy"}
    assert before.summary == after.summary == "Hello, of hello_zoo."


def test_what_only_the_import_tells_is_known_after_it(site, tmp_path, monkeypatch):
    source = (
        "from genzoo.models.vae import VAE\nX = type('X', (VAE,), {'__doc__': 'Made.', 'tags': frozenset({'made'})})"
    )
    install(tmp_path, "made", [], ["made = made_zoo:X"], {"made_zoo": source})
    monkeypatch.syspath_prepend(tmp_path)
    assert (registry.spec("made").summary, genzoo.list_models(tags="made")) == ("", [])
    registry.spec("made").load()
    assert (registry.spec("made").summary, genzoo.list_models(tags="made")) == ("Made.", ["made"])
