"""A chart as a Matplotlib figure for a paper, and that as PNG, SVG and PDF."""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from thalweg.report.charts import (
    FACET_COLUMNS,
    Axis,
    Chart,
    Contour,
    Dots,
    Facet,
    Heatmap,
    Line,
    Links,
    Number,
    Picture,
    Points,
    Shade,
    Words,
    legend_columns,
    runs_of_finite,
)
from thalweg.report.formats import clipped
from thalweg.report.palette import (
    BAND_OPACITY,
    HEAT,
    HEAT_BELOW,
    HEAT_OPACITY,
    SHADE_OPACITY,
    colour,
    dash,
    symbol,
)
from thalweg.report.paper import (
    CHARACTERS,
    COLUMN,
    MOST_BELOW,
    SMALL,
    TEXT,
    characters_below,
    paper_height,
    paper_width,
    title_lines,
)
from thalweg.report.static_drawings import draw_dots, draw_links, draw_picture, draw_words
from thalweg.report.static_landscape import draw_contour, draw_reliefs

DPI = 300
"""Of PNG: what publishers ask of pictures of lines at the least."""

INK = "#2b2f36"
RULE = "#d5d9de"

DASHES: dict[str, Any] = {
    "solid": "solid",
    "dash": (0, (5, 2.5)),
    "dot": (0, (1.2, 1.8)),
    "dashdot": (0, (5, 2, 1.2, 2)),
    "longdash": (0, (9, 3)),
    "longdashdot": (0, (9, 2.5, 1.2, 2.5)),
}
MARKERS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "pentagon": "p",
}
SIZES = {"dot": 5, "small": 2.5, "star": 9, "cross": 5}

SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.size": SMALL,
    "axes.titlesize": SMALL,
    "figure.titlesize": TEXT,
    "axes.linewidth": 0.6,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "svg.hashsalt": "thalweg",  # element ids that do not change from file to file
    "pdf.fonttype": 42,  # TrueType, embedded: journals refuse Type 3
}


def static_figure(chart: Chart) -> Figure:
    """Return the chart as a Matplotlib figure that belongs to no window and no global state.

    It is laid out, at the width that `paper_width` says, once for all kinds of files.
    """
    width = paper_width(chart)
    with _settings():
        size = (width, paper_height(chart, width))
        figure = Figure(figsize=size, dpi=DPI, layout="constrained")
        if chart.z is not None:
            draw_reliefs(figure, chart)
        else:
            _draw_panes(figure, chart, width)
        figure.suptitle("\n".join(title_lines(chart.title, width)), x=0.01, ha="left")
        figure.draw_without_rendering()
        figure.set_layout_engine(None)  # or each file would be laid out again
    return figure


def _draw_panes(figure: Figure, chart: Chart, width: float) -> None:
    """Draw the panels of a chart, with a legend for all of them."""
    handles: dict[str, Line2D] = {}
    columns = min(FACET_COLUMNS, len(chart.panes))
    rows = math.ceil(len(chart.panes) / columns)
    for index, pane in enumerate(chart.panes):
        axes = figure.add_subplot(rows, columns, index + 1)
        _draw_layers(figure, axes, pane, handles)
        _draw_axes(axes, chart, pane, width)
        if chart.facets and index + columns >= len(chart.facets):
            axes.set_xlabel(chart.x.title)
        if chart.facets and index % columns == 0:
            axes.set_ylabel(chart.y.title)
    if chart.legend and handles:
        names = [clipped(label) for label in handles]
        figure.legend(
            handles.values(),
            # Matplotlib hides names that begin with an underscore.
            [f"\N{HAIR SPACE}{name}" if name.startswith("_") else name for name in names],
            loc="outside lower center",
            ncols=legend_columns(names, CHARACTERS[width]),
            frameon=False,
            handlelength=3,
        )


def _draw_layers(figure: Figure, axes: Axes, pane: Facet, handles: dict[str, Line2D]) -> None:
    """Draw the layers of a panel; ``handles`` are for the legend."""
    for layer in pane.layers:
        if isinstance(layer, Heatmap):
            _draw_heatmap(axes, layer)
        elif isinstance(layer, Shade):
            ink = colour(layer.style)
            axes.axvspan(layer.low, layer.high, color=ink, alpha=SHADE_OPACITY, linewidth=0)
        elif isinstance(layer, Contour):
            draw_contour(figure, axes, layer)
        elif isinstance(layer, Line):
            handles[layer.label] = _draw_line(axes, layer)
        elif isinstance(layer, Points):
            handle = _draw_points(axes, layer)
            if layer.symbol != "small":
                handles.setdefault(layer.label, handle)
        elif isinstance(layer, Picture):
            draw_picture(axes, layer)
        elif isinstance(layer, Words):
            draw_words(axes, layer)
        elif isinstance(layer, Links):
            handles[layer.label] = draw_links(axes, layer)
        elif isinstance(layer, Dots):
            draw_dots(axes, layer)


def png(figure: Figure) -> bytes:
    """Return the figure as PNG."""
    return _saved(figure, "png", {"Software": None})


def svg(figure: Figure) -> bytes:
    """Return the figure as SVG with its texts as outlines."""
    return _saved(figure, "svg", {"Date": None})


def pdf(figure: Figure) -> bytes:
    """Return the figure as PDF with its fonts in it."""
    return _saved(figure, "pdf", {"CreationDate": None, "Creator": None, "Producer": None})


def _saved(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    # Without a date or a version in it, the same chart is the same file.
    buffer = io.BytesIO()
    with _settings():
        figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


@contextmanager
def _settings() -> Iterator[None]:
    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        # A name in a script that the font lacks shows boxes; the page shows it right.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def _draw_axes(axes: Axes, chart: Chart, pane: Facet, width: float) -> None:
    axes.set_title(clipped(pane.title, 40), loc="left")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if not chart.covered:
        axes.grid(color=RULE, linewidth=0.5)
    room = width if len(chart.panes) == 1 else COLUMN
    _set_axis(axes, "x", pane.x, room)
    _set_axis(axes, "y", pane.y, room)
    if chart.bare:
        axes.set_aspect("equal")
        axes.set_axis_off()


def _set_axis(axes: Axes, which: str, axis: Axis, width: float) -> None:
    along = axes.xaxis if which == "x" else axes.yaxis
    along.set_label_text(axis.title)
    if axis.log:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    if axis.ticks is not None:
        along.set_ticks([value for value, _ in axis.ticks], [label for _, label in axis.ticks])
        along.set_minor_locator(NullLocator())
        if which == "x" and characters_below(axis) > MOST_BELOW[width]:
            axes.tick_params(axis="x", labelrotation=90)
    if axis.limits is not None:
        (axes.set_xlim if which == "x" else axes.set_ylim)(*axis.limits)


def _numbers(values: Iterator[Number] | list[Number]) -> list[float]:
    return [np.nan if v is None else v for v in values]


def _draw_line(axes: Axes, line: Line) -> Line2D:
    ink = colour(line.style)
    for stretch in runs_of_finite(line.low, line.high):
        axes.fill_between(
            [line.x[i] for i in stretch],
            _numbers(line.low[i] for i in stretch),
            _numbers(line.high[i] for i in stretch),
            color=ink,
            alpha=BAND_OPACITY,
            linewidth=0,
        )
    (handle,) = axes.plot(
        line.x,
        _numbers(list(line.y)),
        color=ink,
        linestyle=DASHES[dash(line.style)],
        marker=MARKERS[symbol(line.style)] if line.markers or len(line.x) == 1 else None,
    )
    return handle


def _draw_points(axes: Axes, points: Points) -> Line2D:
    ink = colour(points.style)
    shapes = {"star": "*", "cross": "x"}
    (handle,) = axes.plot(
        points.x,
        points.y,
        linestyle="none",
        color=ink,
        marker=shapes.get(points.symbol, MARKERS[symbol(points.style)]),
        markersize=SIZES[points.symbol],
        markeredgewidth=1.5 if points.symbol == "cross" else 0,
        alpha=0.55 if points.symbol == "small" else 1,
        clip_on=False,
        zorder=3,
    )
    for y, interval in zip(points.y, points.x_interval or (), strict=False):
        if interval:
            axes.plot(interval, [y, y], color=ink, marker="|", markersize=5)
    for x, interval in zip(points.x, points.y_interval or (), strict=False):
        if interval:
            axes.plot([x, x], interval, color=ink, marker="_", markersize=5)
    return handle


def _draw_heatmap(axes: Axes, heat: Heatmap) -> None:
    lower = [(0.0, to_rgba(HEAT_BELOW, HEAT_OPACITY)), (0.5, to_rgba(HEAT_BELOW, 0))]
    upper = [(0.5 * heat.signed, to_rgba(HEAT, 0)), (1.0, to_rgba(HEAT, HEAT_OPACITY))]
    scale = LinearSegmentedColormap.from_list("share", [*(lower * heat.signed), *upper])
    shares = np.array([_numbers(list(row)) for row in heat.shares])
    lowest = -heat.largest if heat.signed else 0
    axes.imshow(
        shares, cmap=scale, vmin=lowest, vmax=heat.largest, aspect="auto", interpolation="nearest"
    )
    if heat.texts:
        for (i, j), share in np.ndenumerate(shares):
            axes.text(j, i, heat.text(float(share)), ha="center", va="center")
