"""The built site: whole, closed to the network, and without serious findings of accessibility.

`make docs` builds it, with a gallery that trains; the tests here look at what it left.
"""

import functools
import html
import http.server
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

SITE = Path(__file__).parents[2] / "build" / "site"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PAGES = (
    *("index.html", "which.html", "extending.html", "concepts/sharpness.html"),
    *("auto_gallery/index.html", "auto_gallery/plot_learning_curves.html", "search.html"),
    *("tutorials/01-first-study.html", "api/sparsity.html"),
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not (SITE / "index.html").exists(), reason="`make docs` has not been run"),
]


class _Page(HTMLParser):
    """Anchors of a page, what it links to, and what a browser fetches for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[key] for key in ("id", "name") if key in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("index", "search", "next", "prev"):
            self.fetched.append(given["href"])
        elif "src" in given:
            self.fetched.append(given["src"])


@functools.cache
def page(path: Path) -> _Page:
    return _Page(path.read_text("utf-8"))


def test_every_link_within_the_site_leads_somewhere():
    broken, count = [], 0
    for path in SITE.rglob("*.html"):
        for link in (*page(path).links, *page(path).fetched):
            parts = urlparse(link)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or (
                anchor and target.suffix == ".html" and anchor not in page(target).anchors
            ):
                broken.append(f"{path.relative_to(SITE)}: {link}")
    assert count > 5000
    assert broken == []


def test_pages_fetch_nothing_from_elsewhere():
    foreign = {
        f"{path.relative_to(SITE)}: {link}"
        for path in SITE.rglob("*.html")
        for link in page(path).fetched
        if urlparse(link).netloc
    }
    assert foreign == set()
    assert not [
        f"{path.name}: {found}"
        for path in SITE.rglob("*.css")
        for found in re.findall(r"(?:url\(|@import)\s*[\"']?(https?:)?//[^)]*", path.read_text())
    ]


@pytest.fixture
def served() -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_open_without_fault_in_a_browser(served, dark, tmp_path):
    axe = (files("axe_core_python") / "axe.min.js").read_text()
    around = SITE / "_around.html"  # of one origin with the pages, so that it may look into them
    around.write_text(f"<script>{axe}</script><script>{LOOK % json.dumps(PAGES)}</script><body>")
    try:
        done = subprocess.run(
            [
                *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"),
                *(f"--user-data-dir={tmp_path}", "--virtual-time-budget=240000"),
                *(f"--blink-settings=preferredColorScheme={0 if dark else 1}",),
                f"{served}/_around.html",
            ],
            capture_output=True, text=True, timeout=600, check=True,
        )  # fmt: skip
    finally:
        around.unlink()
    found = [json.loads(html.unescape(each)) for each in re.findall("PROBE({.*?})END", done.stdout)]
    assert sorted(each["page"] for each in found) == sorted([*PAGES, *PAGES])
    assert all(each["dark"] == dark and each["checked"] > 10 for each in found)
    assert [
        each
        for each in found
        if not all(request.startswith(served) for request in each["requests"])
    ] == []
    assert [(each["page"], each["faults"]) for each in found if each["faults"]] == []
    assert {(each["page"], fault) for each in found for fault in each["serious"]} == set()
    assert [each["page"] for each in found if each["scroll"] > each["width"]] == []


LOOK = """
addEventListener("load", async () => {
  for (const page of %s) for (const width of [400, 1440]) {
    const frame = document.createElement("iframe");
    frame.style = `width:${width}px;height:900px;border:0`;
    const faults = [];
    document.body.append(frame);
    await new Promise((done) => { frame.onload = done; frame.src = page; });
    const inner = frame.contentWindow;
    inner.addEventListener("error", (event) => faults.push(String(event.message)), true);
    await new Promise((done) => setTimeout(done, 300));
    inner.eval(document.scripts[0].textContent);
    const audit = await inner.axe.run(inner.document, { iframes: false });
    const line = document.createElement("pre");
    line.textContent = "PROBE" + JSON.stringify({
      page, faults, width,
      serious: audit.violations.filter((rule) => ["serious", "critical"].includes(rule.impact))
        .flatMap((rule) => rule.nodes.map((node) => rule.id + ": " + node.html)),
      checked: audit.passes.length,
      requests: inner.performance.getEntriesByType("resource").map((entry) => entry.name),
      dark: inner.matchMedia("(prefers-color-scheme: dark)").matches,
      scroll: inner.document.documentElement.scrollWidth,
    }) + "END";
    document.body.append(line);
    frame.remove();
  }
});
"""
