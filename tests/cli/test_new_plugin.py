"""``genzoo new-plugin``, the package that it writes, and the tutorial that is about it."""

import ast
import fnmatch
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import keras
import pytest
from places import ROOT
from processes import environment
from typer.testing import CliRunner

from genzoo.cli.app import app
from genzoo.cli.new_plugin import TEMPLATE, files, names_for, write
from genzoo.discovery.installed import Plugin
from genzoo.registry.plugins import models_of
from genzoo.testing import CHECKS

EXAMPLE = ROOT / "examples" / "genzoo-hello"
PAGE = ROOT / "docs" / "plugins.md"


def genzoo_(*arguments):
    """Runs the command in this process; returns what it printed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exit_code:
        raise result.exception
    return result.output


def files_below(directory):
    return {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}


# What is written.


def test_the_example_is_what_the_command_writes():
    ignored = [line.rstrip("/") for line in (EXAMPLE / ".gitignore").read_text().split()]
    kept = {
        path: file.read_text(encoding="utf-8")
        for path, file in files_below(EXAMPLE).items()
        if not any(fnmatch.fnmatch(part, pattern) for part in Path(path).parts for pattern in ignored)
    }
    # If not: rm -r examples/genzoo-hello; genzoo new-plugin hello --out examples/genzoo-hello
    assert kept == files(names_for("hello"))


@pytest.mark.parametrize(
    ("name", "package", "module", "cls"),
    [
        ("hello", "genzoo-hello", "genzoo_hello", "Hello"),
        ("my-gan", "genzoo-my-gan", "genzoo_my_gan", "MyGan"),
        ("vae2-x", "genzoo-vae2-x", "genzoo_vae2_x", "Vae2X"),
    ],
)
def test_all_names_follow_from_the_models(name, package, module, cls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = genzoo_("new-plugin", name)
    assert [path.name for path in tmp_path.iterdir()] == [package]
    written = {path: file.read_text(encoding="utf-8") for path, file in files_below(tmp_path / package).items()}
    assert written == files(names_for(name))
    assert not re.search("@[A-Z]+@", "".join([*written, *written.values()]))
    project = tomllib.loads(written["pyproject.toml"])
    assert project["project"]["name"] == package
    assert project["project"]["entry-points"]["genzoo.models"] == {name: f"{module}:{cls}"}
    assert project["tool"]["setuptools"]["py-modules"] == [module]
    defined = [node.name for node in ast.parse(written[f"{module}.py"]).body if isinstance(node, ast.ClassDef)]
    assert defined == [cls]
    assert f"  pip install -e './{package}[test]'  " in printed
    assert f"  pytest {package}  " in printed
    assert f"  genzoo train {name} --data digits" in printed
    for path in written:
        assert f"  {path}" in printed


def test_the_template_belongs_to_the_distribution():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["genzoo"]
    for file in TEMPLATE.iterdir():
        assert any(fnmatch.fnmatch(file.relative_to(ROOT / "genzoo").as_posix(), pattern) for pattern in patterns)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My_GAN", r"lowercase kebab.* Received: 'My_GAN'. Did you mean 'my-gan'\?"),
        ("myGan", r"Received: 'myGan'. Did you mean 'my-gan'\?"),
        ("a--b", r"Did you mean 'a-b'\?"),
        ("3d", "begins with a letter, such as 'my-gan'. Received: '3d'.$"),
        ("none", "Received: 'none'.$"),
        ("../up", r"Did you mean 'up'\?"),
        ("", "Received: ''.$"),
        ("genzoo-hello", "Received: 'genzoo-hello'. Write: genzoo new-plugin hello$"),
        ("genzoo", "Write: genzoo new-plugin my-gan$"),
        ("vae", "'vae' is taken by a model of genzoo. Choose another, such as 'my-vae'.$"),
        ("plugins", "another module that is called 'genzoo_plugins'.*'my-plugins'"),
    ],
)
def test_names_that_cannot_be_are_refused(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        genzoo_("new-plugin", name)
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, message in (("full", "is not empty. Choose another directory: --out DIR"), ("file", "is a file")):
        with pytest.raises(FileExistsError, match=message):
            genzoo_("new-plugin", "hello-there", "--out", tmp_path / name)
    assert sorted(files_below(tmp_path)) == ["file", "full/mine.txt"]


def test_an_empty_directory_is_filled_and_stays_the_same_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = genzoo_("new-plugin", "hello-there", "--out", ".")
    assert set(files_below(Path())) == set(files(names_for("hello-there")))
    assert "pip install -e '.[test]'" in printed


@pytest.mark.parametrize("directory", ["new/deep", "empty"])
def test_all_is_written_or_nothing(directory, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(OSError, match="a"):
        write(tmp_path / directory, {"a": "a file", "a/b": "cannot be below a file"})
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


# The package, installed by pip as a stranger's would be.


class Environment:
    """A virtual environment that sees this one's packages, and has its own beside them."""

    def __init__(self, folder):
        self.folder, self.python = folder, folder / "env" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
        outer = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})"
        (site,) = (folder / "env").glob("lib/python*/site-packages")
        (site / "outer.pth").write_text(outer)

    def pip(self, *arguments):
        command = [sys.executable, "-m", "pip", "--python", self.python, "--disable-pip-version-check", *arguments]
        done = subprocess.run(list(map(str, command)), cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def install(self, package):
        self.pip("install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", package)

    def run(self, *arguments, code=0):
        """Runs ``python`` in the folder; returns its output and its errors."""
        changes = {"KERAS_BACKEND": keras.config.backend(), "COLUMNS": 120, "PYTHONPATH": None}
        done = subprocess.run(
            [self.python, *map(str, arguments)],
            cwd=self.folder, env=environment(**changes), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout, done.stderr


USE = """
import genzoo
from genzoo.cli.app import app

train = "train hello --data digits --epochs 1 --out run --set hidden_dim=16"
app(train.split(), standalone_mode=False)
assert genzoo.list_models("hello", tags="mmd") == ["hello"]
model = genzoo.get("hello", hidden_dim=16, seed=0)
history = model.fit(genzoo.data.load("digits", batch_size=200), steps_per_epoch=1, verbose=0).history
assert 0 < history["loss"][0] < 2, history
app("sample run -n 9 -o nine.png".split(), standalone_mode=False)
genzoo.cite("hello")
"""


@pytest.mark.once
def test_a_plugin_is_installed_used_and_removed(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "source")  # pip leaves its build where the source is
    installed = Environment(tmp_path)
    installed.install(tmp_path / "source")
    listed, _ = installed.run("-m", "genzoo", "list", "hello")
    assert re.search(r"^hello +mmd +Generative moment matching network.* genzoo-hello *$", listed, re.MULTILINE)

    printed, _ = installed.run("-c", USE)
    assert "Samples: run/samples/epoch-001.png\n9 images in nine.png\n@inproceedings{li2015generative," in printed
    for picture in ("run/samples/epoch-001.png", "nine.png"):
        assert (tmp_path / picture).stat().st_size > 500

    installed.pip("uninstall", "--yes", "--quiet", "genzoo-hello")
    _, errors = installed.run("-m", "genzoo", "sample", "run", code=1)
    assert "pip install genzoo-hello" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "grid.png").exists()


@pytest.mark.parametrize(
    "tests",
    [
        pytest.param("fits_one_batch or docstring_is_complete or definition", id="some"),
        pytest.param("", id="all", marks=pytest.mark.slow),
    ],
)
def test_a_new_plugin_passes_its_own_tests(tests, tmp_path):
    genzoo_("new-plugin", "some-name", "--out", tmp_path / "source")
    installed = Environment(tmp_path)
    installed.install(tmp_path / "source")
    printed, _ = installed.run(
        "-m", "pytest", "-q", "--rootdir=source", "-c", "source/pyproject.toml", "-k", tests, "source"
    )
    passed = int(re.search(r"(\d+) passed", printed)[1])
    assert passed == 3 if tests else passed > len(CHECKS) / 2


# The page for plugin authors.


def test_the_tutorials_code_is_the_examples():
    blocks = re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE.read_text(), re.MULTILINE | re.DOTALL)
    shown = [title for title, _ in blocks]
    assert {"genzoo_hello.py", "pyproject.toml", "tests/test_hello.py"} <= set(shown)
    for title, text in blocks:
        if (EXAMPLE / title).exists():
            assert text in (EXAMPLE / title).read_text(), title


def test_the_tutorial_shows_what_the_command_prints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f'title="genzoo new-plugin hello"\n{genzoo_("new-plugin", "hello").rstrip()}\n```' in PAGE.read_text()


def test_the_page_lists_every_check():
    def row(name, run):
        models = " ".join(f"`{tag}`" for tag in sorted(run.needs)) or (
            f"all but `{run.unless}`" if run.unless else "all"
        )
        return f"| `{name}` | {run.contract.replace('``', '`')} | {models} |"

    section = PAGE.read_text().partition("| check |")[2].partition("\n\n")[0]
    assert section.splitlines()[2:] == [row(*item) for item in CHECKS.items()]


def test_the_pages_function_of_models_is_one(monkeypatch, tmp_path):
    (source,) = re.findall(r'title="genzoo_pack.py"\n(.*?)^```$', PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "genzoo_pack.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    point = Plugin("pack", "genzoo_pack:models", "genzoo-pack", "1.0")
    assert [model.name for model in models_of(point)] == ["pack-small", "pack-large"]
    assert all(point.may_serve(model.name) for model in models_of(point))
