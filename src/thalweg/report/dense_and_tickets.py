"""What the dense networks of a panel are like and what their tickets are worth, seed by seed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import polars as pl

from thalweg.report.by_layer import GRAPHS, WEIGHTS, ByLayer, by_seed
from thalweg.report.formats import metric_name
from thalweg.report.levels import Levels, levels
from thalweg.report.measurements import shown_figures
from thalweg.report.metric_columns import metric_figures, metric_schema, metric_text
from thalweg.report.rounds import Round, kept_text, prunings
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Panel, seed_value

FLATNESS = {"eigenvalue 1": "λ₁", "trace": "trace", "asam": "ASAM"}
"""Headings of the measures of which less is flatter, by what they are called among measurements."""

OF_WEIGHTS = ("kurtosis", "gain")

OF_GRAPHS = ("isolated", "assortativity", "robins_alexander_z")

BySeed = dict[int, float]


@dataclass(frozen=True)
class Quantity:
    """A figure of the arms of a panel.

    Attributes:
        name: Of its columns; it ends as the metric's name does.
        heading: What people call it.
        kind: "dense" (the metric before pruning), "flatness", "noise", "weights" (all of the dense
            network), "ticket" (the metric after a round), "lost" (that less the dense network's)
            or "graph" (of the last mask).
        values: By arm and seed.
    """

    name: str
    heading: str
    kind: str
    values: dict[str, BySeed]


@dataclass(frozen=True)
class DenseAndTickets:
    """A panel of which dense networks were measured and pruned.

    Attributes:
        panel: The panel.
        arms: Its prunings that follow on a dense network.
        metric: In which networks are compared.
        quantities: What is known of them.
    """

    panel: Panel
    arms: tuple[Levels, ...]
    metric: str
    quantities: tuple[Quantity, ...]

    def of(self, *kinds: str) -> list[Quantity]:
        """Return the quantities of some kinds."""
        return [each for each in self.quantities if each.kind in kinds]


def dense_and_tickets(results: StudyResults, panels: Sequence[Panel]) -> list[DenseAndTickets]:
    """Return the panels in which a measure of flatness is known of networks before pruning."""
    measured = shown_figures(replace(results, probes=results.round_probes))
    if not set(FLATNESS) & set(measured["name"]):
        return []
    found = []
    for panel in panels:
        arms = tuple(each for each in levels(prunings(results, [panel])) if each.from_dense)
        metric = "test_accuracy" if "test_accuracy" in panel.metrics else "test_loss"
        quantities = (
            *_performance(arms, metric),
            *_flatness(measured, arms),
            *_noise(results.round_series, arms),
            *_layered(results, WEIGHTS, "all", OF_WEIGHTS, "weights", arms, lambda arm: arm.dense),
            *_layered(
                *(results, GRAPHS, "network", OF_GRAPHS, "graph", arms),
                lambda arm: arm.rounds[-1],
            ),
        )
        known = tuple(each for each in quantities if any(each.values.values()))
        if any(each.kind == "flatness" for each in known):
            found.append(DenseAndTickets(panel, arms, metric, known))
    return found


def dense_and_tickets_tables(found: Sequence[DenseAndTickets]) -> list[Table]:
    """Return one table a panel, an arm a row."""
    return [_table(each) for each in found]


def _performance(arms: Sequence[Levels], metric: str) -> Iterable[Quantity]:
    dense = {arm.name: _metric(arm.dense, metric) for arm in arms}
    yield Quantity(f"dense_{metric}", "dense", "dense", dense)
    kept = list(dict.fromkeys(kept_text(each.kept) for arm in arms for each in arm.rounds))
    for text in kept:
        values = {
            arm.name: _metric(each, metric)
            for arm in arms
            for each in arm.rounds
            if kept_text(each.kept) == text
        }
        name = text.partition("\N{NO-BREAK SPACE}")[0]
        yield Quantity(f"kept_{name}_{metric}", f"{text} kept", "ticket", values)
        lost = {
            arm: {seed: value - dense[arm][seed] for seed, value in own.items()}
            for arm, own in values.items()
        }
        yield Quantity(f"lost_{name}_{metric}", f"{text} kept less dense", "lost", lost)


def _metric(each: Round, metric: str) -> BySeed:
    values = {int(run["seed"]): seed_value(run, metric) for run in each.runs}
    return {seed: value for seed, value in values.items() if value == value}  # NaN: no result


def _flatness(measured: pl.DataFrame, arms: Sequence[Levels]) -> Iterable[Quantity]:
    for (probe, name), own in measured.group_by("probe", "name", maintain_order=True):
        if name not in FLATNESS:
            continue
        by_run = dict(own.select("run", "value").unique().iter_rows())
        values = {arm.name: _of_runs(arm.dense, by_run) for arm in arms}
        heading = FLATNESS[str(name)]
        yield Quantity(f"{slug(str(probe), str(name))}", heading, "flatness", values)


def _noise(series: pl.DataFrame, arms: Sequence[Levels]) -> Iterable[Quantity]:
    """The noise of an example's gradient, and the batch at which it equals the signal, of which
    both are averaged over the looks before they are divided.
    """
    found = series.filter(pl.col("figure").is_in(["signal", "noise"]), pl.col("step").is_not_null())
    means = found.group_by("run", "figure").agg(pl.col("value").mean())
    noise = dict(means.filter(figure="noise").select("run", "value").iter_rows())
    signal = dict(means.filter(figure="signal").select("run", "value").iter_rows())
    scale = {run: noise[run] / signal[run] for run in noise if signal[run] > 0}
    for name, heading, by_run in (
        ("gradient_noise", "gradient noise", noise),
        ("noise_scale", "noise scale", scale),
    ):
        values = {arm.name: _of_runs(arm.dense, by_run) for arm in arms}
        yield Quantity(name, heading, "noise", values)


def _of_runs(each: Round, by_run: dict[str, float]) -> BySeed:
    return {run["seed"]: by_run[run["run"]] for run in each.runs if run["run"] in by_run}


def _layered(
    results: StudyResults,
    probe: ByLayer,
    whole: str,
    figures: Sequence[str],
    kind: str,
    arms: Sequence[Levels],
    of: Callable[[Levels], Round],
) -> Iterable[Quantity]:
    """Figures of the network as a whole, of probes that have one a layer."""
    for label in probe.labels(results):
        for figure in figures:
            values: dict[str, BySeed] = {}
            for arm in arms:
                own = values.setdefault(arm.name, {})
                for run in of(arm).runs:
                    grid: dict[str, Any] = results.grids.get((run["run"], label), {})
                    layers = grid.get("layer", [])
                    found = by_seed([grid], figure, layers.index(whole)) if whole in layers else []
                    own.update((run["seed"], value) for value in found)
            yield Quantity(slug(label, figure), probe.shown[figure], kind, values)


def _table(found: DenseAndTickets) -> Table:
    panel = found.panel
    shown = {each.name: each for each in found.quantities if each.kind != "lost"}
    records = []
    for arm in found.arms:
        own = {name: [*each.values.get(arm.name, {}).values()] for name, each in shown.items()}
        records.append(
            {
                **{"task": panel.task, "model": panel.model, "arm": arm.name},
                "seeds": max(map(len, own.values())),
                **metric_figures(shown, own.__getitem__),
            }
        )
    return build_table(
        slug("dense-and-tickets", panel.task, panel.model),
        f"Dense networks and their tickets, {panel.title}",
        f"Mean over seeds ± half the 95 % Student t interval. The {metric_name(found.metric)} of "
        "the dense network and after the rounds; flatness, gradient noise at the end and weights "
        "of the dense network; the graph of the last mask.",
        records,
        {**KEY_SCHEMA, "seeds": pl.Int64, **metric_schema(shown)},
        [
            Column("arm", lambda row: row["arm"], numeric=False),
            Column("seeds", lambda row: str(row["seeds"])),
            *(
                Column(each.heading, partial(metric_text, metric=each.name))
                for each in shown.values()
            ),
        ],
    )
