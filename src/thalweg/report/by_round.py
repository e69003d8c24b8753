"""What graphs and weights are like round by round of pruning, as tables."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import polars as pl

from thalweg.report.by_layer import GRAPHS, WEIGHTS, ByLayer, Figures, by_seed
from thalweg.report.metric_columns import metric_figures, metric_schema, metric_text
from thalweg.report.rounds import Pruning, Round, kept_text, prunings
from thalweg.report.run_tables import LAYERS, WHOLE
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table, key, key_columns
from thalweg.store.results import StudyResults
from thalweg.study.panels import Panel

NOTE = (
    "The network as a whole, mean over seeds ± half the 95 % Student t interval, after each "
    f"round's training. Every figure of every run is in tables/{WHOLE}.csv, and by layer in "
    f"tables/{LAYERS}.csv."
)


def round_figures(results: StudyResults, label: str, each: Round) -> list[Figures]:
    """Return a probe's figures of the runs of a round."""
    return [own for run in each.runs if (own := results.grids.get((run["run"], label))) is not None]


def by_round_tables(results: StudyResults, panels: Sequence[Panel]) -> list[Table]:
    """Return the tables that have a row."""
    found = prunings(results, panels)
    tables = [
        _table(results, found, GRAPHS, "Graphs by round", "network"),
        _table(results, found, WEIGHTS, "Weights by round", "all"),
    ]
    return [table for table in tables if table.rows]


def _table(
    results: StudyResults, found: Sequence[Pruning], kind: ByLayer, title: str, whole: str
) -> Table:
    """Return the table of a kind of probe, which calls the network as a whole so."""
    records: list[dict[str, Any]] = []
    for label in kind.labels(results):
        for pruning in found:
            for each in pruning.from_dense:
                members = round_figures(results, label, each)
                if not members or whole not in members[0]["layer"]:
                    continue
                layer = members[0]["layer"].index(whole)
                records.append(
                    {
                        **key(pruning.panel, pruning.arm),
                        "probe": label,
                        "round": each.number,
                        "kept": each.kept,
                        "seeds": len(members),
                        **metric_figures(kind.shown, partial(by_seed, members, layer=layer)),
                    }
                )
    columns = [
        *key_columns(),
        Column("probe", lambda row: row["probe"], numeric=False),
        Column("round", lambda row: str(row["round"]) if row["round"] else "dense"),
        Column("kept", lambda row: kept_text(row["kept"])),
        Column("seeds", lambda row: str(row["seeds"])),
        *(
            Column(heading, partial(metric_text, metric=figure))
            for figure, heading in kind.shown.items()
            if any(record[f"{figure}_mean"] is not None for record in records)
        ),
    ]
    schema = {
        **KEY_SCHEMA,
        "probe": pl.String,
        "round": pl.Int64,
        "kept": pl.Float64,
        "seeds": pl.Int64,
        **metric_schema(kind.shown),
    }
    return build_table(f"{kind.name}-by-round", title, NOTE, records, schema, columns)
