"""Every link in the documentation to a file or a heading of this repository leads somewhere."""

import re
import unicodedata
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PARSER = MarkdownIt("commonmark").enable("table")


def inline(tokens: list[Token]) -> list[Token]:
    """All tokens, also those inside of others, as images in links are."""
    return [each for token in tokens for each in (token, *inline(token.children or []))]


def links(page: Path) -> list[str]:
    tokens = inline(PARSER.parse(page.read_text("utf-8")))
    found = [token.attrs.get("href") or token.attrs.get("src") for token in tokens]
    return [str(link) for link in found if link]


def anchors(page: Path) -> set[str]:
    """The anchors that forges make of headings."""
    tokens = PARSER.parse(page.read_text("utf-8"))
    texts = [
        "".join(each.content for each in inline(after.children or []) if not each.children)
        for heading, after in pairwise(tokens)
        if heading.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def test_there_are_pages_with_links():
    assert len(PAGES) > 15
    assert sum(len(links(page)) for page in PAGES) > 80


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_local_links_resolve(page):
    for link in links(page):
        target, _, anchor = unquote(link).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        assert not target.startswith("/"), f"{link}: not relative"
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{link}: no such file"
        if anchor and path.suffix == ".md":
            assert unicodedata.normalize("NFC", anchor) in anchors(path), f"{link}: no such heading"


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A *heading*\n\n[a](#a-heading) ![b](b.svg) [c](#c)\n")
    assert links(page) == ["#a-heading", "b.svg", "#c"]
    assert anchors(page) == {"a-heading"}
    with pytest.raises(AssertionError, match=r"b\.svg: no such file"):
        test_local_links_resolve(page)
    (tmp_path / "b.svg").write_text("")
    with pytest.raises(AssertionError, match="#c: no such heading"):
        test_local_links_resolve(page)
