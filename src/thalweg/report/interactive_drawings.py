"""Pictures, and units with the links between them, drawn by Plotly."""

import base64
import html
from typing import Any

import plotly.graph_objects as go

from thalweg.report.charts import Dots, Links, Picture, Words
from thalweg.report.formats import clipped
from thalweg.report.palette import SOFT, colour
from thalweg.report.pixels import picture_png


def picture_image(layer: Picture) -> dict[str, Any]:
    """Return an image that is part of the page, on the axes of the only panel."""
    (left, right), (low, high) = layer.x, layer.y
    data = base64.b64encode(picture_png(layer.pixels)).decode("ascii")
    return {
        "source": f"data:image/png;base64,{data}",
        "xref": "x",
        "yref": "y",
        "x": left,
        "y": high,
        "sizex": right - left,
        "sizey": high - low,
        "sizing": "stretch",
        "layer": "below",
    }


def words_trace(layer: Words) -> go.Scatter:
    return go.Scatter(
        x=list(layer.x),
        y=list(layer.y),
        mode="text",
        text=[html.escape(text, quote=False) for text in layer.texts],
        textposition="top right",
        textfont={"size": 12, "color": SOFT},
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )


def links_traces(layer: Links) -> list[go.Scatter]:
    """Return the lines, and what stands for them in the legend, where faint ones cannot be seen."""
    x: list[float | None] = []
    y: list[float | None] = []
    for path in layer.paths:
        x += [*(place for place, _ in path), None]
        y += [*(place for _, place in path), None]
    name = html.escape(clipped(layer.label), quote=False)
    common = {"mode": "lines", "name": name, "legendgroup": name, "hoverinfo": "skip"}
    ink = colour(layer.style)
    drawn = {"color": ink, "width": layer.width}
    return [
        go.Scatter(x=x, y=y, line=drawn, opacity=layer.opacity, showlegend=False, **common),
        go.Scatter(x=[None], y=[None], line={"color": ink, "width": 2}, **common),
    ]


def dots_trace(layer: Dots) -> go.Scatter:
    return go.Scatter(
        x=list(layer.x),
        y=list(layer.y),
        mode="markers",
        marker={"color": colour(layer.style), "size": list(layer.sizes), "line": {"width": 0}},
        text=[html.escape(text, quote=False) for text in layer.hover],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
        cliponaxis=False,
    )
