"""The web application: which address shows what."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from thalweg.errors import InputError, ThalwegError
from thalweg.store import Store
from thalweg.store.names import inside
from thalweg.ui.content import Choice, View
from thalweg.ui.guard import LOOPBACK, Guard
from thalweg.ui.home import home
from thalweg.ui.library import Library
from thalweg.ui.page import FOREVER, figures, render, static_file
from thalweg.ui.pulse import Beat, Pulse, merged
from thalweg.ui.run_page import run_page
from thalweg.ui.run_table import OPERATORS
from thalweg.ui.runs_page import WINDOW, RunsAsked, csv_of, group_rows, rows_json
from thalweg.ui.shelf import NotYetError
from thalweg.ui.training import live_chart, place_words
from thalweg.ui.written import REPORT, has_report, written_file

MOST_LISTED = 20
"""Runs in training that an overview lists."""

LONG = 60.0
"""Seconds that an answer which is no page waits for what it needs."""

UNFINISHED = "unfinished"
"""Mark of a page that lacks something that is still being made; no state has it."""


def application(
    store: Store,
    views: Sequence[View],
    hosts: Collection[str] | None = LOOPBACK,
    token: str | None = None,
    cookie: str = "thalweg",
) -> Starlette:
    """Return the application for a store.

    Args:
        store: What it shows; it is never written to.
        views: The pages of a study.
        hosts: Names under which it may be asked for; None for any.
        token: What a reader must have; None for anyone.
        cookie: Name of the cookie that holds it.
    """
    pages = Pages(store, views)
    routes = [
        ("/", pages.home),
        ("/state.json", pages.home_state),
        ("/static/{name}", pages.static),
        ("/studies", lambda request: RedirectResponse("/")),
        ("/studies/{study}", pages.overview),
        ("/studies/{study}/state.json", pages.state),
        ("/studies/{study}/runs", pages.runs),
        ("/studies/{study}/runs/rows.json", pages.rows),
        ("/studies/{study}/runs.csv", pages.runs_csv),
        ("/studies/{study}/written/{folder}/{file}", pages.written),
        ("/studies/{study}/{view}", pages.view),
        ("/studies/{study}/{view}/{table}.csv", pages.table_csv),
        ("/runs/{run}", pages.run),
        ("/runs/{run}/state.json", pages.run_state),
    ]
    return Starlette(
        routes=[Route(path, answer, methods=["GET"]) for path, answer in routes],
        middleware=[Middleware(Guard, hosts=hosts, token=token, cookie=cookie)],
        exception_handlers={
            NotYetError: pages.not_yet,
            ThalwegError: pages.failed,
            HTTPException: pages.refused,
            Exception: pages.broken,
        },
    )


class Pages:
    """What is answered. Handlers are plain functions, which Starlette runs in threads."""

    def __init__(self, store: Store, views: Sequence[View]) -> None:
        self._store = store
        self._library = Library(store, views)
        self._views = {view.name: view for view in views}

    def home(self, request: Request) -> Response:
        """Answer with the studies of the store."""
        studies = home(self._library)
        mark, over = self._home_mark()
        return render(
            request,
            "home",
            {"studies": studies, "folder": str(self._store.root.resolve())},
            state="/state.json",
            mark=mark if all(study.known for study in studies) else UNFINISHED,
            over=over,
        )

    def home_state(self, request: Request) -> Response:
        """Tell whether the page of studies is still as it is."""
        mark, over = self._home_mark()
        return JSONResponse({"mark": mark, "over": over})

    def overview(self, request: Request) -> Response:
        """Answer with what a study says and how far it is."""
        name = request.path_params["study"]
        pulse = self._pulse(name)
        said, current = None, False
        with suppress(NotYetError):
            kept = self._library.overview(name, pulse)
            said, current = kept.value, kept.fresh
        context, fresh = self._study(name, pulse, "")
        chart = live_chart(self._store, pulse)
        return self._study_page(
            request,
            "overview",
            pulse,
            fresh and current,
            {
                **context,
                "said": said,
                "training": _in_training(pulse),
                "groups": [chart] if chart else [],
                "figures": figures([chart] if chart else []),
                "report": has_report(self._store, name),
                "report_at": REPORT,
            },
        )

    def runs(self, request: Request) -> Response:
        """Answer with the table of a study's runs, or of groups of them."""
        name = request.path_params["study"]
        pulse = self._pulse(name)
        kept = self._library.run_table(name, pulse)
        context, fresh = self._study(name, pulse, "runs")
        asked = RunsAsked.of(kept.value, request)
        shown = group_rows(kept.value, asked, request) if asked.groups else None
        window = None if shown else rows_json(kept.value, asked, asked.offset, WINDOW)
        return self._study_page(
            request,
            "runs",
            pulse,
            fresh and kept.fresh,
            {
                **context,
                "asked": asked,
                "rows": kept.value,
                "grouped": shown,
                "window": window,
                "operators": OPERATORS,
                "usual": kept.value.usual(),
                "page_size": WINDOW,
                "rows_at": _beside(request, "/rows.json"),
                "csv": _beside(request, ".csv"),
            },
        )

    def rows(self, request: Request) -> Response:
        """Answer with some of the rows of that table."""
        name = request.path_params["study"]
        kept = self._library.run_table(name, self._pulse(name), LONG)
        asked = RunsAsked.of(kept.value, request)
        return JSONResponse(rows_json(kept.value, asked, asked.offset, WINDOW))

    def runs_csv(self, request: Request) -> Response:
        """Answer with that table, all columns and every row that meets the filters."""
        name = request.path_params["study"]
        kept = self._library.run_table(name, self._pulse(name), LONG)
        return _csv(f"{name}-runs", csv_of(kept.value, RunsAsked.of(kept.value, request)))

    def view(self, request: Request) -> Response:
        """Answer with a view of a study."""
        name, view = request.path_params["study"], self._view(request)
        pulse = self._pulse(name)
        kept = self._library.content(name, pulse, view, _asked(request))
        context, fresh = self._study(name, pulse, view.name)
        return self._study_page(
            request,
            "view",
            pulse,
            fresh and kept.fresh,
            {
                **context,
                "view": view,
                "content": kept.value.content,
                "groups": kept.value.content.groups,
                "figures": kept.value.figures,
                "kept_parameters": _kept_parameters(request, kept.value.content.choices),
            },
        )

    def table_csv(self, request: Request) -> Response:
        """Answer with a table of a view, in full precision."""
        name, view = request.path_params["study"], self._view(request)
        kept = self._library.content(name, self._pulse(name), view, _asked(request), LONG)
        for table in kept.value.content.tables:
            if table.name == request.path_params["table"]:
                return _csv(f"{name}-{table.name}", table.frame.write_csv())
        raise HTTPException(404, "This view has no such table.")

    def written(self, request: Request) -> Response:
        """Answer with a file of the report that was written."""
        self._pulse(request.path_params["study"])
        return written_file(self._store, **request.path_params)

    def run(self, request: Request) -> Response:
        """Answer with what is known of one run."""
        run = self._run(request)
        shown = run_page(self._library, run)
        mark, beat = self._library.watch.beat(run)
        return render(
            request,
            "run",
            {
                "run": shown,
                "groups": shown.groups,
                "figures": figures(shown.groups),
                "beat": beat,
            },
            state=f"/runs/{run}/state.json",
            mark=merged([mark]),
            over=beat.state != "training",
        )

    def run_state(self, request: Request) -> Response:
        """Tell whether the page of a run is still as it is."""
        mark, beat = self._library.watch.beat(self._run(request))
        return JSONResponse({"mark": merged([mark]), "over": beat.state != "training"})

    def state(self, request: Request) -> Response:
        """Tell whether the pages of a study are still as they are."""
        pulse = self._pulse(request.path_params["study"])
        return JSONResponse({"mark": pulse.mark, "over": pulse.over, "told": pulse.told})

    def static(self, request: Request) -> Response:
        """Answer with a script or a style sheet."""
        try:
            content, kind = static_file(request.path_params["name"])
        except KeyError:
            raise HTTPException(404, "There is no such file.") from None
        return Response(content, media_type=kind, headers=FOREVER)

    def not_yet(self, request: Request, error: Exception) -> Response:
        """Answer with a page that is shown until there is something to show."""
        if not _wants_page(request):
            return self._sentence(request, 503, "This is still being made; ask again.")
        name = request.path_params["study"]
        pulse = self._pulse(name)
        current = request.path_params.get("view", "runs")
        context, _ = self._study(name, pulse, current)
        return self._study_page(request, "waiting", pulse, False, context)

    def failed(self, request: Request, error: Exception) -> Response:
        """Answer with the sentence of an error that has one."""
        status = 400 if isinstance(error, InputError) else 500
        return self._sentence(request, status, str(error))

    def refused(self, request: Request, error: Exception) -> Response:
        """Answer that there is nothing at an address."""
        assert isinstance(error, HTTPException)
        unnamed = error.status_code == 404 and error.detail == "Not Found"
        text = "There is nothing at this address." if unnamed else error.detail
        return self._sentence(request, error.status_code, text)

    def broken(self, request: Request, error: Exception) -> Response:
        """Answer that something has gone wrong here; the server logs what."""
        text = f"This page could not be made ({type(error).__name__}); the terminal tells more."
        return self._sentence(request, 500, text)

    def _sentence(self, request: Request, status: int, text: str) -> Response:
        if not _wants_page(request):
            return JSONResponse({"error": text}, status)
        return render(request, "sentence", {"text": text, "code": status}, status=status)

    def _pulse(self, name: str) -> Pulse:
        try:
            known = (inside(self._store.root / "studies", name) / "study.json").exists()
        except InputError:
            known = False
        if not known:
            raise HTTPException(404, f"There is no study {name!r} here.")
        return self._library.watch.pulse(name)

    def _view(self, request: Request) -> View:
        view = self._views.get(request.path_params["view"])
        if view is None:
            raise HTTPException(404, "A study has no such page.")
        return view

    def _run(self, request: Request) -> str:
        name = request.path_params["run"]
        try:
            known = (inside(self._store.root / "runs", name)).is_dir()
        except InputError:
            known = False
        if not known:
            raise HTTPException(404, f"There is no run {name!r} here.")
        return str(name)

    def _study(self, name: str, pulse: Pulse, current: str) -> tuple[dict[str, Any], bool]:
        """Return what every page of a study shows, and whether it is of the state of now."""
        views: tuple[View, ...] = ()
        fresh = False
        with suppress(NotYetError, ThalwegError):
            kept = self._library.loaded(name, pulse, patience=0)
            views, fresh = kept.value.views, kept.fresh
        links = [("", "Overview"), ("runs", "Runs"), *((v.name, v.title) for v in views)]
        if current and current not in dict(links):
            links.append((current, self._views[current].title))
        return {"name": name, "pulse": pulse, "links": links, "current": current}, fresh

    def _study_page(
        self, request: Request, template: str, pulse: Pulse, fresh: bool, context: dict[str, Any]
    ) -> Response:
        return render(
            request,
            template,
            context,
            state=f"/studies/{context['name']}/state.json",
            mark=pulse.mark if fresh else UNFINISHED,
            over=pulse.over,
        )

    def _home_mark(self) -> tuple[str, bool]:
        marks, over = [], True
        for name in self._store.studies():
            try:
                pulse = self._library.watch.pulse(name)
            except ThalwegError as error:
                marks.append(str(error))
            else:
                marks.append(f"{name} {pulse.mark}")
                over = over and pulse.over
        return merged(marks), over


def _asked(request: Request) -> dict[str, tuple[str, ...]]:
    """Return the address's parameters, each with its values in order."""
    found: dict[str, list[str]] = {}
    for key, value in request.query_params.multi_items():
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def _kept_parameters(request: Request, choices: Sequence[Choice]) -> list[tuple[str, str]]:
    """Return the parameters that no control sets, for the form to keep."""
    keys = {choice.key for choice in choices}
    return [(k, value) for k, value in request.query_params.multi_items() if k not in keys]


def _wants_page(request: Request) -> bool:
    return not request.url.path.endswith((".json", ".csv"))


def _beside(request: Request, ending: str) -> str:
    """Return the address of the same request for another kind of answer."""
    query = request.url.query
    return f"{request.url.path}{ending}?{query}" if query else f"{request.url.path}{ending}"


def _in_training(pulse: Pulse) -> list[tuple[str, str, Beat]]:
    """Return the first runs in training: id, where they stand, and how far they are."""
    entries = [*pulse.record["runs"], *pulse.record.get("rounds", [])]
    words = {entry["run"]: place_words(entry) for entry in reversed(entries)}
    return [(run, words[run], beat) for run, beat in islice(pulse.training.items(), MOST_LISTED)]


def _csv(stem: str, text: str) -> Response:
    disposition = {"content-disposition": f'attachment; filename="{stem}.csv"'}
    return Response(text, media_type="text/csv", headers=disposition)
