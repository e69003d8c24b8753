import re
from html.parser import HTMLParser

import polars as pl
import pytest

from thalweg.report.page import script_json
from thalweg.report.summary import summary
from thalweg.report.write import write_report
from thalweg.study.panels import panels

STUDIES = ["classification", "regression", "single_seed", "all_diverged", "hostile"]


@pytest.fixture(scope="module")
def written(request, tmp_path_factory):
    """Reports on disk by the study's name, each written once."""
    folders = {}

    def write(study):
        if study not in folders:
            folder = tmp_path_factory.mktemp(study)
            page = write_report(request.getfixturevalue(study), folder)
            assert page == folder / "report" / "index.html"
            folders[study] = folder
        return folders[study]

    return write


class Outline(HTMLParser):
    """Headings, elements and links of a page."""

    def __init__(self):
        super().__init__()
        self.headings, self.elements, self.links, self.charts = [], [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.elements.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.links += [values[key] for key in ("href", "src") if key in values]
        if "data-chart" in values:
            self.charts.append(values)


def outline(page):
    parser = Outline()
    parser.feed(page)
    return parser


@pytest.mark.parametrize("study", STUDIES)
def test_page_is_one_accessible_file_without_dead_links(study, written):
    folder = written(study)
    page = (folder / "report" / "index.html").read_text()
    found = outline(page)
    assert '<html lang="en">' in page and page.count("plotly.js v") == 1
    assert found.headings[0] == 1 and found.headings.count(1) == 1
    assert all(
        after <= before + 1
        for before, after in zip(found.headings, found.headings[1:], strict=False)
    )
    assert found.elements.count("script") == 3 and "img" not in found.elements
    for link in found.links:
        if not link.startswith(("#", "data:")):
            assert (folder / "report" / link).exists(), link
    files = {path.name for path in (folder / "figures").glob("*")}
    kinds = ("png", "svg", "pdf")
    assert files == {f"{c['data-chart']}.{kind}" for c in found.charts for kind in kinds}
    assert all(chart["data-description"] for chart in found.charts)


def test_files_of_a_study(written):
    folder = written("classification")
    names = (
        *("final", "points", "classes", "costs", "reach-comparisons"),
        *("reach-test_accuracy-0.8", "reach-test_accuracy-0.93"),
    )
    assert {path.name for path in (folder / "tables").iterdir()} == {
        f"{name}.{kind}" for name in names for kind in ("csv", "md", "tex")
    }
    assert all(
        path.read_bytes().startswith(b"\x89PNG") for path in (folder / "figures").glob("*.png")
    )
    assert all(b"<svg" in path.read_bytes() for path in (folder / "figures").glob("*.svg"))
    assert not list(folder.rglob(".*"))


def test_csv_has_full_precision(written, classification):
    frame = pl.read_csv(written("classification") / "tables" / "points.csv")
    expected = classification.runs.filter(
        (pl.col("arm") == "adam") & (pl.col("lr") == 0.01) & (pl.col("task") == "digits")
    )["test_loss"]
    (found,) = frame.filter(
        (pl.col("arm") == "adam") & (pl.col("point") == "lr=0.01") & (pl.col("task") == "digits")
    )["test_loss_median"]
    assert found == expected.median()


def test_report_can_be_written_again(all_diverged, tmp_path):
    first = write_report(all_diverged, tmp_path).read_bytes()
    assert write_report(all_diverged, tmp_path).read_bytes() == first


def test_study_without_runs_has_a_page(builder, tmp_path):
    page = write_report(builder().results(provenance={}), tmp_path).read_text()
    assert "The study has no runs yet." in page


def test_page_tells_how_to_make_it_again(written):
    page = (written("classification") / "report" / "index.html").read_text()
    for text in (
        "thalweg run test-study --seeds 3",
        "name = &#34;test-study&#34;",
        "0123456789abcdef",
        "thalweg 0.1.0, torch 2.6.0",
        "2 min 5 s",
    ):
        assert text in page


def test_summary_names_the_best_arm_and_what_went_wrong(classification):
    found = summary(classification, panels(classification))
    best = found.findings[0]
    assert (best.panel, best.arm, best.point) == ("digits, mlp", "adam", "lr=0.003")
    assert re.fullmatch(r"test accuracy 9\d\.\d\d\s±\s\d\.\d\d\s%", best.figure)
    assert best.sentence.startswith("over 3 seeds; the best of 3 arms by validation accuracy (9")
    assert "digits, mlp, sgd: 2 of 15 runs diverged (at lr=0.3)." in found.warnings
    assert (
        "digits, mlp, sgd-nesterov: 1 of 15 runs failed (at lr=0.3). "
        "First message: MemoryError: out of memory" in found.warnings
    )
    assert any("adam: its optimum is the lowest" in text for text in found.warnings)


def test_summary_of_studies_that_prove_little(single_seed, all_diverged):
    found = summary(single_seed, panels(single_seed))
    assert "Every result rests on a single seed, so none has an interval." in found.warnings
    assert any("optimistic" in text for text in found.warnings)
    found = summary(all_diverged, panels(all_diverged))
    assert found.findings[0].sentence == "No run came to a finite result."
    assert found.warnings == (
        "digits, mlp, sgd: 4 of 4 runs diverged.",
        "digits, mlp, adam: 2 of 2 runs failed. First message: boom",
        "digits, mlp, lion: 2 of 2 runs are missing.",
    )


def test_hostile_strings_stay_text(written):
    page = (written("hostile") / "report" / "index.html").read_text()
    assert "<script>window" not in page and "<img" not in page
    assert page.count("</script>") == 3
    assert "{{ 7 * 7 }}" in page


def test_script_json_cannot_end_its_element():
    text = script_json({"a": "</script><!-- & \u2028"})
    assert not set("<>&\u2028") & set(text)
