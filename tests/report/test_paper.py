"""Charts as files for papers: width, type, fonts."""

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text

from thalweg.report.charts import Axis, Chart, Dots, Facet, Heatmap, Line, Relief, Style
from thalweg.report.figures import sections
from thalweg.report.paper import COLUMN, PAGE, SMALL, paper_width
from thalweg.report.static import pdf, png, static_figure, svg
from thalweg.study.panels import panels


def line_chart(names=("a", "b"), title="A title", ticks=None):
    nothing = [None, None]
    lines = [
        Line(name, Style(i, i), [0, 1], [0, i], nothing, nothing) for i, name in enumerate(names)
    ]
    return Chart("name", title, "", "", Axis("x", ticks=ticks), Axis("y"), tuple(lines))


def heatmap(side):
    cells = [[0.5] * side] * side
    return Chart("name", "", "", "", Axis("x"), Axis("y"), (Heatmap(cells, [[""] * side] * side),))


SHORT = line_chart()
NAMED = replace(SHORT, y=Axis("", ticks=((0, "an arm of a name that is long"),)))
SURFACE = Relief("surface", [-1, 0, 1], [-1, 0, 1], [[1.0, 2, 3]] * 3)
HEIGHT = Axis("Loss", True, (0.5, 4.0), ((1, "1"), (2, "2")))


@pytest.mark.parametrize(
    ("chart", "width"),
    [
        (SHORT, COLUMN),
        (heatmap(10), COLUMN),
        (heatmap(13), PAGE),
        (line_chart([f"a condition with number {i}" for i in range(8)]), PAGE),
        (line_chart([str(i) for i in range(8)]), COLUMN),
        (line_chart(ticks=tuple((i, f"layer{i}.weight") for i in range(5))), PAGE),
        (NAMED, PAGE),
        (replace(SHORT, facets=(Facet("left", SHORT.x, SHORT.y, SHORT.layers),) * 2), PAGE),
        (replace(SHORT, layers=(SURFACE,), z=HEIGHT), PAGE),
        (replace(SHORT, layers=(Dots(Style(0, 0), [0], [0], [5], [""]),), bare=True), PAGE),
    ],
    ids=str,
)
def test_width_is_a_column_or_a_page_by_what_the_chart_holds(chart, width):
    assert paper_width(chart) == width
    assert static_figure(chart).get_figwidth() == width


@pytest.mark.parametrize("study", ["classification", "hostile", "tickets", "planes"])
def test_type_is_legible_and_stays_on_the_paper(study, request):
    results = request.getfixturevalue(study)
    charts = {
        chart.name: chart for s in sections(results, panels(results)) for chart in s.charts[:2]
    }
    assert len(charts) > 3
    for chart in charts.values():
        figure = static_figure(chart)
        texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
        assert min(text.get_fontsize() for text in texts) >= SMALL
        # Ticks beyond the limits of an axis are among the texts, but are not drawn.
        fixed = [figure._suptitle, *(text for legend in figure.legends for text in legend.texts)]
        fixed += [label for axes in figure.axes for label in (axes.xaxis.label, axes.yaxis.label)]
        for text in filter(Text.get_text, fixed):
            box = text.get_window_extent()
            assert figure.bbox.x0 - 1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, text
            assert figure.bbox.y0 - 1 <= box.y0 and box.y1 <= figure.bbox.y1 + 1, text


def test_pdf_is_as_wide_as_a_column_with_its_fonts_in_it():
    document = pdf(static_figure(SHORT))
    assert document.startswith(b"%PDF-")
    (box,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", document)
    assert float(box[0]) == pytest.approx(72 * COLUMN)
    assert b"/FontFile2" in document and b"/Type3" not in document
    assert b"Date" not in document and b"Matplotlib" not in document


def test_the_same_chart_is_the_same_files_and_is_laid_out_once(monkeypatch):
    calls = []
    execute = ConstrainedLayoutEngine.execute
    monkeypatch.setattr(
        ConstrainedLayoutEngine, "execute", lambda self, fig: (calls.append(1), execute(self, fig))
    )
    figure = static_figure(SHORT)
    (axes,) = figure.axes
    before = axes.get_position().bounds
    first = [kind(figure) for kind in (png, svg, pdf)]
    assert len(calls) == 1 and axes.get_position().bounds == before
    assert np.ptp(before) > 0
    assert [kind(static_figure(SHORT)) for kind in (png, svg, pdf)] == first


def test_a_long_title_takes_two_lines():
    short, long = (static_figure(line_chart(title=title)) for title in ("one", "many words " * 20))
    assert short._suptitle.get_text() == "one"
    lines = long._suptitle.get_text().splitlines()
    assert len(lines) == 2 and lines[1].endswith("…")
    assert long.get_figheight() > short.get_figheight()
