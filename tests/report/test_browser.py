"""The page in a real browser."""

import html
import json
import re
import shutil
import subprocess
from importlib.resources import files

import pytest

from thalweg.audit import Finding
from thalweg.report.page import script_hash
from thalweg.report.write import write_report

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

WIDTHS = (400, 1280)

# In the head of a copy of the page: collects what goes wrong.
WATCH = """<script>
window.faults = [];
addEventListener("error", (event) => faults.push("error: " + event.message), true);
addEventListener("unhandledrejection", (event) => faults.push("rejection: " + event.reason));
document.addEventListener("securitypolicyviolation", (event) => faults.push(event.blockedURI));
for (const level of ["error", "warn"]) console[level] = (...words) => faults.push(words.join(" "));
</script>"""

# At its end: tells the page around it what came of it, once all is drawn.
TELL = """<script>
(async function tell() {
  const root = document.documentElement;
  if (root.dataset.drawn !== "true" && !faults.length) return setTimeout(tell, 50);
  document.querySelectorAll("details").forEach((element) => (element.open = true));
  const audit = window.axe ? await axe.run(document, { iframes: false }) : null;
  const charts = [...document.querySelectorAll("[data-chart]")];
  parent.postMessage({
    faults,
    hacked: window.hacked === undefined ? null : window.hacked,
    live: document.querySelectorAll(
      "a[href^='javascript' i], a[*|href^='javascript' i], [onerror], [onload], [onclick]").length,
    charts: charts.length,
    drawn: charts.filter((chart) => chart.querySelector("svg.main-svg")).length,
    described: charts.filter((chart) => chart.querySelector("svg[role=img]")
      ?.getAttribute("aria-label") === chart.dataset.description).length,
    wide: charts.filter((chart) => chart.querySelector("svg.main-svg").getBoundingClientRect().width
      > chart.getBoundingClientRect().width + 1).length,
    scroll: root.scrollWidth,
    inner: innerWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    checked: audit && audit.passes.map((rule) => rule.id),
    violations: audit && audit.violations
      .filter((rule) => ["serious", "critical"].includes(rule.impact))
      .flatMap((rule) => rule.nodes.map((node) => rule.id + ": " + node.target + node.html)),
    requests: performance.getEntriesByType("resource").map((entry) => entry.name),
  }, "*");
})();
</script>"""

# Chromium's windows cannot be as narrow as a telephone, its frames can.
AROUND = """<!doctype html><body><script>
addEventListener("message", (event) => {
  const line = document.createElement("pre");
  line.textContent = "PROBE" + JSON.stringify(event.data) + "END";
  document.body.append(line);
});
</script>"""


@pytest.mark.parametrize(
    ("study", "charts"),
    [
        ("classification", 27),
        ("regression", 5),
        ("single_seed", 8),
        ("all_diverged", 0),
        ("hostile", 12),
        ("tickets", 14),
        ("planes", 18),
    ],
)
def test_page_is_drawn_without_fault_and_fits(study, charts, request, tmp_path, monkeypatch):
    page = written(request.getfixturevalue(study), tmp_path, monkeypatch)
    for found in probes(page, tmp_path):
        assert found["faults"] == [] and found["requests"] == [] and found["hacked"] is None
        assert found["live"] == 0
        assert found["charts"] == found["drawn"] == found["described"] == charts
        assert found["wide"] == 0
        assert found["scroll"] <= found["inner"]


@pytest.mark.parametrize(
    ("study", "dark"),
    [("single_seed", False), ("tickets", True), ("planes", False), ("all_diverged", True)],
)
def test_axe_finds_no_serious_fault(study, dark, request, tmp_path, monkeypatch):
    axe = (files("axe_core_python") / "axe.min.js").read_text()
    page = written(request.getfixturevalue(study), tmp_path, monkeypatch)
    page = page.replace("</body>", f"<script>{axe}</script></body>", 1)
    for found in probes(page, tmp_path, dark, [axe]):
        assert found["dark"] == dark
        assert found["faults"] == [] and found["requests"] == []
        assert found["scroll"] <= found["inner"]
        assert {"color-contrast", "document-title", "heading-order"} <= set(found["checked"])
        assert found["violations"] == []


def test_a_script_that_came_into_the_page_would_not_run(all_diverged, tmp_path, monkeypatch):
    """The second line of defence: the page names its scripts, and a browser runs no other."""
    page = written(all_diverged, tmp_path, monkeypatch)
    slipped_in = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
    start = page.index("<body")
    page = page[:start] + page[start:].replace(">", ">" + slipped_in, 1)
    for found in probes(page, tmp_path):
        assert found["hacked"] is None
        assert "inline" in found["faults"]


def written(results, folder, monkeypatch):
    """The page of a study; the files of its figures are not looked at, and take long to make."""
    monkeypatch.setattr("thalweg.report.write.write_figures", lambda charts, folder: None)
    audit = [Finding("check", "note", *([results.title] * 5))]
    return write_report(results, folder, audit).read_text()


def bare(script):
    """What an element holds."""
    return script.removeprefix("<script>").removesuffix("</script>")


def probes(page, folder, dark=False, extra=()):
    """What a page tells of itself in a frame of each width; ``extra`` may run in it as well."""
    for script in (TELL, *extra):
        page = page.replace("script-src ", f"script-src {script_hash(bare(script))} ", 1)
    page = page.replace("<head>", "<head>" + WATCH, 1)
    end = page.rindex("</body>")
    (folder / "page.html").write_text(page[:end] + TELL + page[end:])
    frames = "".join(
        f'<iframe src="page.html" style="width:{width}px;height:900px;border:0"></iframe>'
        for width in WIDTHS
    )
    (folder / "around.html").write_text(AROUND + frames)
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=60000",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            "--dump-dom",
            (folder / "around.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = [json.loads(html.unescape(p)) for p in re.findall("PROBE({.*?})END", done.stdout)]
    assert sorted(probe["inner"] for probe in found) == list(WIDTHS)
    return found
