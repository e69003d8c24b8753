"""Rounds of pruning on the page: tables, and the density of each layer."""

import json
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import polars as pl

from thalweg.report.best_kept import best_kept
from thalweg.report.best_kept_section import best_kept_charts, best_kept_tables
from thalweg.report.charts import Axis, Chart, Line, Style, finite, log_ticks, padded
from thalweg.report.difference_columns import (
    DIFFERENCE_SCHEMA,
    difference_column,
    difference_figures,
)
from thalweg.report.formats import count, number, percent
from thalweg.report.metric_columns import metric_columns, metric_figures, metric_schema
from thalweg.report.overlap import overlap_table, overlaps
from thalweg.report.recovery import kept_axis, recovery_charts
from thalweg.report.rounds import (
    COMPARED,
    Pruning,
    Round,
    RoundDifference,
    kept_text,
    round_differences,
)
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table, key, key_columns
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Panel

LEAD = (
    "Every round prunes the network that the round before it trained, rewinds what is left and "
    "trains it again: mean over seeds with the 95 % Student t band, against the percentage of the "
    "weights kept. Dense networks lie across. A control, which stands in for the ticket in the "
    "last round alone, is a single mark; marks that would cover each other stand side by side."
)

_METRICS = ("test_accuracy", "test_loss", "validation_accuracy", "validation_loss")

_MEANS = ("effective_density", "dead", "zombies", "forward_flops", "nonzero_flops", "epochs")


def round_charts(panel: Panel, found: Sequence[Pruning], panels: Sequence[Panel]) -> list[Chart]:
    """Return a panel's charts: figures against weights kept, and layer densities of each arm."""
    members = [pruning for pruning in found if pruning.panel is panel]
    if not members:
        return []
    place = [panel.task, panel.model] if len(panels) > 1 else []
    charts = recovery_charts(panel, members, place)
    charts += best_kept_charts(best_kept(members))
    return charts + [chart for each in members if (chart := _layer_chart(each))]


def round_tables(results: StudyResults, found: Sequence[Pruning]) -> list[Table]:
    """Return the tables that have a row."""
    tables = [
        _rounds_table(found),
        *best_kept_tables(best_kept(found)),
        _difference_table(round_differences(found)),
        _layer_table(found),
        overlap_table(overlaps(results, found)),
    ]
    return [table for table in tables if table.rows]


def _each(found: Sequence[Pruning]) -> list[tuple[Pruning, Round]]:
    return [(pruning, each) for pruning in found for each in pruning.from_dense]


def _key(pruning: Pruning, each: Round) -> dict[str, Any]:
    return {**key(pruning.panel, pruning.arm), "round": each.number, "kept": each.kept}


_KEY_SCHEMA = {**KEY_SCHEMA, "round": pl.Int64, "kept": pl.Float64}


def _key_columns() -> list[Column]:
    return [
        *key_columns(),
        Column("round", lambda row: str(row["round"]) if row["round"] else "dense"),
        Column("kept", lambda row: kept_text(row["kept"])),
    ]


def _rounds_table(found: Sequence[Pruning]) -> Table:
    known = [m for m in _METRICS if any(m in pruning.panel.metrics for pruning in found)]
    records = []
    for pruning, each in _each(found):
        point = each.as_point()
        records.append(
            {
                **_key(pruning, each),
                "seeds": len(point.seeds),
                **metric_figures(known, point.values),
                **{name: each.mean(name) for name in _MEANS},
                "trained": sum(bool(run["trained"]) for run in each.runs),
                "diverged": point.count("diverged"),
            }
        )
    columns = [
        *_key_columns(),
        Column("seeds", lambda row: str(row["seeds"])),
        *metric_columns(metric for metric in known if metric in COMPARED),
        Column("effective density", lambda row: kept_text(row["effective_density"])),
        Column("dead units", lambda row: number(row["dead"])),
        Column("zombies", lambda row: number(row["zombies"])),
        Column("nonzero FLOPs", _flops_text),
        Column("epochs", lambda row: number(row["epochs"])),
        Column("trained", lambda row: f"{row['trained']} of {row['seeds']}"),
        Column("diverged", lambda row: str(row["diverged"])),
    ]
    schema = {
        **_KEY_SCHEMA,
        "seeds": pl.Int64,
        **metric_schema(known),
        **dict.fromkeys(_MEANS, pl.Float64),
        "trained": pl.Int64,
        "diverged": pl.Int64,
    }
    return build_table(
        "rounds",
        "Rounds of pruning",
        "Means over seeds ± half the 95 % Student t interval. Effective density counts the weights "
        "on a path from an input to an output; dead units are reached by no path from an input, "
        "zombies reach no output. FLOPs are of one example's forward pass. “Trained” counts "
        "the runs that took a step after the pruning.",
        records,
        schema,
        columns,
    )


def _flops_text(row: dict[str, Any]) -> str:
    if row["nonzero_flops"] is None:
        return "—"
    share = percent(row["nonzero_flops"] / row["forward_flops"])
    return f"{count(row['nonzero_flops'])} ({share} %)"


def _difference_table(found: Sequence[RoundDifference]) -> Table:
    records = [
        {
            **_key(each.pruning, each.round),
            "metric": each.metric,
            **difference_figures(each.paired),
            "pairs": each.paired.interval.count,
            "p": each.paired.p,
            "p_adjusted": each.p_adjusted,
            "resolved": each.resolved,
        }
        for each in found
    ]
    columns = [
        *_key_columns(),
        Column("metric", lambda row: row["metric"].replace("_", " "), numeric=False),
        difference_column("pruned − dense"),
        Column("pairs", lambda row: str(row["pairs"])),
        Column("p", lambda row: number(row["p"], 2)),
        Column("p, adjusted", lambda row: number(row["p_adjusted"], 2)),
        Column("verdict", lambda row: "resolved" if row["resolved"] else "not resolved", False),
    ]
    schema = {
        **_KEY_SCHEMA,
        "metric": pl.String,
        **DIFFERENCE_SCHEMA,
        "pairs": pl.Int64,
        "p": pl.Float64,
        "p_adjusted": pl.Float64,
        "resolved": pl.Boolean,
    }
    return build_table(
        "rounds-against-dense",
        "Pruned against dense",
        "Mean over seeds of the difference at the same seed, which shares initial weights and data "
        "order, ± half its 95 % Student t interval; accuracies in percentage points. p is of the "
        "paired t test, adjusted by Holm's method for all rounds and arms compared in the metric, "
        "and resolved from 0.05 down. Where one of the two diverged there is no interval.",
        records,
        schema,
        columns,
    )


def _layer_densities(each: Round) -> dict[str, float]:
    """Mean over seeds of the fraction kept of each parameter."""
    known = [json.loads(run["layers"]) for run in each.runs if run["layers"] is not None]
    return {name: fmean(layers[name] for layers in known) for name in (known[0] if known else ())}


def _layer_table(found: Sequence[Pruning]) -> Table:
    rows = [(pruning, each, _layer_densities(each)) for pruning, each in _each(found)]
    names = list(dict.fromkeys(name for *_, layers in rows for name in layers))
    records = [{**_key(pruning, each), **layers} for pruning, each, layers in rows if layers]
    for record in records:
        record |= {name: record.get(name) for name in names}

    def column(name: str) -> Column:
        return Column(name, lambda row: kept_text(row[name]))

    return build_table(
        "layer-densities",
        "Density by layer",
        "Fraction kept of every pruned parameter, the mean over seeds.",
        records,
        {**_KEY_SCHEMA, **dict.fromkeys(names, pl.Float64)},
        [*_key_columns(), *map(column, names)],
    )


def _layer_chart(pruning: Pruning) -> Chart | None:
    """Return the densities from round to round, if they are known of more than one."""
    known = [
        (100 * each.kept, layers)
        for each in pruning.from_dense
        if each.kept is not None and (layers := _layer_densities(each))
    ]
    if len(known) < 2:
        return None
    x = kept_axis([kept for kept, _ in known])
    lines = []
    for index, name in enumerate(known[0][1]):
        y = [100 * layers[name] for _, layers in known]
        drawn = [value if value > 0 or not x.log else None for value in y]
        nothing = [None] * len(y)
        style = Style(index, index)
        lines.append(Line(name, style, [kept for kept, _ in known], drawn, nothing, nothing, True))
    limits = padded(finite(value for line in lines for value in line.y), x.log)
    words = "; ".join(f"{name} {kept_text(value)}" for name, value in known[-1][1].items())
    return Chart(
        name=slug("layer-density", pruning.panel.task, pruning.panel.model, pruning.arm.name),
        title=f"Density by layer of {pruning.arm.name}: {pruning.panel.title}",
        description=f"Fraction kept of each parameter against that of all. In the end: {words}.",
        caption="",
        x=x,
        y=Axis("Density (%)", x.log, limits, log_ticks(limits) if x.log else None),
        layers=tuple(lines),
    )
