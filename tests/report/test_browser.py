"""The page in a real browser."""

import html
import json
import re
import shutil
import subprocess

import pytest

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
(function tell() {
  const root = document.documentElement;
  if (root.dataset.drawn !== "true" && !faults.length) return setTimeout(tell, 50);
  document.querySelectorAll("details").forEach((element) => (element.open = true));
  const charts = [...document.querySelectorAll("[data-chart]")];
  parent.postMessage({
    faults,
    hacked: window.hacked === undefined ? null : window.hacked,
    charts: charts.length,
    drawn: charts.filter((chart) => chart.querySelector("svg.main-svg")).length,
    wide: charts.filter((chart) => chart.querySelector("svg.main-svg").getBoundingClientRect().width
      > chart.getBoundingClientRect().width + 1).length,
    scroll: root.scrollWidth,
    inner: innerWidth,
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
        ("classification", 26),
        ("regression", 5),
        ("single_seed", 8),
        ("all_diverged", 0),
        ("hostile", 12),
        ("tickets", 14),
        ("planes", 18),
    ],
)
def test_page_is_drawn_without_fault_and_fits(study, charts, request, tmp_path, monkeypatch):
    # The files of the figures are not looked at here, and making them takes long.
    monkeypatch.setattr("thalweg.report.write.png", lambda figure: b"")
    monkeypatch.setattr("thalweg.report.write.svg", lambda figure: b"")
    page = write_report(request.getfixturevalue(study), tmp_path).read_text()
    page = page.replace("<head>", "<head>" + WATCH, 1).replace("</body>", TELL + "</body>", 1)
    (tmp_path / "page.html").write_text(page)
    frames = "".join(
        f'<iframe src="page.html" style="width:{width}px;height:900px;border:0"></iframe>'
        for width in WIDTHS
    )
    (tmp_path / "around.html").write_text(AROUND + frames)
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=60000",
            "--dump-dom",
            (tmp_path / "around.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    probes = [json.loads(html.unescape(p)) for p in re.findall("PROBE({.*?})END", done.stdout)]
    assert sorted(probe["inner"] for probe in probes) == list(WIDTHS)
    for probe in probes:
        assert probe["faults"] == [] and probe["requests"] == [] and probe["hacked"] is None
        assert probe["charts"] == probe["drawn"] == charts and probe["wide"] == 0
        assert probe["scroll"] <= probe["inner"]
