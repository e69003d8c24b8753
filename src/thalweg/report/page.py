"""The report as one HTML file that needs nothing else and asks no network for anything."""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from thalweg.audit import Finding
from thalweg.report.charts import Chart
from thalweg.report.figures import Section
from thalweg.report.formats import duration
from thalweg.report.interactive import interactive_figure
from thalweg.report.summary import Summary
from thalweg.report.table import Table
from thalweg.store.results import StudyResults


def render(
    results: StudyResults,
    summary: Summary,
    answers: Sequence[str],
    sections: Sequence[Section],
    tables: Sequence[Table],
    audit: Sequence[Finding] | None,
) -> str:
    """Return the page. Links to figures and tables are relative to the study's folder."""
    environment = Environment(
        loader=PackageLoader("thalweg.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    charts = [chart for section in sections for chart in section.charts]
    script, plotly = _asset("drawing.js") + _asset("page.js"), Markup(get_plotlyjs())
    return environment.get_template("page.html.j2").render(
        study=results,
        summary=summary,
        answers=answers,
        audit=audit,
        sections=sections,
        tables=tables,
        provenance=provenance_rows(results.provenance),
        study_file=str(results.provenance.get("study_file") or ""),
        command=_command(results.provenance.get("command")),
        style=_asset("page.css"),
        script=script,
        plotly=plotly,
        allowed=Markup(" ".join(map(script_hash, (script, plotly)))),
        figures=script_json({chart.name: _plotly(chart) for chart in charts}),
        version=version("thalweg"),
    )


def _asset(name: str) -> Markup:
    path = resources.files("thalweg.report") / "templates" / name
    return Markup(path.read_text(encoding="utf-8"))


def script_hash(script: str) -> str:
    """Return how a Content-Security-Policy names a script that may run; where scripts are named,
    no other runs, and no handler in an attribute.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def script_json(value: Any) -> Markup:
    """Return JSON that cannot end the script element it stands in.

    ``<``, ``>`` and ``&`` become Unicode escapes, so neither ``</script>`` nor ``<!--`` occurs.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _plotly(chart: Chart) -> Any:
    return json.loads(interactive_figure(chart).to_json())


def _command(command: Any) -> str:
    if isinstance(command, str) or command is None:
        return command or ""
    return " ".join(map(str, command))


def provenance_rows(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """Return terms and values of how results came to be, without what has a place of its own."""
    names = {
        "source": "Source hash",
        "versions": "Versions",
        "machine": "Machine",
        "started": "Started",
        "finished": "Finished",
    }
    rows = [(label, _flat(provenance.get(name))) for name, label in names.items()]
    rows.append(("Elapsed", _elapsed(provenance.get("started"), provenance.get("finished"))))
    return [(label, text) for label, text in rows if text]


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items() if item)
    if isinstance(value, list | tuple):
        return ", ".join(_flat(item) for item in value)
    return "" if value is None else str(value)


def _elapsed(started: Any, finished: Any) -> str:
    try:
        return duration(
            (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()
        )
    except (TypeError, ValueError):  # a study that has not finished, or times of mixed kinds
        return ""
