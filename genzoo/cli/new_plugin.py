"""``genzoo new-plugin``: writes a package with one model, ready to be installed, tested and published.

What it writes for the name ``hello`` is ``examples/genzoo-hello``, file by file.
"""

import contextlib
import importlib.util
import keyword
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

import genzoo
from genzoo import registry
from genzoo.cli.printing import console, styled
from genzoo.files import expanded

TEMPLATE = Path(__file__).with_name("plugin_template")
FILES = (  # what is written, from which part of the template, and what it is for
    ("@MODULE@.py", "model.py.in", "the model: it trains as it stands; make it yours"),
    ("tests/test_@SNAKE@.py", "test_model.py.in", "genzoo's checks, and tests of the model's own"),
    ("pyproject.toml", "pyproject.toml.in", "the package, and the line by which genzoo finds its model"),
    ("README.md", "README.md.in", "how to install, test and publish it"),
    (".github/workflows/test.yml", "test.yml.in", "the tests on all three backends"),
    (".gitignore", "gitignore.in", ""),
)


class Names(NamedTuple):
    """What a plugin's parts are called: for ``my-gan``, ``genzoo-my-gan``, ``genzoo_my_gan`` and ``MyGan``."""

    model: str
    package: str
    module: str
    cls: str

    @property
    def fields(self) -> dict[str, str]:
        """What the template's marks stand for."""
        return {
            "@NAME@": self.model,
            "@SNAKE@": self.model.replace("-", "_"),
            "@PACKAGE@": self.package,
            "@MODULE@": self.module,
            "@CLASS@": self.cls,
            "@GENZOO@": compatible(genzoo.__version__),
        }


def new_plugin(name: str, out: Path | None = None) -> None:
    """Writes the package and says what to do next.

    Args:
        name: the model's, lowercase kebab.
        out: the directory, by default ``genzoo-NAME`` in this one. There must be none, or an empty one.

    Raises:
        ValueError: the name is none, or taken.
        FileExistsError: there is something in the directory's place.
    """
    names = names_for(name)
    refuse_taken(names)
    directory = Path(names.package) if out is None else expanded(out)
    write(directory, files(names))
    _show(names, directory)


def names_for(name: str) -> Names:
    """The names of a plugin's parts, from that of its model."""
    kebab = "-".join(re.findall("[a-z0-9]+", re.sub("(?<=[a-z])(?=[A-Z])", "-", name).lower()))
    if name == "genzoo" or re.match("genzoo[-_]", name):
        model = kebab.removeprefix("genzoo").removeprefix("-") or "my-gan"
        raise ValueError(
            f"Expected the name of the model; its package is then called genzoo-NAME. Received: {name!r}. "
            f"Write: genzoo new-plugin {model}"
        )
    cls = "".join(part.capitalize() for part in name.split("-"))
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(cls):
        meant = f" Did you mean {kebab!r}?" if kebab[:1].isalpha() and kebab != name else ""
        raise ValueError(
            f"A model's name is lowercase kebab and begins with a letter, such as 'my-gan'. Received: {name!r}.{meant}"
        )
    return Names(name, f"genzoo-{name}", f"genzoo_{name.replace('-', '_')}", cls)


def refuse_taken(names: Names) -> None:
    """Raises if a model or a module of this name is installed."""
    sources = {name.rpartition("/")[2]: spec.source for name, spec in registry.all_specs().items()}
    if names.model in sources:
        source = sources[names.model]
        remove = "" if source in ("genzoo", "registered") else f", or remove that one: pip uninstall {source}"
        raise ValueError(
            f"The name {names.model!r} is taken by a model of {source}. Choose another, such as "
            f"'my-{names.model}'{remove}."
        )
    if importlib.util.find_spec(names.module) is not None:
        raise ValueError(
            f"Python finds another module that is called {names.module!r}. Received: {names.model!r}. "
            f"Choose another name, such as 'my-{names.model}'."
        )


def files(names: Names) -> dict[str, str]:
    """The package: the text of every file by its path."""
    return {
        _filled(path, names): _filled((TEMPLATE / part).read_text(encoding="utf-8"), names) for path, part, _ in FILES
    }


def write(directory: Path, files: dict[str, str]) -> None:
    """Writes files into a new directory: all of them or none."""
    if directory.is_dir() and any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty. Choose another directory: --out DIR")
    if directory.exists() and not directory.is_dir():
        raise FileExistsError(f"{directory} is a file. Choose a directory: --out DIR")
    directory = directory.resolve()
    made = [parent for parent in directory.parents if not parent.exists()]
    beside = directory.parent / f".{directory.name}.{os.getpid()}.new"
    try:
        for path, text in files.items():
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            (beside / path).write_text(text, encoding="utf-8", newline="\n")
        if directory.exists():  # perhaps somebody's working directory, which must stay the same one
            for part in beside.iterdir():
                part.rename(directory / part.name)
            beside.rmdir()
        else:
            beside.rename(directory)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def compatible(version: str) -> str:
    """The requirement of a plugin that was written for this version of genzoo.

    >>> compatible("0.1.0"), compatible("1.4.2")
    ('genzoo>=0.1,<0.2', 'genzoo>=1.4,<2')
    """
    major, minor = (int(part) for part in version.split(".")[:2])
    return f"genzoo>={major}.{minor},<{f'0.{minor + 1}' if major == 0 else major + 1}"


def _filled(text, names):
    for mark, value in names.fields.items():
        text = text.replace(mark, value)
    return text


def _show(names, directory):
    where = str(directory)
    here = where if directory.is_absolute() or where.startswith(".") else f"./{where}"
    told = styled("A package with the model ", (names.model, "bold"), " is in ", (where, "bold"))
    console.print(told, soft_wrap=True)
    _lines([(_filled(path, names), purpose) for path, _, purpose in FILES])
    console.print("Next", style="bold")
    commands = (
        (f"pip install -e {shlex.quote(here + '[test]')}", "# from now on `genzoo list` shows it"),
        (f"pytest {shlex.quote(where)}", "# on the backend of KERAS_BACKEND"),
        (f"genzoo train {names.model} --data digits --epochs 200", "# a grid of samples per epoch"),
    )
    _lines(commands)


def _lines(rows):
    """Two columns, the second one dim. Lines are not broken, so that commands can be copied."""
    width = max(len(left) for left, _ in rows)
    for left, right in rows:
        text = styled(f"  {left:{width}}  ", (right, "dim")) if right else f"  {left}"
        console.print(text, soft_wrap=True)
    console.print()
