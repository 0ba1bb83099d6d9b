"""The folder of plugins that tests of the registry share."""

import pytest
from plugin_packages import BROKEN, WORKING, forget, install

from genzoo import registry


@pytest.fixture(scope="session")
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
