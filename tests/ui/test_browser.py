"""Every page in a real browser."""

import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Browser
from test_command import serving

from thalweg.store import Store
from thalweg.store.assemble import read_results
from thalweg.store.files import write_json
from thalweg.ui.views import VIEWS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

AXE = (files("axe_core_python") / "axe.min.js").read_text()

FINDINGS = """axe.run(document).then((found) => ({
  checked: found.passes.map((rule) => rule.id),
  faults: found.violations
    .filter((rule) => ["serious", "critical"].includes(rule.impact))
    .flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.target} ${node.html}`)),
}))"""


@pytest.fixture(scope="module")
def address(small: Path) -> Iterator[str]:
    with serving(small) as (found, _):
        yield found.rstrip("/")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def page(shared: Browser, address: str) -> Iterator[Browser]:
    """A browser; when a test ends, nothing has gone wrong in it and no other host was asked."""
    shared.faults.clear()
    shared.requests.clear()
    yield shared
    assert shared.faults == []
    own = (address, "data:", "blob:", "about:")
    assert [each for each in shared.requests if not each.startswith(own)] == []


def addresses(small: Path) -> list[str]:
    run = read_results(Store(small), "small").runs["run"][0]
    views = [f"/studies/small/{view.name}" for view in VIEWS]
    table = "/studies/small/runs"
    return ["/", "/studies/small", table, f"{table}?group=arm&metric=test_loss", *views,
            f"/runs/{run}"]  # fmt: skip


def check(page: Browser, address: str, dark: bool, width: int) -> None:
    page.size(width, 900, dark)
    page.open(address)
    assert page.run("matchMedia('(prefers-color-scheme: dark)').matches") == dark
    assert page.run("document.documentElement.scrollWidth") <= width, address
    undrawn = page.run(
        "[...document.querySelectorAll('[data-chart]')]"
        ".filter((each) => !each.querySelector('svg.main-svg[role=img][aria-label]')).length"
    )
    assert undrawn == 0, address
    page.run("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    page.run(AXE)
    found = page.run(FINDINGS)
    assert {"color-contrast", "document-title", "label"} & set(found["checked"])
    assert found["faults"] == [], (address, width, dark)


def test_every_page_opens_on_a_telephone_in_the_dark(
    page: Browser, address: str, small: Path
) -> None:
    for path in addresses(small):
        check(page, address + path, True, 400)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(400, False), (1440, False), (1440, True)])
def test_every_page_opens(width: int, dark: bool, page: Browser, address: str, small: Path) -> None:
    for path in addresses(small):
        check(page, address + path, dark, width)


def test_a_choice_applies_at_once_and_has_an_address(page: Browser, address: str) -> None:
    page.size(1440)
    page.open(f"{address}/studies/small/curves")
    page.run("window.here = true")
    page.run("document.querySelector('.choices select').focus()")
    first = page.run("document.activeElement.id")
    before = page.run("document.querySelector('[data-chart]').dataset.chart")
    options = page.run(f"[...document.getElementById('{first}').options].map((o) => o.value)")
    other = "metric" in page.run("document.querySelector('.choices').innerHTML")
    assert other
    choose(page, "choice-metric", "test_loss")
    page.until("location.search.includes('metric=test_loss')")
    page.drawn()
    assert page.run("window.here")  # the page was not loaded anew
    after = page.run("document.querySelector('[data-chart]').dataset.chart")
    assert after != before and "loss" in after
    assert options
    page.run("history.back()")
    page.until("!location.search.includes('metric=test_loss')")
    page.until(f"document.querySelector('[data-chart]').dataset.chart === '{before}'")
    page.drawn()
    box = "document.querySelector('.choices input[type=checkbox][checked]')"
    arm = page.run(f"{box}.value")
    page.run(f"{box}.focus(); {box}.click()")
    page.until("location.search.includes('arm')")
    page.drawn()
    assert page.run("document.activeElement.value") == arm  # the focus stays where it was
    kept = page.run("location.href")
    page.open(kept)
    assert not page.run(f"document.querySelector('input[value={arm}]').checked")


def choose(page: Browser, element: str, value: str) -> None:
    page.run(
        f"(() => {{ const e = document.getElementById('{element}'); e.value = {value!r};"
        " e.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


@pytest.mark.slow
def test_every_control_of_every_view_works(page: Browser, address: str, small: Path) -> None:
    page.size(1440)
    for path in [p for p in addresses(small) if p.startswith("/studies/small/") and "?" not in p]:
        page.open(address + path)
        controls = page.run(
            "[...document.querySelectorAll('.choices select')].flatMap((select) =>"
            " [...select.options].map((option) => [select.id, option.value]))"
        )
        for element, value in controls:
            page.open(address + path)
            if page.run(f"!!document.getElementById('{element}')"):
                choose(page, element, value)
                page.drawn()
        boxes = page.run(
            "[...document.querySelectorAll('.choices input[type=checkbox]')].map((b) => b.id)"
        )
        for box in boxes:
            page.open(address + path)
            page.run(f"document.getElementById('{box}').click()")
            page.drawn()
        assert page.faults == [], path


@pytest.fixture(scope="module")
def long(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a study of 3,000 rows, which are the same few runs again and again."""
    import shutil

    folder = tmp_path_factory.mktemp("long") / "out"
    shutil.copytree(small, folder)
    record = Store(folder).record("small")
    runs = [{**record["runs"][i % 12], "seed": i} for i in range(3000)]
    write_json(folder / "studies" / "small" / "study.json", {**record, "runs": runs})
    with serving(folder) as (found, _):
        yield f"{found.rstrip('/')}/studies/small/runs"


def test_of_a_long_table_only_the_rows_in_sight_are_in_the_page(shared: Browser, long: str) -> None:
    page = shared
    page.faults.clear()
    page.size(1440)
    page.open(f"{long}?column=run&column=seed&column=arm")
    assert page.run("document.querySelector('#rows table').ariaRowCount") == "3001"
    assert page.run("document.getElementById('total').textContent") == "3000 runs"
    page.run("document.getElementById('rows').focus()")
    seen: set[int] = set()
    for _ in range(3):
        page.press("PageDown", 34)
        time.sleep(0.15)
        seen |= set(page.run("[...document.querySelectorAll('#rows [aria-rowindex]')]"
                             ".map((row) => Number(row.ariaRowIndex))"))  # fmt: skip
        assert page.run("document.querySelectorAll('#rows tbody tr').length") < 100
    assert max(seen) > 40
    page.press("End", 35)
    page.until("!!document.querySelector('[aria-rowindex=\"3001\"] a')")
    row = "document.querySelector('[aria-rowindex=\"3001\"]')"
    assert page.run(f"{row}.cells[1].textContent") == "2999"
    assert page.run(f"{row}.cells[0].querySelector('a').href").split("/")[-2] == "runs"
    heights = page.run(
        "[document.getElementById('rows').scrollHeight,"
        f" {row}.getBoundingClientRect().height * 3000]"
    )
    assert heights[0] == pytest.approx(heights[1], rel=0.02)
    page.run("document.querySelectorAll('#rows th a')[1].click()")
    page.until("location.search.includes('sort=-seed')")
    page.until("!!document.querySelector('[aria-rowindex=\"2\"] a')")
    assert page.run("document.querySelector('[aria-rowindex=\"2\"]').cells[1].textContent") in (
        "2999",
        "…",
    )
    assert page.run("document.querySelector('[aria-sort=descending]').textContent") == "seed"
    assert page.faults == []


def test_without_scripts_there_are_links_and_buttons(page: Browser, address: str) -> None:
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.call("Page.navigate", url=f"{address}/studies/small/runs")
        deadline = time.monotonic() + 30
        found: dict[str, Any] = {}
        while "table" not in found.get("value", "") and time.monotonic() < deadline:
            time.sleep(0.2)
            root = page.call("DOM.getDocument")["root"]["nodeId"]
            found["value"] = page.call("DOM.getOuterHTML", nodeId=root)["outerHTML"]
        assert ">Show</button>" in found["value"]
        assert 'href="/runs/' in found["value"]
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
