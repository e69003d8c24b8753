"""The size of a chart's files: the width of a column of a paper or of its page, and type to fit."""

import math
import textwrap

from thalweg.report.charts import MOST_CELL_TEXTS, Axis, Chart, Heatmap, legend_columns

COLUMN = 3.4
"""Width in inches of one of two columns."""

PAGE = 7.0
"""Width in inches of both."""

TEXT = 8.0
"""Size of titles, in points."""

SMALL = 7.0
"""Size of all other texts, in points; publishers ask for no less."""

PIXELS = 150
"""CSS pixels of a chart's height in an inch."""

POINTS = 72 / PIXELS
"""Printer's points, of 1/72 inch, in a CSS pixel."""

LEGEND_INCHES = 0.16
"""Height of a row of a legend."""

RELIEF_INCHES = 2.1
"""Height of a row of surfaces."""

RELIEF_COLUMNS = 3
"""Surfaces side by side."""

CHARACTERS = {COLUMN: 46, PAGE: 96}
"""Characters in a row of a legend, by the width."""

TITLE_CHARACTERS = {COLUMN: 54, PAGE: 112}
"""Characters in a line of the title, by the width."""

TITLE_LINES = 2

TITLE_INCHES = 0.15
"""Height of a line of the title."""

MOST_LEGEND_ROWS = 4
"""Rows of a legend that a column has room for."""

MOST_BESIDE = 18
"""Characters of a tick's label that a column has room for beside the upright axis."""

MOST_BELOW = {COLUMN: 40, PAGE: 90}
"""Characters below an axis, by the width; if there are more, the ticks' labels stand upright."""


def paper_width(chart: Chart) -> float:
    """Return the width of a chart's files in inches: `COLUMN`, or `PAGE` for surfaces, small panels
    and drawings without axes, and where names or cells would crowd a column.
    """
    beside = [len(label) for _, label in chart.y.ticks or ()]
    heatmaps = [layer for layer in chart.layers if isinstance(layer, Heatmap)]
    crowded = (
        chart.z is not None
        or bool(chart.facets)
        or chart.bare
        or legend_rows(chart, COLUMN) > MOST_LEGEND_ROWS
        or max(beside, default=0) > MOST_BESIDE
        or (characters_below(chart.x) > MOST_BELOW[COLUMN] and not heatmaps)
        or any(len(layer.shares) > MOST_CELL_TEXTS for layer in heatmaps)
    )
    return PAGE if crowded else COLUMN


def paper_height(chart: Chart, width: float) -> float:
    """Return the height in inches of a chart's files of a width."""
    title = TITLE_INCHES * (1 + len(title_lines(chart.title, width)))
    if chart.z is not None:
        return title + RELIEF_INCHES * relief_rows(chart)
    return title + chart.height / PIXELS + LEGEND_INCHES * legend_rows(chart, width)


def title_lines(title: str, width: float) -> list[str]:
    """Return a title in lines that fit a width, cut off where they would be too many."""
    return textwrap.wrap(title, TITLE_CHARACTERS[width], max_lines=TITLE_LINES, placeholder=" …")


def relief_rows(chart: Chart) -> int:
    """Return how many rows of surfaces a chart has."""
    return math.ceil(len(chart.reliefs) / RELIEF_COLUMNS)


def legend_rows(chart: Chart, width: float) -> int:
    """Return how many rows the legend takes at a width; 0 without one."""
    return math.ceil(len(chart.series) / legend_columns(chart.series, CHARACTERS[width]))


def characters_below(axis: Axis) -> int:
    """Return how many characters the labels of an axis' ticks have, and the gaps between them."""
    return sum(len(label) + 2 for _, label in axis.ticks or ())
