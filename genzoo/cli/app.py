"""The commands. Keras is imported inside them, after ``--backend`` is known."""

import contextlib
import importlib.util
import json
import math
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from genzoo import registry
from genzoo.backend import BACKENDS
from genzoo.cli import ending
from genzoo.cli.printing import console, say, styled, table
from genzoo.cli.quiet import quiet
from genzoo.files import read_json_object

app = typer.Typer(
    name="genzoo",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


LARGEST_SIDE = 2**12  # of an image, in pixels
LARGEST_PICTURE = 2**27  # pixels, where Pillow's own limit is lifted


def _side(text, **options):
    return typer.Option(min=1, max=LARGEST_SIDE, help=text, **options)


class Backend(StrEnum):
    tensorflow = "tensorflow"
    torch = "torch"
    jax = "jax"


BackendOption = Annotated[Backend | None, typer.Option(help="Keras backend.", show_default="KERAS_BACKEND")]
RunBackendOption = Annotated[Backend | None, typer.Option(help="Keras backend.", show_default="the run's")]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="MODULE:CLASS", help="A class of your own that the model is of.")
]
Name = Annotated[str, typer.Argument(help="A model's name; `genzoo list` shows them.", show_default=False)]


def main() -> None:
    """Runs the command. An error becomes one line and exit code 2, or 1 where nobody gave anything wrong."""
    sys.path.insert(0, "")  # so that "module:Class" finds a module in this folder, as `python -m genzoo` does
    with quiet(), ending.terminable():
        sys.exit(ending.outcome(app))


@app.callback()
def version(show: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False) -> None:
    """Classic deep generative models for Keras 3, on TensorFlow, PyTorch and JAX."""
    if show:
        import genzoo

        say(genzoo.__version__)
        raise typer.Exit


@app.command("list")
def list_(pattern: Annotated[str, typer.Argument(help="Shell pattern, such as '*gan*'.")] = "*") -> None:
    """Shows the models there are."""
    rows = table("name", "tags", "what", "from")
    for name in registry.list_models(pattern):
        spec = registry.spec(name)
        rows.add_row(styled((name, "bold")), " ".join(sorted(spec.tags)), spec.summary, spec.source)
    if not rows.rows:
        raise ValueError(f"No model matches. Received: {pattern!r}. `genzoo list` shows all.")
    console.print(rows)


@app.command()
def plugins(backend: BackendOption = None) -> None:
    """Imports the installed plugins and shows them, and what is wrong with the broken ones."""
    _use(backend)
    from genzoo.cli.plugins import show

    show()


@app.command("new-plugin")
def new_plugin(
    name: Annotated[str, typer.Argument(help="The model's: lowercase kebab, such as 'my-gan'.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Directory to write.", show_default="genzoo-NAME")] = None,
) -> None:
    """Writes a package with a model of your own, ready to be installed, tested and published."""
    from genzoo.cli.new_plugin import new_plugin

    new_plugin(name, out)


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A name, 'dist/name' or 'module:Class'.", show_default=False)],
    backend: BackendOption = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A model's option.")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A check; may come again.")] = None,
) -> None:
    """Checks that a model keeps the contract of all models, and says how to mend what it breaks."""
    registry.spec(name)
    _use(backend)
    import keras

    from genzoo.cli.check import show

    if not show(name, keras.backend.backend(), _parsed(set_ or []), only or ()):
        raise typer.Exit(1)


@app.command()
def info(name: Name) -> None:
    """Shows a model's options, players, metrics, deviations from its paper, and reference."""
    from genzoo.cli.info import show

    show(name)


@app.command()
def cite(name: Name) -> None:
    """Prints the BibTeX of the papers that a model comes from."""
    say(registry.reference(name), lines=True)


@app.command()
def train(
    name: Annotated[
        str | None, typer.Argument(help="A model's name; `genzoo list` shows them.", show_default="the recipe's")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="'digits', a TFDS name, a folder of images or an .npz.", show_default="digits")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Part of the data to train on.", show_default="train")] = None,
    image_size: Annotated[int | None, _side("Resize images to this height and width.")] = None,
    background: Annotated[
        str | None, typer.Option(help="Colour behind transparent pixels.", show_default="white")
    ] = None,
    white: Annotated[float | None, typer.Option(help="White in files of 16 bits.", show_default="65535")] = None,
    binarise: Annotated[str | None, typer.Option(help="'dynamic', 'threshold' or the seed of a draw.")] = None,
    inputs: Annotated[str | None, typer.Option(help="Of pairs: 'A', '*_label.png' or 'left'.")] = None,
    targets: Annotated[str | None, typer.Option(help="Of pairs: 'B', '*_photo.jpg' or 'right'.")] = None,
    labels: Annotated[
        int | None, typer.Option(min=1, help="Images that keep theirs, of a classifier.", show_default="all")
    ] = None,
    labelled_fraction: Annotated[
        float | None, typer.Option(help="Their share of a batch.", show_default="half, with --labels")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data.", show_default="10")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images per step.", show_default="the model's")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="For every player.", show_default="the paper's")] = None,
    claim: Annotated[str | None, typer.Option(help="Begin with the recipe of a claim of `genzoo reproduce`.")] = None,
    config: Annotated[Path | None, typer.Option(help="Begin with the recipe in a TOML file.")] = None,
    backend: BackendOption = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A model's option.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory.", show_default="runs/NAME-DATA")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Fixes weights, noise and the order of the data.")] = 0,
) -> None:
    """Trains a model, with a grid of samples per epoch, and saves it."""
    if name is not None:
        registry.spec(name)  # an unknown name is refused before Keras costs seconds
    elif claim is None and config is None:
        raise typer.BadParameter("Name a model, or a recipe: --claim ID or --config FILE.", param_hint="NAME")
    if learning_rate is not None and not 0 < learning_rate < math.inf:
        raise ValueError(f"--learning-rate must be above 0, and finite. Received: {learning_rate}")
    if data is not None:
        _filled("--data", data)
    _use(backend)
    from genzoo.cli.train import train

    train(
        name, claim=claim, config=config, out=out, seed=seed, data=data, split=split, image_size=image_size,
        background=background, white=white, binarise=_number_or_word(binarise), inputs=inputs, targets=targets,
        labels=labels, labelled_fraction=labelled_fraction, epochs=epochs, batch_size=batch_size,
        learning_rate=learning_rate, options=_parsed(set_ or []),
    )  # fmt: skip


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(help="Run directory.", show_default=False)],
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs in all.", show_default="as first asked")] = None,
    backend: RunBackendOption = None,
    model: ModelOption = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, where the model is missing.")] = False,
) -> None:
    """Continues a run: exactly after a whole epoch; an epoch that was broken off is run again."""
    begun_on = _backend_of(run)
    if backend is None and begun_on is not None and importlib.util.find_spec(begun_on) is None:
        raise ModuleNotFoundError(
            f"{run} was begun on {begun_on}, which is not installed. Install it: pip install {begun_on}; or ask for "
            "another backend: --backend NAME"
        )
    _use(backend or begun_on)
    _name(model)
    from genzoo.cli.train import resume

    resume(run, epochs, restart)


@app.command()
def sample(
    source: Annotated[Path, typer.Argument(metavar="FILE_OR_RUN", help="A .keras file or a run.", show_default=False)],
    n: Annotated[int, typer.Option("-n", min=1, help="How many images.")] = 64,
    output: Annotated[Path, typer.Option("-o", "--output", help="Picture to write.")] = Path("grid.png"),
    columns: Annotated[int | None, typer.Option(min=1, help="Images per row.", show_default="square")] = None,
    label: Annotated[str | None, typer.Option(help="Class: its name or number.", show_default="all")] = None,
    sampler: Annotated[
        str | None, typer.Option(help="Of latents: 'gaussian-mixture', ...", show_default="the prior")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = 0,
    backend: RunBackendOption = None,
    named: ModelOption = None,
) -> None:
    """Writes a grid of new images. A sampler that the file does not hold is fitted to the run's data."""
    _use(backend or _backend_of(source, installed=True))
    _name(named)
    from genzoo import viz
    from genzoo.callbacks.grids import columns_of
    from genzoo.data.progress import telling
    from genzoo.experiments.runs import Run
    from genzoo.model import samplers
    from genzoo.registry import loading

    if sampler is not None:
        samplers.check_name(sampler)
    _file("--output", output)
    model = loading.load(source, compile=False)
    if source.is_dir() and sampler in samplers.NAMES[1:] and sampler not in model.fitted_samplers:
        with telling():
            images, _ = Run.open(source).data(model)
        model.fit_sampler(sampler, images)
    if label is None and columns is None:
        columns = columns_of(model, n)
    _fits(n, model.image_shape)
    images = model.sample(n, labels=_label(label, model.class_names), sampler=sampler, seed=seed)
    viz.save_image(output, viz.image_grid(images, columns))
    say(f"{n} images in {output}")


@app.command()
def evaluate(
    source: Annotated[Path, typer.Argument(metavar="RUN_OR_FILE", help="A run or a .keras file.", show_default=False)],
    metrics: Annotated[str | None, typer.Option(help="Names, with commas.", show_default="the usual ones")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Images to sample.")] = 10_000,
    data: Annotated[str | None, typer.Option(help="As for train.", show_default="the run's")] = None,
    split: Annotated[str | None, typer.Option(help="Part to judge by.", show_default="test, or else train")] = None,
    image_size: Annotated[int | None, _side("Resize real images.", show_default="the run's")] = None,
    features: Annotated[
        str | None, typer.Option(help="'mnist', 'fashion_mnist' or 'inception'.", show_default="the data's")
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="Of the latents.", show_default="the prior")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="METRIC.KEY=VALUE", help="Its argument.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of samples and estimates.")] = 0,
    backend: RunBackendOption = None,
    named: ModelOption = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File.", show_default="metrics.json")] = None,
) -> None:
    """Scores a trained model against data that it has not seen, and writes every score with its protocol."""
    if metrics is not None and not metrics.replace(",", " ").strip():
        raise ValueError(f"--metrics takes names, with commas. Received: {metrics!r}")
    if data is not None:
        _filled("--data", data)
    if output is not None:
        _file("--output", output)
    _use(backend or _backend_of(source, installed=True))
    _name(named)
    from genzoo.cli.evaluate import show

    show(
        source, metrics=metrics, samples=samples, data_name=data, split=split, image_size=image_size,
        features=features, sampler=sampler, arguments=_parsed(set_ or []), seed=seed, output=output,
    )  # fmt: skip


@app.command()
def reproduce(
    claims: Annotated[list[str] | None, typer.Argument(metavar="[CLAIM]...", help="Ids.", show_default=False)] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the claims, and how far they are.")] = False,
    table: Annotated[Path | None, typer.Option(help="Print the rows of this file as a Markdown table.")] = None,
    record: Annotated[Path | None, typer.Option(help="Add the row to this file.")] = None,
    out: Annotated[Path, typer.Option(help="Directory of the runs.")] = Path("runs/reproduce"),
    epochs: Annotated[int | None, typer.Option(min=1, help="Fewer than the claim's, to shorten it.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Fixes all that is random.", show_default="0")] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds 0, 1, ... and their mean.", show_default="the claim's")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Claims in TOML.", show_default="genzoo's own, and those of plugins")
    ] = None,
    backend: BackendOption = None,
) -> None:
    """Trains and scores what papers say of the models, and writes ours beside it. An interrupted one goes on."""
    if record is not None:
        _file("--record", record)
    _use(backend)
    from genzoo.cli.reproduce import show

    show(
        claims or [], list_=list_, table=table, record=record, out=out, epochs=epochs, seed=seed, seeds=seeds,
        file=file,
    )  # fmt: skip


def _use(backend):
    if backend is not None:
        if importlib.util.find_spec(backend.value) is None:
            raise ModuleNotFoundError(f"{backend} is not installed. Install it: pip install {backend}")
        os.environ["KERAS_BACKEND"] = backend.value


def _backend_of(source, installed=False):
    """The backend that a run was trained on, if it says so; or None, where it must be ``installed`` and is not."""
    if not (source / "run.json").exists():
        return None
    name = read_json_object(source / "run.json").get("backend")
    if name not in BACKENDS or (installed and importlib.util.find_spec(name) is None):
        return None
    return Backend(name)


def _name(model):
    """Imports the class that a user named: a file that names one is not enough."""
    if model is not None:
        from genzoo.registry import loading

        loading.named_class(model)


def _label(text, names):
    """A class as the model takes it: its name, if there is one of that name, or its number."""
    if text is not None and text not in (names or ()):
        with contextlib.suppress(ValueError):
            return int(text)
    return text


def _filled(option, value):
    if not value.strip():
        raise ValueError(f"{option} must not be empty. Received: {value!r}")


def _file(option, path):
    """Refuses what cannot become a file before anything has taken time."""
    if path.is_dir():
        raise IsADirectoryError(f"{option} is the name of a file. Received: the folder {path}")
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        raise NotADirectoryError(f"{option} cannot be written: {above} is no folder. Received: {path}")


def _fits(n, image_shape):
    """Refuses a picture that no program would open."""
    from PIL import Image

    limit = 2 * (Image.MAX_IMAGE_PIXELS or LARGEST_PICTURE)
    height, width = image_shape[:2] if image_shape else (1, 1)
    if n * height * width > limit:
        most = limit // (height * width)
        raise ValueError(
            f"-n must be at most {most} for images of {height}x{width}: a picture of more cannot be opened."
        )


def _number_or_word(text):
    return int(text) if text is not None and text.isdecimal() else text


def _parsed(pairs):
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ValueError(f"--set takes KEY=VALUE. Received: {pair!r}")
        options[key.replace("-", "_")] = _value(value)
    return options


def _value(text):
    """JSON, or one of Python's words for it; what is neither is a string."""
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text, text)
    except RecursionError as error:
        raise ValueError(
            f"--set takes KEY=VALUE. Received: a value of {len(text)} characters, nested too deep"
        ) from error
