"""Contours and surfaces, drawn by Plotly."""

import html
import math
from typing import Any

import plotly.graph_objects as go

from thalweg.report.charts import Axis, Chart, Contour, Number, Relief, log_heights
from thalweg.report.formats import clipped
from thalweg.report.palette import HALO, LEVELS, MARK, RELIEF, SOFT

SCALE = RELIEF.capitalize()

HOVER = "(%{x:.3g}, %{y:.3g}): %{customdata}<extra></extra>"


def contour_traces(layer: Contour) -> list[Any]:
    """Return the filled levels with a colour bar, the path and the star."""
    low, high = layer.scale.decades
    traces: list[Any] = [
        go.Contour(
            x=list(layer.x),
            y=list(layer.y),
            z=log_heights(layer.z, layer.scale),
            zmin=low,
            zmax=high,
            colorscale=SCALE,
            contours={"start": low, "end": high, "size": (high - low) / LEVELS},
            line={"width": 0.5, "color": "rgba(255, 255, 255, 0.5)"},
            colorbar=_colour_bar(layer.scale),
            customdata=_texts(layer.z),
            hovertemplate=HOVER,
        )
    ]
    if layer.path:
        x, y = map(list, zip(*layer.path, strict=True))
        hover = [html.escape(text, quote=False) for text in layer.hover]
        traces += [
            _marks(x, y, "lines+markers", 3.5, HALO, {"size": 6}, None),
            _marks(x, y, "lines+markers", 1.8, MARK, {"size": 4}, hover),
            _marks(x[:1], y[:1], "markers", 0, MARK, _edged("circle", 10), hover[:1]),
        ]
    return [*traces, _marks([0], [0], "markers", 0, MARK, _edged("star", 16), ["the network"])]


def relief_figure(chart: Chart) -> go.Figure:
    """Return the surfaces of a chart, of which the first is shown; the legend changes between
    them.
    """
    scale = chart.z
    assert scale is not None
    low, high = scale.decades
    figure = go.Figure()
    for index, layer in enumerate(chart.reliefs):
        figure.add_trace(_surface(layer, scale, shown=index == 0))
    axis = {
        "color": SOFT,
        "gridcolor": SOFT,
        "showbackground": False,
        "zeroline": False,
        "nticks": 5,
        "tickfont": {"size": 11},
    }
    places, labels = scale.decade_ticks
    figure.update_layout(
        coloraxis={
            "cmin": low,
            "cmax": high,
            "colorscale": SCALE,
            "colorbar": _colour_bar(scale),
        },
        legend={"itemclick": "toggleothers", "itemdoubleclick": "toggle"},
        scene={
            "xaxis": {**axis, "title": _title(chart.x)},
            "yaxis": {**axis, "title": _title(chart.y)},
            "zaxis": {
                **axis,
                "title": {"text": ""},  # the colour bar has it
                "range": [low, high],
                "tickvals": places,
                "ticktext": labels,
            },
            "aspectmode": "manual",
            "aspectratio": {"x": 1, "y": 1, "z": 0.75},
            "camera": {
                "eye": {"x": 1.6, "y": 1.6, "z": 1.05},
                "center": {"x": 0, "y": 0, "z": -0.1},
            },
        },
    )
    return figure


def _title(axis: Axis) -> dict[str, Any]:
    return {"text": html.escape(axis.title, quote=False), "font": {"size": 12}}


def _surface(layer: Relief, scale: Axis, shown: bool) -> go.Surface:
    return go.Surface(
        x=list(layer.x),
        y=list(layer.y),
        z=log_heights(layer.z, scale),
        coloraxis="coloraxis",
        name=html.escape(clipped(layer.label), quote=False),
        showlegend=True,
        visible=True if shown else "legendonly",
        customdata=_texts(layer.z),
        hovertemplate=HOVER,
    )


def _marks(
    x: list[float],
    y: list[float],
    mode: str,
    width: float,
    ink: str,
    marker: dict[str, Any],
    hover: list[str] | None,
) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode=mode,
        line={"width": width, "color": ink},
        marker={"color": ink, **marker},
        text=hover,
        hovertemplate=None if hover is None else "%{text}<extra></extra>",
        hoverinfo="skip" if hover is None else None,
        showlegend=False,
    )


def _edged(symbol: str, size: int) -> dict[str, Any]:
    return {"symbol": symbol, "size": size, "line": {"width": 1.5, "color": HALO}}


def _colour_bar(scale: Axis) -> dict[str, Any]:
    places, labels = scale.decade_ticks
    return {
        "title": {"text": html.escape(scale.title, quote=False), "side": "right"},
        "tickvals": places,
        "ticktext": labels,
        "thickness": 12,
        "outlinewidth": 0,
    }


def _texts(z: Any) -> list[list[str]]:
    def text(value: Number) -> str:
        return "not finite" if value is None or not math.isfinite(value) else f"{value:.4g}"

    return [[text(value) for value in row] for row in z]
