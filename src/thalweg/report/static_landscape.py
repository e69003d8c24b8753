"""Contours and surfaces, drawn by Matplotlib."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from thalweg.report.charts import Axis, Chart, Contour, log_heights
from thalweg.report.formats import clipped
from thalweg.report.palette import HALO, LEVELS, MARK, RELIEF
from thalweg.report.paper import RELIEF_COLUMNS, SMALL, relief_rows


def draw_contour(figure: Figure, axes: Axes, layer: Contour) -> None:
    """Draw the filled levels with a colour bar, the path and the star."""
    heights = np.array(log_heights(layer.z, layer.scale))
    levels = np.linspace(*layer.scale.decades, LEVELS + 1)
    drawn = axes.contourf(layer.x, layer.y, heights, levels=levels, cmap=RELIEF)
    axes.contour(
        *(layer.x, layer.y, heights),
        levels=levels,
        colors=MARK,
        linewidths=0.4,
        linestyles="solid",
        alpha=0.5,
    )
    _colour_bar(figure, drawn, axes, layer.scale)
    if layer.path:
        x, y = zip(*layer.path, strict=True)
        axes.plot(x, y, color=HALO, linewidth=2.2, marker="o", markersize=3)
        axes.plot(x, y, color=MARK, linewidth=1.1, marker="o", markersize=1.8)
        axes.plot(x[0], y[0], "o", color=HALO, markerfacecolor=MARK, markersize=5)
    axes.plot(0, 0, "*", color=MARK, markeredgecolor=HALO, markersize=10)


def draw_reliefs(figure: Figure, chart: Chart) -> None:
    """Draw the surfaces of a chart side by side, on one scale."""
    scale = chart.z
    assert scale is not None
    low, high = scale.decades
    columns = min(RELIEF_COLUMNS, len(chart.reliefs))
    rows = relief_rows(chart)
    places: list[Any] = []
    for index, layer in enumerate(chart.reliefs):
        axes: Any = figure.add_subplot(rows, columns, index + 1, projection="3d")
        places.append(axes)
        X, Y = np.meshgrid(layer.x, layer.y)
        heights = np.array(log_heights(layer.z, scale))
        axes.plot_surface(
            X, Y, heights, cmap=RELIEF, vmin=low, vmax=high, rcount=60, ccount=60, linewidth=0
        )
        axes.set_zlim(low, high)
        axes.set_zticks(*scale.decade_ticks)
        axes.locator_params(axis="x", nbins=4)
        axes.locator_params(axis="y", nbins=4)
        axes.tick_params(labelsize=SMALL, pad=-2)
        axes.set_box_aspect(None, zoom=0.86)  # room for the titles of the axes
        axes.set_title(clipped(layer.label, 30), fontsize=SMALL)
        axes.set_xlabel(chart.x.title, fontsize=SMALL, labelpad=-6)
        axes.set_ylabel(chart.y.title, fontsize=SMALL, labelpad=-6)
    drawn = ScalarMappable(Normalize(low, high), RELIEF)
    _colour_bar(figure, drawn, places, scale)


def _colour_bar(figure: Figure, drawn: ScalarMappable, axes: Any, scale: Axis) -> None:
    bar = figure.colorbar(drawn, ax=axes, label=scale.title, shrink=0.9, aspect=30)
    places, labels = scale.decade_ticks
    bar.set_ticks(places, labels=labels)
    bar.ax.minorticks_off()
