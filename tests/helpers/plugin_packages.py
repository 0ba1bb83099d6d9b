"""Plugins: real distributions in a folder on the path, as pip would leave them. Most of them are broken in some way."""

import sys
import textwrap

import keras

import genzoo
from genzoo.discovery import installed

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
