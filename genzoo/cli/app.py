"""The commands. Keras is imported inside them, after ``--backend`` is known."""

import contextlib
import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from genzoo import registry

app = typer.Typer(
    name="genzoo",
    help="Classic deep generative models for Keras 3, on TensorFlow, PyTorch and JAX.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()


class Backend(StrEnum):
    tensorflow = "tensorflow"
    torch = "torch"
    jax = "jax"


BackendOption = Annotated[Backend | None, typer.Option(help="Keras backend.", show_default="KERAS_BACKEND")]
Name = Annotated[str, typer.Argument(help="A model's name; `genzoo list` shows them.", show_default=False)]


def main() -> None:
    """Runs the command; known errors become one line and exit code 1."""
    try:
        app()
    except (ValueError, OSError, ModuleNotFoundError, NotImplementedError) as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]Error:[/] {_escaped(_one_line(error))}", highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)


@app.command("list")
def list_(pattern: Annotated[str, typer.Argument(help="Shell pattern, such as '*gan*'.")] = "*"):
    """Shows the models there are."""
    table = Table(box=None, pad_edge=False)
    for column in ("name", "tags", "what", "from"):
        table.add_column(column, style="bold" if column == "name" else None)
    for name in registry.list_models(pattern):
        spec = registry.spec(name)
        table.add_row(name, " ".join(sorted(spec.tags)), spec.summary, spec.source)
    if not table.rows:
        raise ValueError(f"No model matches. Received: {pattern!r}. `genzoo list` shows all.")
    console.print(table)


@app.command()
def info(name: Name):
    """Shows a model's options, players, metrics and reference."""
    cls = registry.spec(name).load()
    model = registry.get(name)
    table = Table("option", "default", box=None, pad_edge=False)
    for option in cls.options():
        table.add_row(option, repr(getattr(model, option)))
    players = Table("player", "moves", "optimizer", box=None, pad_edge=False)
    for player, networks in cls.players.items():
        optimizer = model.optimizer[player]
        rate = f"{float(optimizer.learning_rate):g}"
        players.add_row(player, ", ".join(networks), f"{type(optimizer).__name__}, learning rate {rate}")
    metrics = Table("metric", "what", box=None, pad_edge=False)
    for metric in model.metrics:
        metrics.add_row(metric.name, cls.logs.get(metric.name, "objective of the player, averaged over the epoch"))
    import inspect

    console.print(_escaped(inspect.cleandoc(cls.__doc__).split("\n\nArgs:")[0]), highlight=False)
    for shown in (table, players, metrics):
        console.print()
        console.print(shown)
    console.print(f"\nBatch size {cls.batch_size}. Tags: {', '.join(sorted(cls.tags))}.", highlight=False)
    console.print(f"Set an option with --set, as in: genzoo train {name} --set {next(iter(cls.options()))}=...")


@app.command()
def train(
    name: Name,
    data: Annotated[str, typer.Option(help="'digits', a TFDS name, a folder of images or an .npz.")] = "digits",
    split: Annotated[str, typer.Option(help="Part of the data to train on.")] = "train",
    image_size: Annotated[int | None, typer.Option(help="Resize images to this height and width.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the data.")] = 10,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images per step.", show_default="the model's")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="For every player.", show_default="the paper's")] = None,
    backend: BackendOption = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A model's option.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory.", show_default="runs/NAME-DATA")] = None,
    seed: Annotated[int, typer.Option(help="Fixes weights, noise and the order of the data.")] = 0,
):
    """Trains a model, with a grid of samples per epoch, and saves it."""
    _use(backend)
    options = {"seed": seed, **_parsed(set_ or [])}
    directory = out or _runs().free_directory("runs", f"{name}-{Path(data).stem}".replace("/", "-"))
    model = registry.get(name, **options)
    if learning_rate is not None:
        for player in model.optimizer.names:
            model.optimizer[player].learning_rate = learning_rate
    config = {
        "model": name,
        "options": options,
        "data": {"name": data, "split": split, "image_size": image_size, "batch_size": batch_size or model.batch_size},
        "seed": seed,
        "epochs": epochs,
    }
    loaded = _load_data(config)
    _train(_runs().Run.create(directory, config), model, loaded, epochs)


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(help="Run directory.", show_default=False)],
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs in all.", show_default="as first asked")] = None,
    backend: BackendOption = None,
):
    """Continues a run where it stopped, as if it had never stopped."""
    _use(backend)
    opened = _runs().Run.open(run)
    epochs = epochs or opened.config["epochs"]
    if opened.config["epochs_done"] >= epochs:
        raise ValueError(
            f"{run} has {opened.config['epochs_done']} of {epochs} epochs already. Ask for more: --epochs."
        )
    _train(opened, opened.model(), _load_data(opened.config), epochs)


@app.command()
def sample(
    source: Annotated[Path, typer.Argument(metavar="FILE_OR_RUN", help="A .keras file or a run.", show_default=False)],
    n: Annotated[int, typer.Option("-n", min=1, help="How many images.")] = 64,
    output: Annotated[Path, typer.Option("-o", "--output", help="Picture to write.")] = Path("grid.png"),
    columns: Annotated[int | None, typer.Option(min=1, help="Images per row.", show_default="square")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    backend: BackendOption = None,
):
    """Writes a grid of new images."""
    _use(backend)
    from genzoo import saving, viz

    model = saving.load(source, compile=False)
    viz.save_image(output, viz.image_grid(model.sample(n, seed=seed), columns))
    console.print(f"{n} images in {output}", highlight=False)


def _train(run, model, data, epochs):
    first = run.config["epochs_done"]
    console.print(f"{run.config['model']} on {run.config['data']['name']}, {_backend()}, into {run.directory}")
    stopped = run.train(model, data, epochs)
    done = run.config["epochs_done"]
    if stopped.received:
        console.print(f"\nStopped in epoch {done + 1}. The model is saved in {run.model_path}", highlight=False)
        console.print(f"Go on: genzoo resume {run.directory}", highlight=False)
        sys.exit(128 + stopped.received)
    console.print(f"Epochs {first + 1} to {done}. Model: {run.model_path}", highlight=False)
    console.print(f"Samples: {run.directory}/samples/epoch-{done:03d}.png", highlight=False)


def _load_data(config):
    from genzoo import data

    source = config["data"]
    return data.load(
        source["name"],
        source["split"],
        batch_size=source["batch_size"],
        image_size=source["image_size"],
        shuffle=True,
        seed=config["seed"],
    )


def _use(backend):
    if backend is not None:
        os.environ["KERAS_BACKEND"] = backend.value


def _backend():
    import keras

    return keras.backend.backend()


def _runs():
    from genzoo import runs

    return runs


def _parsed(pairs):
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ValueError(f"--set takes KEY=VALUE. Received: {pair!r}")
        options[key.replace("-", "_")] = value
        with contextlib.suppress(ValueError):  # what is not JSON is a string
            options[key.replace("-", "_")] = json.loads(value)
    return options


def _one_line(error):
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror}: {error.filename}"
    return str(error)


def _escaped(text):
    from rich.markup import escape

    return escape(text)
