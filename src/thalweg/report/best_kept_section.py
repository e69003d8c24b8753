"""The best fraction of weights kept on the page: tables, and its spread over the seeds."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from thalweg.report.best_kept import BestKept, span_text
from thalweg.report.charts import Axis, Chart, Line
from thalweg.report.difference_columns import (
    DIFFERENCE_SCHEMA,
    difference_column,
    difference_figures,
)
from thalweg.report.formats import metric_name, percent
from thalweg.report.recovery import kept_axis
from thalweg.report.rounds import kept_text
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table, key_columns
from thalweg.store.slug import slug


def best_kept_charts(found: Sequence[BestKept]) -> list[Chart]:
    """Return one chart a metric: at what share of the seeds each fraction is the best.

    Args:
        found: Of one panel.
    """
    metrics = dict.fromkeys(each.metric for each in found)
    return [_chart(metric, [each for each in found if each.metric == metric]) for metric in metrics]


def best_kept_tables(found: Sequence[BestKept]) -> list[Table]:
    """Return the tables: over all seeds, and seed by seed."""
    return [_best_table(found), _seeds_table(found)]


def _chart(metric: str, members: Sequence[BestKept]) -> Chart:
    panel = members[0].levels.panel
    best = "; ".join(
        f"{member.levels.name} {kept_text(member.most_often.kept)}" for member in members
    )
    return Chart(
        name=slug("best-kept", panel.task, panel.model, metric),
        title=f"Best fraction kept by {metric_name(metric)}, seed by seed: {panel.title}",
        description=f"Share of the seeds at which each percentage of weights kept has the best "
        f"{metric_name(metric)}, on {panel.title}. The most frequent: {best}.",
        caption="",
        x=kept_axis([100 * (each.kept or 0.0) for member in members for each in member.rounds]),
        y=Axis("Best at so many seeds (%)", limits=(-3.0, 103.0)),
        layers=tuple(map(_line, members)),
    )


def _line(member: BestKept) -> Line:
    nothing = [None] * len(member.rounds)
    return Line(
        member.levels.name,
        member.levels.style,
        [100 * (each.kept or 0.0) for each in member.rounds],
        [100 * share for share in member.shares],
        nothing,
        nothing,
        True,
    )


_KEY_SCHEMA = {**KEY_SCHEMA, "metric": pl.String}


def _key(member: BestKept) -> dict[str, Any]:
    pruned = member.levels
    return {
        "task": pruned.panel.task,
        "model": pruned.panel.model,
        "arm": pruned.name,
        "metric": member.metric,
    }


def _key_columns() -> list[Column]:
    return [*key_columns(), Column("metric", lambda row: metric_name(row["metric"]), numeric=False)]


def _best_table(found: Sequence[BestKept]) -> Table:
    records = [
        {
            **_key(member),
            "best": member.best.kept,
            **dict(
                zip(("best_low", "best_high"), member.curve.interval or (None,) * 2, strict=True)
            ),
            **difference_figures(member.difference),
            "best_at": member.share,
        }
        for member in found
    ]
    columns = [
        *_key_columns(),
        Column("best kept", lambda row: kept_text(row["best"])),
        Column("95 % interval", _interval_text),
        difference_column("best − dense"),
        Column("best at % of seeds", lambda row: percent(row["best_at"])),
    ]
    schema = {
        **_KEY_SCHEMA,
        **dict.fromkeys(("best", "best_low", "best_high"), pl.Float64),
        **DIFFERENCE_SCHEMA,
        "best_at": pl.Float64,
    }
    return build_table(
        "best-kept",
        "Best fraction kept",
        "The fraction of weights kept, 100 % being the dense network, with the best mean over "
        "seeds, and the 95 % bootstrap interval of it. The difference is the mean at the same seed "
        "± half its 95 % Student t interval; as the fraction was chosen by the same figures, it is "
        "optimistic.",
        records,
        schema,
        columns,
    )


def _interval_text(row: dict[str, Any]) -> str:
    return "—" if row["best_low"] is None else span_text(row["best_low"], row["best_high"])


def _seeds_table(found: Sequence[BestKept]) -> Table:
    records = [
        {**_key(member), "kept": each.kept, "best_at": share}
        for member in found
        for each, share in zip(member.rounds, member.shares, strict=True)
    ]
    columns = [
        *_key_columns(),
        Column("kept", lambda row: kept_text(row["kept"])),
        Column("best at % of seeds", lambda row: percent(row["best_at"])),
    ]
    return build_table(
        "best-kept-by-seed",
        "Best fraction kept, seed by seed",
        "At what share of the seeds a fraction of weights kept is the best of those of the same "
        "seed; the densest of equal ones.",
        records,
        {**_KEY_SCHEMA, "kept": pl.Float64, "best_at": pl.Float64},
        columns,
    )
