"""Every figure of graphs and weights of every run, as tables for other programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import polars as pl

from thalweg.report.by_layer import GRAPHS, WEIGHTS, ByLayer
from thalweg.report.table import KEY_SCHEMA
from thalweg.store.results import StudyResults

WHOLE = "rewind_analysis_results"
LAYERS = "per_layer_results"
"""Names of the tables, by the custom of published studies."""

METRICS = ("test_accuracy", "test_loss", "validation_accuracy", "validation_loss")

SCHEMA = {
    **KEY_SCHEMA,
    "point": pl.String,
    **dict.fromkeys(("seed", "round"), pl.Int64),
    "kept": pl.Float64,
    "run": pl.String,
    **dict.fromkeys(METRICS, pl.Float64),
}

Row = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A probe whose figures are columns.

    Attributes:
        label: What it is called in the study.
        whole: What it calls the network as a whole.
        before: What the names of its columns begin with.
    """

    label: str
    whole: str
    before: str


def run_tables(results: StudyResults) -> dict[str, pl.DataFrame]:
    """Return the tables by name: a row a run and round for the network as a whole, and one a run,
    round and weight matrix; none where neither graphs nor weights were measured.
    """
    sources = [
        *_sources(results, GRAPHS, "network", ""),
        *_sources(results, WEIGHTS, "all", "weight_"),
    ]
    if not sources:
        return {}
    whole: list[Row] = []
    layers: list[Row] = []
    for run in _runs(results):
        by_layer: dict[str, Row] = {}
        of_whole: Row = {}
        for source in sources:
            for name, columns in _columns(results.grids.get((run["run"], source.label), {})):
                own = of_whole if name == source.whole else by_layer.setdefault(name, {})
                own |= {f"{source.before}{key}": value for key, value in columns.items()}
        if by_layer:
            whole.append({**run, **of_whole})
            layers += [{**run, "layer": name, **own} for name, own in by_layer.items()]
    columns = dict.fromkeys(key for row in [*layers, *whole] for key in row if key not in SCHEMA)
    shared = [key for key in columns if key != "layer"]
    return {
        WHOLE: _frame(whole, SCHEMA, shared),
        LAYERS: _frame(layers, {**SCHEMA, "layer": pl.String}, shared),
    }


def _sources(results: StudyResults, kind: ByLayer, whole: str, before: str) -> Iterator[Source]:
    """Yield the probes of a kind; the names of all but the first one's columns have its label."""
    for number, label in enumerate(kind.labels(results)):
        yield Source(label, whole, f"{label}.{before}" if number else before)


def _runs(results: StudyResults) -> Iterator[Row]:
    """Yield the runs of all arms, points and seeds in order, those pruned by rounds round by round,
    by the columns of `SCHEMA`.
    """

    def place(row: Row) -> tuple[Any, ...]:
        return row["arm"], row["point"], row["seed"]

    rounds = {where: list(rows) for where, rows in groupby(results.rounds.to_dicts(), key=place)}
    for run in results.runs.to_dicts():
        dense = run["status"] == "done" and run["kept"] is None
        alone = {**run, "round": None, "kept": 1.0 if dense else run["kept"]}
        for row in rounds.get(place(run), [alone]):
            yield {name: {**run, **row}[name] for name in SCHEMA}


def _columns(figures: Row) -> Iterator[tuple[str, Row]]:
    """Yield each layer's name and figures: those of the layer itself, and of measures of graphs how
    the random graphs of each kind are distributed.
    """
    nulls: dict[str, Row] = {}
    for null, layer, measure, _, *drawn in figures.get("nulls", []):
        own = nulls.setdefault(layer, {})
        own |= {
            f"{measure}_{null}_{name}": value
            for name, value in zip(("mean", "low", "high", "z"), drawn, strict=True)
        }
    names = figures.get("layer", [])
    listed = {
        key: values
        for key, values in figures.items()
        if isinstance(values, list)
        and key not in ("layer", "nulls")
        and not any(isinstance(each, list) for each in values)
    }
    for index, layer in enumerate(names):
        own = {key: values[index] for key, values in listed.items()}
        yield layer, own | nulls.get(layer, {})


def _frame(rows: list[Row], schema: dict[str, Any], columns: list[str]) -> pl.DataFrame:
    """Return rows as a frame; whole numbers and texts stay what they are."""

    def kind(name: str) -> Any:
        known = {type(row[name]) for row in rows if row.get(name) is not None}
        return pl.String if str in known else pl.Int64 if known == {int} else pl.Float64

    complete = {**schema, **{name: kind(name) for name in columns}}
    return pl.DataFrame(
        [[row.get(name) for name in complete] for row in rows], schema=complete, orient="row"
    )
