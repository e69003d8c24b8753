"""Commands that look at results: show, query, report."""

from pathlib import Path
from typing import Annotated

import typer

from thalweg import api
from thalweg.cli.output import print_frame, print_json, print_table, prints_aside
from thalweg.cli.parameters import Json, Out, Trust
from thalweg.cli.run import summarize
from thalweg.errors import InputError
from thalweg.store import Store
from thalweg.store.assemble import read_results
from thalweg.store.query import query as run_query

Study = Annotated[
    str | None, typer.Argument(help="A study's name; may be left out if there is one only.")
]


def show(study: Study = None, out: Out = api.DEFAULT_OUT, as_json: Json = False) -> None:
    """Show the studies of a results folder, or the figures of one."""
    store = Store(out)
    if study is None and len(store.studies()) != 1:
        rows = []
        for name in store.records():
            results = read_results(store, name)
            done = results.runs.filter(results.runs["status"].is_in(["done", "diverged"]))
            rows.append(
                {
                    "study": name,
                    "title": results.title,
                    "runs": len(results.runs),
                    "complete": len(done),
                    "finished": results.provenance["finished"],
                }
            )
        if as_json:
            print_json(rows)
        else:
            print_table(rows, ["study", "title", "runs", "complete", "finished"])
        return
    rows = summarize(read_results(store, study or store.studies()[0]))
    if as_json:
        print_json(rows)
    else:
        print_table(rows, list(dict.fromkeys(key for row in rows for key in row)))


def query(
    sql: Annotated[
        str, typer.Argument(help="One SQL statement over runs, arms, metrics and rounds.")
    ],
    out: Out = api.DEFAULT_OUT,
    as_json: Json = False,
) -> None:
    """Query the results with SQL (DuckDB)."""
    frame = run_query(Store(out), sql)
    if as_json:
        print_json(frame.to_dicts())
    else:
        print_frame(frame)


def report(
    study: Study = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="Folder to write it to as Markdown with figures and tables, for a repository.",
        ),
    ] = None,
    out: Out = api.DEFAULT_OUT,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Write a study's report again from what the store holds."""
    store = Store(out)
    names = store.studies()
    if study is None:
        if len(names) != 1:
            raise InputError(
                f"{out}: holds {len(names)} studies; name one (allowed: {', '.join(names)})"
            )
        study = names[0]
    with prints_aside():  # an audit may import what the study names
        path = api.Results(study, store, {}).report(to).path
    if as_json:
        print_json({"study": study, "report": str(path.resolve())})
    else:
        print(f"report: {path.resolve()}")
