"""The figures of a report that a folder of limited size has room for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from thalweg.report.charts import Chart
from thalweg.report.figures import Section
from thalweg.report.static import png, static_figure, svg

LARGE_SVG = 200_000
"""Bytes of an SVG beyond which PNG is tried, which is smaller for many marks."""

LARGEST = 300_000
"""Bytes of a picture beyond which it is left out."""

RESULTS = ("final",)
"""Kinds of charts that answer which arm is best, one a panel."""

DETAILS = ("classes", "confusion")
"""Kinds of charts that answer the least."""

DPI = 150
"""Of PNG: twice what a screen shows at the width of a page."""


@dataclass(frozen=True)
class Picture:
    """A chart as a file: its name and content."""

    file: str
    content: bytes


def chosen_figures(sections: Sequence[Section], room: int) -> dict[str, Picture]:
    """Return pictures by the chart's name, as many as fit into ``room`` bytes.

    `RESULTS` come first. Then the first chart of each kind in every group of every section comes
    before the second of any, so that none is left out for the number of another; `DETAILS` come
    last.
    """
    found: dict[str, Picture] = {}
    for chart in _by_rank(sections):
        picture = _picture(chart)
        size = len(picture.content)
        if size > LARGEST:
            continue
        if size > room:
            break
        room -= size
        found[chart.name] = picture
    return found


def _by_rank(sections: Sequence[Section]) -> list[Chart]:
    ranked = []
    for group in (group for section in sections for group in section.groups):
        kinds = Counter[str]()
        for chart in group.charts:
            kind = chart.name.partition("-")[0]
            ranked.append(((kind in DETAILS, kind not in RESULTS, kinds[kind]), chart))
            kinds[kind] += 1
    return [chart for _, chart in sorted(ranked, key=lambda item: item[0])]


def _picture(chart: Chart) -> Picture:
    figure = static_figure(chart)
    drawn = Picture(f"{chart.name}.svg", svg(figure))
    if len(drawn.content) <= LARGE_SVG:
        return drawn
    figure.set_dpi(DPI)
    pixels = Picture(f"{chart.name}.png", png(figure))
    return min(drawn, pixels, key=lambda picture: len(picture.content))
