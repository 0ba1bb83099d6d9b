"""What the docs' build adds: ``llms.txt`` (https://llmstxt.org), the pages and the models in one file, and each page's
Markdown beside its HTML, which that file links to.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from genzoo import registry

DOCS = Path(__file__).parent


def on_post_build(config):
    """Called by MkDocs once the site is written."""
    site = Path(config.site_dir)
    for _, page in pages(config.nav):
        shutil.copyfile(DOCS / page, site / page)
    (site / "llms.txt").write_text(llms_txt(config.nav, config.site_url or "", config.repo_url))


def llms_txt(nav: list, site_url: str, repo_url: str) -> str:
    """The file: what genzoo is, its pages, its models."""
    lines = [
        "# genzoo",
        "",
        f"> {_summary(DOCS / 'index.md')}",
        "",
        "## Docs",
        "",
        *(f"- [{title}]({site_url}{page}): {_summary(DOCS / page)}" for title, page in pages(nav)),
        "",
        "## Models",
        "",
        "`genzoo.get(NAME)` makes each of them.",
        "",
    ]
    for name in registry.list_models():
        model = registry.spec(name)
        if model.source == "genzoo":  # its own plugins too, but not those that happen to be installed
            path = model.target.partition(":")[0].replace(".", "/")
            lines.append(f"- [{name}]({repo_url}/blob/main/{path}.py): {model.summary}")
    return "\n".join(lines) + "\n"


def pages(nav: list) -> Iterator[tuple[str, str]]:
    """The title and the file of every page, in the order of the menu; sections may hold sections."""
    for entry in nav:
        for title, below in entry.items():
            if isinstance(below, str):
                yield title, below
            else:
                yield from pages(below)


def _summary(page: Path) -> str:
    """The first sentence below the page's title, without links."""
    paragraph = page.read_text().split("\n\n")[1]
    sentence = re.split(r"(?<=\.) (?=[A-Z])", " ".join(paragraph.split()))[0]
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", sentence)
