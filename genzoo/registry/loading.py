"""Loading model files, with errors that say what is wrong with them."""

import contextlib
import json
import re
import zipfile
from pathlib import Path

import keras

from genzoo import registry
from genzoo.discovery import installed
from genzoo.discovery.specs import path_of
from genzoo.model import GenerativeModel
from genzoo.registry import plugins


def load(path: str | Path, *, compile: bool = True) -> GenerativeModel:
    """The model in a ``.keras`` file or in a run directory, whole: weights, every optimizer, random state.

    Args:
        path: a ``.keras`` file, or a directory that ``genzoo train`` wrote.
        compile: whether to restore the optimizers too.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or is not a genzoo model, or the plugin that its model needs is not installed.
        genzoo.errors.PluginError: that plugin is broken.
    """
    path = Path(path)
    if path.is_dir():
        run, path = path / "run.json", path / "model.keras"
        if run.exists():  # whoever trained this run named the class; a bare file is not trusted to
            with contextlib.suppress(ValueError, KeyError):
                registry.spec(model_name(json.loads(run.read_text()))).load()
    if not path.exists():
        raise FileNotFoundError(f"There is no model at {path}. `genzoo train NAME --out DIR` makes one.")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise ValueError(f"{path} is not a whole .keras file ({error}). It may be truncated; copy it again.") from error
    if damaged:
        raise ValueError(f"{path} is damaged: its part {damaged!r} does not match its checksum. Copy it again.")
    _import_class(path, config)
    return keras.saving.load_model(path, compile=compile)


def model_name(run: dict) -> str:
    """The name of the model in ``run.json``: a plugin's full one, which no other plugin can take later."""
    plugin = run.get("plugin")
    return f"{plugin['distribution']}/{run['model'].rpartition('/')[2]}" if plugin else run["model"]


def _import_class(path, config):
    """Imports the model's class, so that Keras knows it.

    A file is not trusted: only what is registered or what an installed plugin declares is ever imported, and of the
    plugins only the one with this class, or those of the distribution that the file names.
    """
    name, target = config.get("registered_name"), f"{config.get('module')}:{config.get('class_name')}"
    registered = keras.saving.get_registered_object(name)
    if registered is not None and path_of(registered) == target:
        return
    for spec in registry.all_specs().values():
        if path_of(spec.target) == target:
            spec.load()
            return
    provider = _provider(config)
    if provider and plugins.bring(provider[0], target):
        return
    if keras.saving.get_registered_object(name) is not None:  # a class that has moved to another module
        return
    advice = "No installed package registers it. Install the package that it comes from, or import its module first."
    if provider:
        advice = installed.why_missing(*provider)
    raise ValueError(f"{path} holds a {config.get('class_name')!r} from {config.get('module')!r}. {advice}")


def _provider(config):
    """The distribution and version that the file says its class comes from, if both are well formed."""
    built = config.get("build_config")
    if not isinstance(built, dict):
        return None
    distribution, version, plain = built.get("distribution"), built.get("version"), r"[A-Za-z0-9][A-Za-z0-9.+!_-]{0,99}"
    if not isinstance(distribution, str) or not isinstance(version, str):
        return None
    return (distribution, version) if re.fullmatch(plain, distribution) and re.fullmatch(plain, version) else None
