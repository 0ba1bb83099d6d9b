"""Plugins: real distributions in a folder on the path, as pip would leave them. Most of them are broken in some way."""

import json
import re
import sys
import textwrap
import zipfile

import keras
import pytest
from processes import run_python
from typer.testing import CliRunner

import genzoo
from genzoo import registry
from genzoo.cli import plugins as command
from genzoo.cli.app import app, main
from genzoo.discovery import installed
from genzoo.discovery.source import describe
from genzoo.errors import PluginError
from genzoo.experiments.runs import Run
from genzoo.models.vae import VAE
from genzoo.registry import plugins
from genzoo.testing import subjects
from genzoo.testing.subjects import Subject

CLASS = '''
import keras
from genzoo.models.vae import VAE

print("a plugin talks")


@keras.saving.register_keras_serializable("{package}")
class {name}(VAE):
    """{name}, of {package}.

    More.
    """

    tags = VAE.tags | {{"toy"}}

    def __init__(self, beta=1.0, **kwargs):
        super().__init__(**kwargs)
        self.beta = beta
'''

PACK = """
from genzoo import ModelSpec
from genzoo.models.vae import VAE

def models():
    "Several."
    yield ModelSpec("pack_small", "pack_zoo.small:Small", {"hidden_dim": 7, "beta": 3.0}, tags={"toy"})
    yield ModelSpec("pack-plain", VAE, {"hidden_dim": 9})
    yield ModelSpec("other", "pack_zoo.small:Small")
    yield ModelSpec("pack-bad", "pack_zoo.small:Missing")
    yield ModelSpec("pack-worse", "pack_zoo.none:Missing")
"""

# Distribution, what it requires, its entry points, and its modules.
WORKING = {
    "Hello_Zoo": (
        ("genzoo>=0.1", "genzoo<0.0.1; extra == 'old'", "no requirement at all", "keras"),
        ["hello_vae = hello_zoo:HelloVAE"],
        {
            "hello_zoo/__init__": "from .models.hello import Hello as HelloVAE",
            "hello_zoo/models/hello": CLASS.format(package="hello_zoo", name="Hello"),
        },
    ),
    "pack-zoo": (
        (),
        ["pack = pack_zoo:models"],
        {"pack_zoo/__init__": PACK, "pack_zoo/small": CLASS.format(package="pack_zoo", name="Small")},
    ),
    "each-zoo": (
        (),
        ["each-a = each_zoo:models", "each-b = each_zoo:models"],
        {"each_zoo": PACK.replace("pack_small", "each_a").replace("pack-plain", "each-b")},
    ),
    "clash-one": ((), ["clash = clash_one:One"], {"clash_one": CLASS.format(package="clash_one", name="One")}),
    "clash-two": ((), ["clash = clash_two:Two"], {"clash_two": CLASS.format(package="clash_two", name="Two")}),
    "impostor": ((), ["vae = impostor_zoo:VAE2"], {"impostor_zoo": CLASS.format(package="impostor", name="VAE2")}),
}

# Entry point, module, reason, and the exception behind it.
BROKEN = {
    "import-error": (
        "X", "from keras import no_such_thing", "ImportError: cannot import name 'no_such_thing'", ImportError,
    ),
    "dependency": (
        "X",
        "import no_such_package.below",
        "it needs the module 'no_such_package', which is not installed",
        ModuleNotFoundError,
    ),
    "no-module": ("X", None, "its own module 'broken_no_module' is missing", ModuleNotFoundError),
    "syntax": ("X", "def (", "SyntaxError: invalid syntax (broken_syntax.py, line 1)", SyntaxError),
    "exception": ("X", "1 / 0", "ZeroDivisionError: division by zero", ZeroDivisionError),
    "exit": ("X", "import sys; sys.exit(3)", "SystemExit: 3", SystemExit),
    "nothing": ("X", "other = 1", "ValueError: Module 'broken_nothing' has no 'X'", ValueError),
    "number": ("X", "X = 3", "its entry point must be a subclass of genzoo.GenerativeModel", None),
    "layer": ("X", "import keras\nclass X(keras.layers.Layer): pass", "its entry point must be a subclass", None),
    "empty": ("X", "def X(): return []", "its function must return genzoo.ModelSpec objects", None),
    "names": ("X", "def X(): return ['a']", "its function must return genzoo.ModelSpec objects", None),
    "arguments": ("X", "def X(a): return [a]", "TypeError: X() missing 1 required positional argument: 'a'", TypeError),
    "thief": (
        "X",
        CLASS.format(package="genzoo", name="X").replace("genzoo_", "").replace("class X", "class DCGAN") + "X = DCGAN",
        "its class DCGAN registers with Keras as 'genzoo>DCGAN', which is the name of genzoo.models.dcgan:DCGAN",
        None,
    ),
    "taken": (
        "X",
        "import genzoo\ngenzoo.register('vae', genzoo.models.DCGAN)",
        "ValueError: The name 'vae' is taken",
        ValueError,
    ),
    "old": ("X", "1 / 0", f"it needs genzoo<0.0.9, and this is genzoo {genzoo.__version__}", None),
}  # fmt: skip


def install(folder, distribution, requires, entry_points, modules, version="1.2"):
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires)]) + "\n\nText.")
    (info / "entry_points.txt").write_text("[genzoo.models]\n" + "\n".join(entry_points) + "\n")
    for name, source in modules.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of distributions: working ones, broken ones, and one that is slow to import."""
    folder = tmp_path_factory.mktemp("site")
    for distribution, parts in WORKING.items():
        install(folder, distribution, *parts)
    for name, (attribute, source, _, _) in BROKEN.items():
        module = f"broken_{name.replace('-', '_')}"
        requires = ["genzoo<0.0.9"] if name == "old" else []
        modules = {} if source is None else {module: source}
        install(folder, f"broken-{name}", requires, [f"broken-{name} = {module}:{attribute}"], modules)
    marker = folder / "imported"
    install(folder, "sleepy", [], ["sleepy = sleepy_zoo:X"], {
        "sleepy_zoo": f"import time, pathlib\npathlib.Path({str(marker)!r}).touch()\ntime.sleep(5)",
    })  # fmt: skip
    return folder


@pytest.fixture
def site(folder, tmp_path, monkeypatch):
    """The folder on the path, with nothing of it imported, and nothing after the test."""
    monkeypatch.delenv("GENZOO_PLUGINS", raising=False)
    monkeypatch.setattr(registry, "_specs", {k: v for k, v in registry._specs.items() if v.source == "genzoo"})
    monkeypatch.syspath_prepend(folder)
    yield folder
    forget(folder)
    forget(tmp_path)


def forget(folder):
    """Makes the process one in which nothing in the folder was imported."""
    modules = {name for name, module in sys.modules.items() if str(folder) in str(getattr(module, "__file__", ""))}
    classes = keras.saving.get_custom_objects()
    for name in [name for name, cls in classes.items() if cls.__module__ in modules]:
        del classes[name]
    for name in modules:
        del sys.modules[name]
    for plugin in [plugin for plugin in installed.imported if plugin.location == str(folder)]:
        del installed.imported[plugin]


def imported(folder):
    """The distributions of which something is imported, by the first part of their modules' names."""
    return {
        name.partition("_")[0]
        for name, module in sys.modules.items()
        if str(folder) in str(getattr(module, "__file__", ""))
    }


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


# Broken ones.


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_says_what_is_wrong_and_breaks_nothing_else(site, name, capsys):
    _, _, reason, cause = BROKEN[name]
    with pytest.raises(PluginError, match=re.escape(reason)) as caught:
        genzoo.get(f"broken-{name}")
    error = caught.value
    assert str(error).startswith(f"Plugin 'broken-{name}' of broken-{name} 1.2 cannot be used: {error.reason}. ")
    assert "\n" not in str(error)
    assert (error.distribution, error.version) == (f"broken-{name}", "1.2")
    assert type(error.__cause__) is (cause or type(None))
    with pytest.raises(PluginError, match=re.escape(reason)):  # and says it again
        genzoo.get(f"broken-{name}")
    assert {"vae", "hello-vae", f"broken-{name}"} <= set(genzoo.list_models())
    assert type(genzoo.get("hello-vae")).__name__ == "Hello"
    assert genzoo.models.DCGAN is keras.saving.get_registered_object("genzoo>DCGAN")
    assert type(genzoo.get("vae")) is VAE


@pytest.mark.parametrize("name", ["exception", "exit", "dependency"])
def test_strict_raises_the_exception_itself(site, name, monkeypatch):
    monkeypatch.setenv("GENZOO_STRICT_PLUGINS", "1")
    with pytest.raises(BROKEN[name][3]):
        genzoo.get(f"broken-{name}")
    monkeypatch.setenv("GENZOO_STRICT_PLUGINS", "0")
    with pytest.raises(PluginError):
        genzoo.get(f"broken-{name}")


def test_the_command_shows_the_traceback_only_in_strict_mode(site, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["genzoo", "cite", "broken-import-error"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code == 1
    assert "Error: Plugin 'broken-import-error' of broken-import-error 1.2 cannot be used" in capsys.readouterr().err
    monkeypatch.setenv("GENZOO_STRICT_PLUGINS", "1")
    with pytest.raises(ImportError, match="no_such_thing") as caught:
        main()
    assert not isinstance(caught.value, PluginError)


def test_ctrl_c_in_a_plugin_is_not_its_fault(site, tmp_path, monkeypatch):
    install(tmp_path, "hanging", [], ["hanging = hanging_zoo:X"], {"hanging_zoo": "raise KeyboardInterrupt"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        genzoo.get("hanging")


def test_a_function_that_may_bring_the_model_and_is_broken_is_the_reason(site, tmp_path, monkeypatch):
    install(tmp_path, "half", [], ["half = half_zoo:models"], {"half_zoo": "def models(): raise OSError('no disk')"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=r"Plugin 'half' of half 1.2 cannot be used: OSError: no disk"):
        genzoo.get("half-a")


def test_damaged_metadata_hide_their_distribution_only(site, tmp_path, monkeypatch):
    install(tmp_path, "damaged", [], ["damaged = damaged:X", "no entry point"], {})
    for name in ("undecodable", "nameless", "empty"):
        install(tmp_path, name, [], [f"{name} = {name}:X"], {})
    (tmp_path / "undecodable-1.2.dist-info" / "entry_points.txt").write_bytes(b"[genzoo.models]\n\xff\xfe = a:b\n")
    (tmp_path / "nameless-1.2.dist-info" / "METADATA").unlink()
    (tmp_path / "empty-1.2.dist-info" / "entry_points.txt").unlink()
    before = genzoo.list_models()
    monkeypatch.syspath_prepend(tmp_path)
    assert genzoo.list_models() == before


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


# `genzoo plugins`.


def shown():
    result = CliRunner().invoke(app, ["plugins"])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_shows_every_plugin_and_what_is_wrong(site, monkeypatch):
    sleepy = {plugin.full_name for plugin in installed.installed() if plugin.location == str(site)} - {"sleepy/sleepy"}
    monkeypatch.setenv("GENZOO_PLUGINS", ",".join([*sleepy, "not-there", "hello-zoo/no-such"]))
    printed = shown()
    lines = [re.split(r"\s{2,}", line.strip()) for line in printed.splitlines()]
    assert lines[0] == ["distribution", "version", "names", "status"]
    assert ["Hello_Zoo", "1.2", "hello-vae", "ok"] in lines
    assert ["clash-one", "1.2", "clash-one/clash", "ok"] in lines
    assert ["impostor", "1.2", "impostor/vae", "ok"] in lines
    assert ["sleepy", "1.2", "sleepy/sleepy", "left out by GENZOO_PLUGINS"] in lines
    statuses = {line[0]: line[2:] for line in lines if len(line) == 4}
    assert statuses["pack-zoo"] == [
        "pack-small pack-plain pack-bad pack-worse",
        "pack-bad: ValueError: Module 'pack_zoo.small' has no 'Missing'. Received: 'pack_zoo.small:Missing'; "
        "pack-worse: it needs the module 'pack_zoo.none', which is not installed",
    ]
    for name, (_, _, reason, _) in BROKEN.items():
        names, status = statuses[f"broken-{name}"]
        assert names == f"broken-{name}"
        assert status.startswith(reason)
    missing = "\n".join(printed.splitlines()[-2:])
    assert missing == (
        "GENZOO_PLUGINS names 'hello-zoo/no-such', which is not installed.\n"
        "GENZOO_PLUGINS names 'not-there', which is not installed."
    )
    assert "a plugin talks" not in printed
    assert not (site / "imported").exists()


def test_the_command_says_how_long_a_slow_import_took(site, monkeypatch):
    monkeypatch.setenv("GENZOO_PLUGINS", "hello-zoo")
    monkeypatch.setattr(command, "SLOW", 0.0)
    assert re.search(r"^Hello_Zoo +1.2 +hello-vae +ok, import took \d+\.\d s *$", shown(), re.MULTILINE)


def test_the_command_without_plugins(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    assert shown() == "No plugin is installed.\n"


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


# Files and runs.


def saved(path, name, **options):
    model = genzoo.get(name, hidden_dim=4, latent_dim=2, seed=0, **options)
    model.build((None, 2, 2, 1))
    model.save(path)
    return path


def test_a_file_says_which_plugin_it_needs(site, tmp_path, monkeypatch):
    path = saved(tmp_path / "model.keras", "hello-vae", beta=3.0)
    forget(site)
    assert genzoo.load(path).beta == 3.0
    forget(site)
    monkeypatch.setenv("GENZOO_PLUGINS", "pack-zoo")
    with pytest.raises(ValueError, match="with the package 'Hello_Zoo', which GENZOO_PLUGINS leaves out"):
        genzoo.load(path)
    assert imported(site) == set()
    monkeypatch.delenv("GENZOO_PLUGINS")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(site)])
    expected = (
        f"{path} holds a 'Hello' from 'hello_zoo.models.hello'. It comes with the package 'Hello_Zoo' 1.2, which is "
        "not installed. Install it: pip install Hello_Zoo"
    )
    with pytest.raises(ValueError, match=re.escape(expected)):
        genzoo.load(path)
    install(tmp_path, "hello-zoo", [], ["hello-vae = hello_zoo:HelloVAE"], {"hello_zoo": "1 / 0"}, version="2")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match="'hello-vae' of hello-zoo 2 cannot be used: ZeroDivisionError"):
        genzoo.load(path)
    (tmp_path / "hello_zoo.py").write_text("from genzoo.models.vae import VAE as HelloVAE")
    with pytest.raises(ValueError, match=r"came with Hello_Zoo 1.2; .* 2 is installed.*: pip install Hello_Zoo==1.2"):
        genzoo.load(path)


def test_the_file_of_a_functions_model_imports_its_distribution_only(site, tmp_path):
    path = saved(tmp_path / "model.keras", "pack-small")
    plain = saved(tmp_path / "plain.keras", "pack-plain")
    forget(site)
    assert type(genzoo.load(path)).__name__ == "Small"
    assert imported(site) == {"pack"}
    forget(site)
    assert genzoo.load(plain).hidden_dim == 4
    assert imported(site) == set()


def test_a_broken_model_of_a_function_does_not_keep_files_of_the_others_from_loading(site, tmp_path, monkeypatch):
    function = """
        from genzoo import ModelSpec
        def models():
            return [ModelSpec("first-bad", "first_zoo.bad:X"), ModelSpec("first-good", "first_zoo.good:Good")]
    """
    good = CLASS.format(package="first_zoo", name="Good")
    modules = {"first_zoo/__init__": function, "first_zoo/bad": "1 / 0", "first_zoo/good": good}
    install(tmp_path, "first-zoo", [], ["first = first_zoo:models"], modules)
    monkeypatch.syspath_prepend(tmp_path)
    assert plugins.bring("first-zoo", "first_zoo.good:Good")
    assert "first_zoo.bad" not in sys.modules
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        plugins.bring("first-zoo", "first_zoo:Elsewhere")


def test_a_file_can_make_nothing_else_be_imported(site, tmp_path):
    path = saved(tmp_path / "model.keras", "pack-small")
    forget(site)
    for distribution, version, expected in (
        ("hello-zoo", "1", "came with hello-zoo 1; hello-zoo 1.2 is installed"),
        ("x; rm -rf /", "1", "No installed package registers it"),
        (["pack-zoo"], "1", "No installed package registers it"),
        (None, None, "No installed package registers it"),
    ):
        built = {"input_shape": [None, 2, 2, 1], "distribution": distribution, "version": version}
        changed = with_config(path, tmp_path / "changed.keras", build_config=built)
        with pytest.raises(ValueError, match=re.escape(expected)):
            genzoo.load(changed)
        assert "pack" not in imported(site)


def with_config(path, new, **changes):
    """A copy of a .keras file, with other entries in its config."""
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(new, "w") as changed:
        for part in whole.namelist():
            data = whole.read(part)
            changed.writestr(part, json.dumps(json.loads(data) | changes) if part == "config.json" else data)
    return new


def test_a_class_that_has_moved_is_known_by_its_registered_name(site, tmp_path):
    moved = with_config(saved(tmp_path / "model.keras", "vae"), tmp_path / "moved.keras", module="elsewhere")
    assert type(genzoo.load(moved)) is VAE
    moved = with_config(saved(tmp_path / "model.keras", "hello-vae"), moved, module="hello_zoo.before")
    forget(site)
    assert type(genzoo.load(moved)).__name__ == "Hello"


def test_a_class_is_not_loaded_in_place_of_another_of_the_same_registered_name(site, tmp_path, monkeypatch):
    install(tmp_path, "twin", [], ["twin = twin_zoo:One"], {"twin_zoo": CLASS.format(package="clash_one", name="One")})
    monkeypatch.syspath_prepend(tmp_path)
    path = saved(tmp_path / "model.keras", "twin")
    for folder in (site, tmp_path):
        forget(folder)
    genzoo.get("clash-one/clash")
    with pytest.raises(
        PluginError, match="registers with Keras as 'clash_one>One', which is the name of clash_one:One"
    ):
        genzoo.load(path)


def test_genzoos_own_files_name_no_plugin(tmp_path):
    with zipfile.ZipFile(saved(tmp_path / "model.keras", "vae")) as whole:
        assert json.loads(whole.read("config.json"))["build_config"] == {"input_shape": [None, 2, 2, 1]}


def test_a_run_says_which_plugin_it_needs(site, tmp_path, monkeypatch):
    config = {"model": "clash-one/clash", "options": {"latent_dim": 3}, "epochs": 1}
    Run.create(tmp_path / "run", config)
    run = Run.open(tmp_path / "run")
    assert run.config["plugin"] == {"distribution": "clash-one", "version": "1.2"}
    assert (type(run.model()).__name__, run.model().latent_dim) == ("One", 3)
    Run.create(tmp_path / "alone", {**config, "model": "hello-vae"})
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(site)])
    for name, model, package in (
        ("run", "clash-one/clash", "clash-one"),
        ("alone", "Hello_Zoo/hello-vae", "Hello_Zoo"),
    ):
        with pytest.raises(ValueError, match=f"no model '{model}'.* '{package}' 1.2, which is not.*install {package}$"):
            Run.open(tmp_path / name).model()


def test_a_plugins_model_comes_back_in_another_process(site, tmp_path):
    path = saved(tmp_path / "model.keras", "hello-vae", beta=3.0)
    code = f"""
    sys.path.insert(0, {str(site)!r})
    import genzoo
    model = genzoo.load({str(path)!r})
    print(type(model).__module__, model.beta)
    """
    backend = keras.backend.backend()
    hidden = {"tensorflow"} - {backend}  # spares seconds: Keras imports it where it can
    printed, _ = run_python(code, hidden=hidden, KERAS_BACKEND=backend)
    assert printed.splitlines()[-1] == "hello_zoo.models.hello 3.0"
