"""What the pages link to is there, and what names the version or the models names the right ones."""

import re
import runpy

import pytest
from places import ROOT

import genzoo

pytestmark = pytest.mark.once

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
OWN = r"https://(?:github\.com/genzoo/genzoo/(?:blob|tree)/main|raw\.githubusercontent\.com/genzoo/genzoo/main)/([^#\s)]+)"


def links_of(text):
    return re.findall(r"\]\(([^)#]+)", text) + re.findall(r"^\[[^\]]+\]: (\S+)", text, re.MULTILINE)


def own_files(text):
    """The files of this repository that a text links to by their public address."""
    return re.findall(OWN, text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text()
    missing = [link for link in links_of(text) if not link.startswith("http") and not (page.parent / link).exists()]
    missing += [file for file in own_files(text) if not (ROOT / file).exists()]
    assert not missing


def test_the_readme_reads_well_away_from_the_repository():
    text = (ROOT / "README.md").read_text()
    assert [link for link in links_of(text) if not link.startswith("https://")] == []
    named = re.findall(r"^\[([^\]]+)\]: ", text, re.MULTILINE)
    assert [name for name in re.findall(r"\]\[([^\]]+)\]", text) if name.lower() not in named] == []
    assert [name for name in named if text.lower().count(f"[{name}]") < 2] == []  # named, and used nowhere


def test_the_citation_is_of_this_version():
    assert re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1] == genzoo.__version__


def test_llms_txt_names_every_page_and_every_model():
    llms_txt = runpy.run_path(str(ROOT / "docs" / "hooks.py"))["llms_txt"]
    nav = [{"Home": "index.md"}, {"More": [{"Plugins": "plugins.md"}, {"Speed": "speed.md"}]}]
    text = llms_txt(nav, "https://docs.example/", "https://github.com/genzoo/genzoo")
    head, docs, models = re.split(r"^## .*\n", text, flags=re.MULTILINE)
    assert head.startswith("# genzoo\n\n> Classic deep generative models")
    assert re.findall(r"^- \[(.+)\]\((.+)\): \S.+", docs, re.MULTILINE) == [
        (title, f"https://docs.example/{page}")
        for title, page in (("Home", "index.md"), ("Plugins", "plugins.md"), ("Speed", "speed.md"))
    ]
    names = re.findall(r"^- \[(.+)\]\(.+\): \S.+", models, re.MULTILINE)
    assert {"vae", "dcgan", "lapgan"} <= set(names) <= set(genzoo.list_models())
    assert len(own_files(models)) == len(names)
    assert [file for file in own_files(models) if not (ROOT / file).exists()] == []
