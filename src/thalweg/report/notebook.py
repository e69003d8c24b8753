"""How studies, results and charts show themselves in Jupyter, with no request to any network."""

import html
import json
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from matplotlib.figure import Figure as StaticFigure

from thalweg.report.charts import Chart
from thalweg.report.formats import metric_name, plural
from thalweg.report.html_table import html_table
from thalweg.report.interactive import interactive_figure
from thalweg.report.metric_columns import metric_text
from thalweg.report.palette import SOFT, rgba
from thalweg.report.static import png, static_figure
from thalweg.report.summary import summary
from thalweg.report.tables import final_table
from thalweg.store.results import StudyResults
from thalweg.study import StudyPlan
from thalweg.study.panels import Panel, panels

PLOTLY = "application/vnd.plotly.v1+json"
"""Drawn by the Plotly that a notebook's program has; what has none shows the picture beside it."""

CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["sendDataToCloud"]}

SCREEN = 140
"""CSS pixels on the screen for an inch of the picture."""


@dataclass(frozen=True)
class Figure:
    """A chart of the report that shows itself in Jupyter.

    Attributes:
        chart: What it shows.
    """

    chart: Chart

    def plotly(self) -> go.Figure:
        """Return it as a Plotly figure, legible on light and on dark paper."""
        figure = interactive_figure(self.chart)
        title = {"text": html.escape(self.chart.title, quote=False), "font": {"size": 15}}
        figure.update_layout(title=title, margin={"t": 60}, font={"color": SOFT})
        if not self.chart.bare and self.chart.z is None:
            lines = {"gridcolor": rgba(SOFT, 0.25), "linecolor": SOFT, "tickcolor": SOFT}
            figure.update_xaxes(lines)
            figure.update_yaxes(lines)
        return figure

    def matplotlib(self) -> StaticFigure:
        """Return it as a Matplotlib figure, as wide as a column of a paper or as its page."""
        return static_figure(self.chart)

    def __repr__(self) -> str:
        return f"<Figure {self.chart.name}: {self.chart.description}>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        picture = self.matplotlib()
        data = {
            PLOTLY: {**json.loads(self.plotly().to_json()), "config": CONFIG},
            "image/png": png(picture),
            "text/plain": repr(self),
        }
        return data, {"image/png": {"width": round(SCREEN * picture.get_figwidth())}}


def results_html(results: StudyResults, failed: int = 0) -> str:
    """Return a study's arms at their selected points, and what a reader must know to trust them.

    Args:
        results: The study's results.
        failed: Runs that failed just now.
    """
    grouped = panels(results)
    known = [f"{plural(failed, 'run')} failed just now."] if failed else []
    known += summary(results, grouped).warnings
    listed = "".join(f"<li>{html.escape(text)}</li>" for text in known)
    return (
        _paragraph(results.title or results.name, "b")
        + (_arms(grouped) if grouped else "<p>No runs yet.</p>")
        + (f"<ul>{listed}</ul>" if listed else "")
    )


def study_html(plan: StudyPlan) -> str:
    """Return a study's title and question, and what its arms train."""
    order = ("arm", "task", "model", "optimizer", "points", "runs")
    rows: dict[str, dict[str, Any]] = {}
    for point in plan.points:
        names = {name: getattr(point.specs[0], name).name for name in order[1:4]}
        row = rows.setdefault(point.arm, {"arm": point.arm, **names, "points": 0, "runs": 0})
        row["points"] += 1
        row["runs"] += len(point.specs)
    texts = [[str(row[name]) for name in order] for row in rows.values()]
    return (
        _paragraph(plan.options.title or plan.name, "b")
        + _paragraph(plan.options.question, "i")
        + html_table(order, texts, [name in ("points", "runs") for name in order])
    )


def _arms(grouped: list[Panel]) -> str:
    """The columns of the report's table that a notebook has room for."""
    records = final_table(grouped).frame.to_dicts()
    metrics = dict.fromkeys(panel.metric for panel in grouped)
    metrics |= dict.fromkeys(("test_accuracy", "test_loss"))
    shown = [m for m in metrics if any(m in panel.metrics for panel in grouped)]
    named = [name for name in ("task", "model") if len({row[name] for row in records}) > 1]
    header = [*named, "arm", "point", "seeds", *map(metric_name, shown), "diverged"]
    rows = [
        [
            *(row[name] for name in (*named, "arm")),
            row["point"] or "—",
            str(row["seeds"]),
            *(metric_text(row, metric) for metric in shown),
            f"{row['diverged_in_arm']} of {row['runs_in_arm']}",
        ]
        for row in records
    ]
    texts = len(named) + 2
    numeric = [index >= texts for index in range(len(header))]
    caption = "Mean over seeds ± half the 95 % Student t interval, at the selected points."
    return html_table(header, rows, numeric, caption)


def _paragraph(text: str, tag: str) -> str:
    return f"<p><{tag}>{html.escape(text)}</{tag}></p>" if text else ""
