"""A chart as a Plotly figure for the page.

The paper is transparent and texts and rules take their colours from the page's style sheet, so a
figure follows the reader's light or dark scheme.
"""

import html
import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from thalweg.report.charts import (
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
    runs_of_finite,
)
from thalweg.report.formats import clipped
from thalweg.report.interactive_drawings import dots_trace, links_traces, picture_image, words_trace
from thalweg.report.interactive_facets import facet_layout
from thalweg.report.interactive_landscape import contour_traces, relief_figure
from thalweg.report.palette import (
    BAND_OPACITY,
    HEAT,
    HEAT_BELOW,
    HEAT_OPACITY,
    SHADE_OPACITY,
    colour,
    dash,
    rgba,
    symbol,
)

SIZES = {"dot": 9, "small": 5, "star": 15, "cross": 9}


def interactive_figure(chart: Chart) -> go.Figure:
    """Return the chart as a Plotly figure that fills its container's width."""
    figure = go.Figure() if chart.z is None else relief_figure(chart)
    named: set[str] = set()
    for number, pane in enumerate(chart.panes, 1):
        _add_layers(figure, pane, "" if number == 1 else str(number), named)
    figure.update_layout(
        template={},
        autosize=True,
        height=chart.full_height,
        margin={"l": 8, "r": 16, "t": 30, "b": 8},  # the buttons stand in the top margin
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#858d96", "activecolor": HEAT},
        hoverlabel={"font": {"size": 13}, "namelength": -1},
        hovermode="closest",
        showlegend=bool(chart.series),
        legend={
            "orientation": "h",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "x": 0,
            "xanchor": "left",
            "bgcolor": "rgba(0,0,0,0)",
        },
    )
    if chart.z is None:
        for number, pane in enumerate(chart.panes, 1):
            own = "" if number == 1 else str(number)
            figure.update_layout(
                {
                    f"xaxis{own}": _axis(pane.x, grid=not chart.covered),
                    f"yaxis{own}": _axis(pane.y, grid=not chart.covered),
                }
            )
    if chart.facets:
        figure.update_layout(facet_layout(chart))
    if chart.bare:
        together = {"visible": False, "constrain": "domain"}
        figure.update_xaxes(together)
        figure.update_yaxes({**together, "scaleanchor": "x", "constraintoward": "top"})
    return figure


def _add_layers(figure: go.Figure, pane: Facet, number: str, named: set[str]) -> None:
    """Add the layers of a panel, whose axes have a number; ``named`` are those in the legend."""
    axes = {"xaxis": f"x{number}", "yaxis": f"y{number}"}
    for layer in pane.layers:
        traces: list[Any] = []
        if isinstance(layer, Heatmap):
            traces = [_heatmap(layer)]
        elif isinstance(layer, Shade):
            figure.add_shape(
                type="rect",
                xref=axes["xaxis"],
                yref=f"{axes['yaxis']} domain",
                x0=layer.low,
                x1=layer.high,
                y0=0,
                y1=1,
                fillcolor=rgba(colour(layer.style), SHADE_OPACITY),
                line_width=0,
                layer="below",
            )
        elif isinstance(layer, Line):
            traces = _line(layer, show_name=layer.label not in named)
            named.add(layer.label)
        elif isinstance(layer, Contour):
            traces = contour_traces(layer)
        elif isinstance(layer, Points):
            traces = [_points(layer, show_name=layer.label not in named)]
            named.add(layer.label)
        elif isinstance(layer, Picture):
            figure.add_layout_image(picture_image(layer))
        elif isinstance(layer, Words):
            traces = [words_trace(layer)]
        elif isinstance(layer, Links):
            traces = links_traces(layer)
        elif isinstance(layer, Dots):
            traces = [dots_trace(layer)]
        figure.add_traces([trace.update(axes) for trace in traces])


def _axis(axis: Axis, grid: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "title": {"text": html.escape(axis.title, quote=False), "standoff": 8},
        "automargin": True,
        "zeroline": False,
        "showgrid": grid,
        "ticks": "outside",
        "ticklen": 4,
    }
    if axis.log:
        settings["type"] = "log"
    if axis.limits is not None:
        settings["range"] = [math.log10(v) if axis.log else v for v in axis.limits]
    if axis.ticks is not None:
        settings["tickmode"] = "array"
        settings["tickvals"] = [value for value, _ in axis.ticks]
        settings["ticktext"] = [html.escape(label, quote=False) for _, label in axis.ticks]
    return settings


def _line(line: Line, show_name: bool) -> list[go.Scatter]:
    # Plotly reads a few HTML tags in texts; foreign names must stay what they are.
    name = html.escape(clipped(line.label), quote=False)
    traces = []
    x: list[Number] = []
    y: list[Number] = []
    for stretch in runs_of_finite(line.low, line.high):
        if x:
            x.append(None)
            y.append(None)
        x += [line.x[i] for i in stretch] + [line.x[i] for i in reversed(stretch)]
        y += [line.high[i] for i in stretch] + [line.low[i] for i in reversed(stretch)]
    if x:
        traces.append(
            go.Scatter(
                x=x,
                y=y,
                mode="lines",
                fill="toself",
                fillcolor=rgba(colour(line.style), BAND_OPACITY),
                line={"width": 0},
                hoverinfo="skip",
                legendgroup=name,
                showlegend=False,
            )
        )
    traces.append(
        go.Scatter(
            x=list(line.x),
            y=list(line.y),
            mode="lines+markers" if line.markers or len(line.x) == 1 else "lines",
            name=name,
            legendgroup=name,
            showlegend=show_name,
            line={"color": colour(line.style), "dash": dash(line.style), "width": 2},
            marker={"symbol": symbol(line.style), "size": 7, "color": colour(line.style)},
            text=[_band_text(low, high) for low, high in zip(line.low, line.high, strict=True)],
            hovertemplate="%{x}: %{y:.4g}%{text}<extra>%{fullData.name}</extra>",
        )
    )
    return traces


def _band_text(low: Number, high: Number) -> str:
    return "" if low is None or high is None else f" [{low:.4g}, {high:.4g}]"


def _points(points: Points, show_name: bool) -> go.Scatter:
    shapes = {"star": "star", "cross": "x"}
    name = html.escape(clipped(points.label), quote=False)
    ink = colour(points.style)
    return go.Scatter(
        x=list(points.x),
        y=list(points.y),
        mode="markers",
        name=name,
        legendgroup=name,
        showlegend=show_name and points.symbol != "small",
        marker={
            "symbol": shapes.get(points.symbol, symbol(points.style)),
            "size": SIZES[points.symbol],
            "color": ink,
            "opacity": 0.55 if points.symbol == "small" else 1,
        },
        error_x=_errors(points.x, points.x_interval, ink),
        error_y=_errors(points.y, points.y_interval, ink),
        text=[html.escape(text, quote=False) for text in points.hover],
        hovertemplate="%{text}<extra></extra>",
        cliponaxis=False,
    )


def _errors(
    centres: Sequence[float], intervals: Sequence[tuple[float, float] | None] | None, ink: str
) -> dict[str, Any] | None:
    if intervals is None or not any(intervals):
        return None
    ends = [i or (c, c) for c, i in zip(centres, intervals, strict=True)]
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - c for c, (_, high) in zip(centres, ends, strict=True)],
        "arrayminus": [c - low for c, (low, _) in zip(centres, ends, strict=True)],
        "color": ink,
        "thickness": 2,
        "width": 5,
    }


def _heatmap(heat: Heatmap) -> go.Heatmap:
    return go.Heatmap(
        z=[list(shares) for shares in heat.shares],
        zmin=-heat.largest if heat.signed else 0,
        zmax=heat.largest,
        colorscale=[
            *([[0, rgba(HEAT_BELOW, HEAT_OPACITY)], [0.5, rgba(HEAT_BELOW, 0)]] * heat.signed),
            [0.5 * heat.signed, rgba(HEAT, 0)],
            [1, rgba(HEAT, HEAT_OPACITY)],
        ],
        showscale=False,
        xgap=1,
        ygap=1,
        text=[[heat.text(share) if heat.texts else "" for share in row] for row in heat.shares],
        texttemplate="%{text}" if heat.texts else None,
        textfont={"size": 11},
        customdata=[[html.escape(text, quote=False) for text in row] for row in heat.hover],
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
    )
