"""The page as a browser prepares it for paper."""

import html
import json
import re
import shutil
import subprocess

import pytest

from thalweg.report.page import script_hash
from thalweg.report.write import write_report

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

# The sheet is taken at once after the event, so nothing may be put off until later.
TELL = """<script>
(async function tell() {
  if (document.documentElement.dataset.drawn !== "true") return setTimeout(tell, 50);
  const charts = [...document.querySelectorAll("[data-chart]")];
  const state = () => ({
    widths: charts.map((chart) =>
      chart.querySelector("svg.main-svg").getBoundingClientRect().width),
    open: [...document.querySelectorAll("details")].map((element) => element.open),
  });
  const found = { before: state() };
  dispatchEvent(new Event("beforeprint"));
  found.paper = state();
  dispatchEvent(new Event("afterprint"));
  found.after = state();
  const line = document.createElement("pre");
  line.textContent = "PROBE" + JSON.stringify(found) + "END";
  document.body.append(line);
})();
</script>"""


def test_paper_has_drawings_of_its_width_and_nothing_folded_away(
    classification, tmp_path, monkeypatch
):
    page = written(classification, tmp_path, monkeypatch)
    allowed = script_hash(re.sub("</?script>", "", TELL))
    page = page.replace("script-src ", f"script-src {allowed} ", 1)
    end = page.rindex("</body>")
    (tmp_path / "page.html").write_text(page[:end] + TELL + page[end:])
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    address = (tmp_path / "page.html").as_uri()
    done = subprocess.run(
        [CHROMIUM, *options, profile, "--window-size=1280,900", "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    (text,) = re.findall("PROBE({.*?})END", done.stdout)
    found = json.loads(html.unescape(text))
    assert len(found["paper"]["widths"]) > 20
    assert set(found["paper"]["widths"]) == {660}  # of the 688 CSS pixels of an A4 sheet
    assert all(found["paper"]["open"]) and not all(found["before"]["open"])
    assert found["after"] == found["before"]


def test_cells_of_tables_may_break_before_what_they_are_uncertain_by(
    classification, tmp_path, monkeypatch
):
    page = written(classification, tmp_path, monkeypatch)
    cells = re.findall("<td.*?</td>", page)
    assert any("±" in cell for cell in cells)
    assert not any("\N{NO-BREAK SPACE}" in cell for cell in cells)


def written(results, folder, monkeypatch):
    """The page of a study; the files of its figures are not looked at, and take long to make."""
    monkeypatch.setattr("thalweg.report.write.write_figures", lambda charts, folder: None)
    return write_report(results, folder).read_text()
