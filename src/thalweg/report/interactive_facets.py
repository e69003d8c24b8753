"""Where the small panels of a chart lie, in Plotly's terms."""

import html
import math
from typing import Any

from thalweg.report.charts import FACET_COLUMNS, Axis, Chart

ACROSS = 0.11
"""Share of the width between two panels, for the ticks of the right one."""

UPRIGHT = 54
"""CSS pixels between two rows, for ticks and a title."""

AROUND = 110
"""CSS pixels above all rows, for the buttons and titles, and below them, for ticks and a legend."""

TOP = 52
"""Those above."""


def facet_layout(chart: Chart) -> dict[str, Any]:
    """Return the axes' domains and the panels' titles."""
    columns = min(FACET_COLUMNS, len(chart.facets))
    rows = math.ceil(len(chart.facets) / columns)
    gap = UPRIGHT / (chart.height - AROUND) if rows > 1 else 0.0
    width = (1 - ACROSS * (columns - 1)) / columns
    height = (1 - gap * (rows - 1)) / rows
    layout: dict[str, Any] = {"annotations": [], "margin": {"t": TOP}}
    for index, facet in enumerate(chart.facets):
        number = "" if index == 0 else str(index + 1)
        row, column = divmod(index, columns)
        left, top = column * (width + ACROSS), 1 - row * (height + gap)
        lowest = index + columns >= len(chart.facets)
        layout |= {
            f"xaxis{number}": {
                "domain": [left, left + width],
                "anchor": f"y{number}",
                "title": _title(chart.x if lowest else None),
            },
            f"yaxis{number}": {
                "domain": [max(top - height, 0.0), top],
                "anchor": f"x{number}",
                "title": _title(None if column else chart.y),
            },
        }
        layout["annotations"].append(
            {
                "text": f"<b>{html.escape(facet.title, quote=False)}</b>",
                "xref": f"x{number} domain",
                "yref": f"y{number} domain",
                "x": 0,
                "y": 1,
                "xanchor": "left",
                "yanchor": "bottom",
                "font": {"size": 12},
                "showarrow": False,
            }
        )
    return layout


def _title(axis: Axis | None) -> dict[str, Any]:
    text = "" if axis is None else html.escape(axis.title, quote=False)
    return {"text": text, "font": {"size": 13}}
