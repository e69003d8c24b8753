"""Pages from templates, and what they need beside what they show."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from thalweg.report import formats
from thalweg.report.charts import Chart
from thalweg.report.figures import Group
from thalweg.report.interactive import interactive_figure
from thalweg.report.page import script_json

STATIC = {
    "page.css": ("thalweg.report", "templates", "text/css"),
    "drawing.js": ("thalweg.report", "templates", "text/javascript"),
    "ui.css": ("thalweg.ui", "static", "text/css"),
    "ui.js": ("thalweg.ui", "static", "text/javascript"),
    "rows.js": ("thalweg.ui", "static", "text/javascript"),
}
"""Files that pages ask for: package, folder and type; and Plotly's script, ``plotly.js``."""

FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
"""Of a file whose address tells its content."""


@cache
def static_file(name: str) -> tuple[bytes, str]:
    """Return a file that pages ask for, and its type.

    Raises:
        KeyError: There is none of that name.
    """
    if name == "plotly.js":
        return get_plotlyjs().encode(), "text/javascript"
    package, folder, kind = STATIC[name]
    return (resources.files(package) / folder / name).read_bytes(), kind


@cache
def asset(name: str) -> str:
    """Return the address of a file that pages ask for; another content has another address."""
    digest = hashlib.sha256(static_file(name)[0]).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def figures(groups: Sequence[Group]) -> dict[str, Any]:
    """Return the charts as Plotly figures by name."""
    return {chart.name: _plotly(chart) for group in groups for chart in group.charts}


def _plotly(chart: Chart) -> Any:
    return json.loads(interactive_figure(chart).to_json())


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("thalweg.ui", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=formats.number,
        duration=formats.duration,
        plural=formats.plural,
        part=part,
        day=day,
        script_json=script_json,
    )
    environment.globals.update(asset=asset, version=version("thalweg"), address=address)
    return environment


def part(text: str) -> str:
    """Return a text as one part of an address's path."""
    return quote(text, safe="")


def day(moment: str) -> str:
    """Return an ISO time as it stands on a page: "2026-11-22 09:25 UTC"."""
    try:
        when = datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        return moment or ""
    return f"{when:%Y-%m-%d %H:%M} {when.tzname() or ''}".strip()


def address(request: Request, **changes: str | Sequence[str] | None) -> str:
    """Return the page's own address with other parameters; one that is None is left out."""
    kept = [(key, value) for key, value in request.query_params.multi_items() if key not in changes]
    for key, value in changes.items():
        if value is not None:
            kept += [(key, each) for each in ([value] if isinstance(value, str) else value)]
    return f"{request.url.path}?{urlencode(kept)}" if kept else request.url.path


def render(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    *,
    state: str = "",
    mark: str = "",
    over: bool = True,
    status: int = 200,
) -> Response:
    """Return a page.

    Args:
        request: What was asked.
        template: The file without its endings.
        context: What the template shows.
        state: Address that tells whether the page is still as it is; "" if it never changes.
        mark: What is told there as long as it is.
        over: Whether it is not expected to change any more.
        status: Of the answer.
    """
    text = (
        _environment()
        .get_template(f"{template}.html.j2")
        .render(request=request, state=state, mark=mark, over=over, **context)
    )
    return HTMLResponse(text, status)


def no_figures() -> Markup:
    """Return what a page without charts has in their place."""
    return script_json({})
