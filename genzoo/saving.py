"""Loading model files, with errors that say what is wrong with them."""

import contextlib
import json
import zipfile
from pathlib import Path

import keras

from genzoo import registry
from genzoo.model import GenerativeModel


def load(path: str | Path, *, compile: bool = True) -> GenerativeModel:
    """The model in a ``.keras`` file or in a run directory, whole: weights, every optimizer, random state.

    Args:
        path: a ``.keras`` file, or a directory that ``genzoo train`` wrote.
        compile: whether to restore the optimizers too.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or is not a genzoo model.
    """
    path = Path(path)
    if path.is_dir():
        run, path = path / "run.json", path / "model.keras"
        if run.exists():  # whoever trained this run named the class; a bare file is not trusted to
            with contextlib.suppress(ValueError, KeyError):
                registry.spec(json.loads(run.read_text())["model"]).load()
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


def _import_class(path, config):
    """Imports the model's class, so that Keras knows it. Only registered targets are ever imported."""
    if keras.saving.get_registered_object(config.get("registered_name")):
        return
    target = f"{config.get('module')}:{config.get('class_name')}"
    for spec in registry.all_specs().values():
        if spec.target == target:
            spec.load()
            return
    raise ValueError(
        f"{path} holds a {config.get('class_name')!r} from {config.get('module')!r}, which no installed package "
        "registers. Install the package that it comes from, or import its module before loading."
    )
