"""Loading model files, with errors that say what is wrong with them."""

import contextlib
import json
import re
import shlex
import sys
import zipfile
from pathlib import Path

import keras

from genzoo import registry, validation
from genzoo.discovery import installed
from genzoo.discovery.specs import load_target, path_of
from genzoo.errors import FileError
from genzoo.files import LARGEST_JSON, read_json_object
from genzoo.model import GenerativeModel
from genzoo.registry import plugins
from genzoo.registry.awaited import Awaited


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
    path = validation.path("path", path)
    if path.is_dir() and (path / "run.json").exists():
        with contextlib.suppress(ValueError):  # the model's file says itself what is missing
            _import_by_name(read_json_object(path / "run.json"))
    if path.is_dir():
        path = path / "model.keras"
    if not path.exists():
        raise FileNotFoundError(f"There is no model at {path}. `genzoo train NAME --out DIR` makes one.")
    config = _config(path, whole=True)
    _import_class(path, config)
    try:
        return keras.saving.load_model(path, compile=compile)
    except Exception as error:
        if installed.strict():
            raise
        told = re.sub(r"\s+", " ", str(error).strip())
        told = told if len(told) < 300 else f"{told[:300]} ..."
        raise FileError(f"{path} cannot be loaded ({type(error).__name__}: {told})") from error


def note(path: str | Path) -> dict | None:
    """The ``note`` that ``GenerativeModel.save`` was given for this ``.keras`` file, or None.

    Raises:
        ValueError: the file is truncated or is not a model's.
    """
    built = _config(path).get("build_config")
    found = built.get("note") if isinstance(built, dict) else None
    return found if isinstance(found, dict) else None


def named_class(name: str, trusted: bool = True) -> type:
    """The class of ``"package.module:Class"``.

    Args:
        name: its name.
        trusted: whether a user gave this name. A file's is not trusted: its module is not imported, and must be.

    Raises:
        ValueError: it is not imported and not trusted, there is none, or it is no model.
    """
    known = {path_of(spec.target) for spec in registry.all_specs().values()}
    if not trusted and name.partition(":")[0] not in sys.modules and name not in known:
        raise ValueError(f"The model is {name!r}, which is not imported because a file says so. {_how_to_trust(name)}")
    found = load_target(name)
    registry.check_is_model(name, found)
    return found


def _how_to_trust(name):
    return f"If you trust it, name it: --model {shlex.quote(name)}; or, in Python, import its module first."


def _import_by_name(run):
    """Imports the model that a run names, if it is registered or an installed plugin brings it."""
    if (
        isinstance(run.get("model"), str)
        and ":" not in run["model"]
        and isinstance(run.get("plugin"), (dict, type(None)))
    ):
        with contextlib.suppress(KeyError):
            registry.spec(model_name(run)).load()


def _config(path, whole=False) -> dict:
    """The configuration in a ``.keras`` file; ``whole`` also compares all parts with their checksums."""
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a .keras file but a folder or a device.")
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                damaged = archive.testzip() if whole else None
                if archive.getinfo("config.json").file_size > LARGEST_JSON:
                    raise ValueError("its config.json is too large")
                config = json.loads(archive.read("config.json"))
            if not isinstance(config, dict):
                raise ValueError("its config.json holds no object")
        except Exception as error:  # zipfile and zlib raise many kinds
            raise ValueError(
                f"{path} is not a whole .keras file ({str(error) or type(error).__name__}). It may be truncated; "
                "copy it again."
            ) from error
    if damaged:
        raise ValueError(f"{path} is damaged: its part {damaged!r} does not match its checksum. Copy it again.")
    return config


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
    registered = keras.saving.get_registered_object(name) if isinstance(name, str) else None
    registered = None if isinstance(registered, Awaited) else registered
    if config.get("module") is None and registered is not None:  # of the script or notebook that is running
        return
    if not all(isinstance(config.get(key), str) for key in ("module", "class_name")) or not isinstance(name, str):
        raise ValueError(f"{path} does not say which class its model is of. It is not a genzoo model.")
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
    advice = "No installed package registers it. Install the package that it comes from, or import its module first. "
    advice += _how_to_trust(target)
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
