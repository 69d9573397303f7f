"""The documentation: every link leads somewhere, every page is in the menu, the site asks no other machine."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mewayz.modules import REPOSITORY

_DOCS = REPOSITORY / "docs"
_PAGES = sorted([*REPOSITORY.glob("*.md"), *_DOCS.rglob("*.md")])
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    wrong = []
    for link in _LINK.findall(_CODE.sub("``", page.read_text())):
        target, _, anchor = link.partition("#")
        if ":" in target:  # another machine's
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            wrong.append(link)

    assert wrong == []


def test_every_page_is_in_the_sites_menu_and_in_the_index() -> None:
    menu = str(tomllib.loads((REPOSITORY / "zensical.toml").read_text())["project"]["nav"])
    index = (_DOCS / "README.md").read_text()
    pages = [str(page.relative_to(_DOCS)) for page in _DOCS.rglob("*.md")]

    assert [page for page in pages if f"'{page}'" not in menu and "decisions/0" not in page] == []
    assert [page for page in pages if f"({page})" not in index and not page.startswith(("README", "decisions/"))] == []
    decisions = (_DOCS / "decisions" / "README.md").read_text()
    assert [one.name for one in (_DOCS / "decisions").glob("0*.md") if f"({one.name})" not in decisions] == []


@pytest.mark.timeout(120)
def test_the_site_is_built_without_a_warning_and_asks_no_other_machine(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "zensical.toml", tmp_path)
    shutil.copytree(_DOCS, tmp_path / "docs")
    command = [str(Path(sys.executable).parent / "zensical"), "build", "--strict", "--clean"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)

    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "var" / "site").rglob("*.html"))
    assert len(pages) > len(list(_DOCS.rglob("*.md")))  # and 404.html
    loaded = r"""<(?:script|img|iframe)[^>]+src=["']?https?:|<link[^>]+rel=["']?stylesheet["']?[^>]+href=["']?https?:"""
    assert [page.name for page in pages if re.search(loaded, page.read_text())] == []
    assert (tmp_path / "var" / "site" / "images" / "architecture.svg").exists()


def test_every_picture_of_a_diagram_is_there_and_names_no_other_machine() -> None:
    sources = list(_DOCS.rglob("*.mmd"))

    assert sources
    for path in [source.with_suffix(".svg") for source in sources] + [_DOCS / "images" / "up.svg"]:
        urls = set(re.findall(r"https?://[^\"'\s)<&]+", path.read_text()))
        assert {url for url in urls if not url.startswith("http://www.w3.org/")} <= _SHOWN_TEXT, path


_SHOWN_TEXT = {  # and Rich's comment of who drew it
    "https://www.textualize.io",
    "http://localhost:8000",
    "http://localhost:8000/graphql",
    "http://localhost:8000/graphiql",
}


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    words = (re.sub(r"[^\w\s-]", "", heading.lower()) for heading in _HEADING.findall(page.read_text()))
    return {re.sub(r"\s", "-", one.strip()) for one in words}
