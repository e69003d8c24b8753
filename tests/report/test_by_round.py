"""Graphs and weights round by round: tables of means, tables of every run, and charts."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from tests.report.conftest import Builder

from thalweg.measure.graphs import graph_figures, mask_graphs
from thalweg.measure.weights.distribution import LOG10_EDGES, bins, histogram
from thalweg.report.interactive import interactive_figure
from thalweg.report.measurements import measured_tables
from thalweg.report.run_tables import run_tables
from thalweg.report.static import png, static_figure
from thalweg.report.weights import weight_charts
from thalweg.store.results import StudyResults
from thalweg.study.panels import panels
from thalweg.study.statistics import mean_interval

ENDS = [[None if math.isinf(end) else end for end in pair] for pair in bins(LOG10_EDGES, -math.inf)]
LAYERS = ["fc1.weight", "fc2.weight"]
SEEDS = 3
ROUNDS = ((1.0, 0.9), (0.5, 0.91), (0.2, 0.8))


@cache
def drawn_once() -> dict[str, Any]:
    stream = torch.Generator().manual_seed(0)
    shapes = {"fc1.weight": (5, 6), "fc2.weight": (4, 5)}
    masks = {name: torch.rand(shape, generator=stream) < 0.6 for name, shape in shapes.items()}
    figures = graph_figures(mask_graphs(masks), 0, 0)
    return {name: _finite(values) for name, values in figures.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def graph_of(kept: float, seed: int, nulls: bool = True) -> dict[str, Any]:
    """Return figures of three graphs, and of random graphs beside one of the measures."""
    value = [kept + seed / 100 + index for index in range(3)]
    figures = {**drawn_once(), "assortativity": value, "latapy": [0.5, 0.25, None]}
    names = figures["layer"]
    assert names == [*LAYERS, "network"]
    if not nulls:
        return figures
    rows = [
        [
            null,
            name,
            "assortativity",
            v,
            v - shift,
            v - 1,
            v + 1,
            None if name == "network" else 2.5,
        ]
        for null, shift in (("degrees", 0.1), ("edges", 0.2))
        for name, v in zip(names, value, strict=True)
    ]
    return {**figures, "assortativity_z": [2.5, 2.5, None], "nulls": rows}


def weights_of(arm: str, kept: float, seed: int) -> dict[str, Any]:
    draw = np.random.default_rng([seed, round(100 * kept)])

    def counts(centre: float) -> list[list[int]]:
        sizes = 10 ** draw.normal(centre, 0.3, (3, 500))
        return [histogram(torch.from_numpy(np.log10(each)), LOG10_EDGES) for each in sizes]

    figures: dict[str, Any] = {
        "layer": [*LAYERS, "all"],
        "nonzero": [kept] * 3,
        "median": [0.1, 0.2, 0.1 * kept + seed / 100],
        "best": ["lognormal", None, "half_normal"],
        "log10_counts": counts(-1),
        "initial_log10_counts": counts(-1.5),
        "log10_bins": ENDS,
    }
    for moment in ("initial", "before") if kept < 1 else ():
        for part, centre in (("kept", -1), ("pruned", -2)):
            figures |= {
                f"{moment}_{part}_median": [10.0**centre] * 3,
                f"{moment}_{part}_log10_counts": counts(centre),
            }
    return figures


@pytest.fixture(scope="module")
def study() -> StudyResults:
    """Two arms pruned in two rounds, one with a control, and an arm without rounds."""
    builder = Builder()
    for seed in range(SEEDS):
        builder.run("plain", seed, {}, quality=0.85)
        builder.prune("gd", seed, ROUNDS)
        builder.prune("gd random", seed, (*ROUNDS[:2], (0.2, 0.5)), control_of="gd")
        builder.prune("eg", seed, ROUNDS)
    grids: dict[tuple[str, str], dict[str, Any]] = {}
    last = [{**run, "kept": run.get("kept", 1.0)} for run in builder.runs]
    for row in [*builder.rounds, *last]:
        grids[row["run"], "graph"] = graph_of(row["kept"], row["seed"])
        grids[row["run"], "strongest"] = graph_of(0.1, row["seed"], nulls=False)
        grids[row["run"], "w"] = weights_of(row["arm"], row["kept"], row["seed"])
    return builder.results(grids=grids)


@pytest.fixture(scope="module")
def frames(study: StudyResults) -> dict[str, pl.DataFrame]:
    return run_tables(study)


def test_a_row_a_run_and_round(frames: dict[str, pl.DataFrame]) -> None:
    whole, layers = frames["rewind_analysis_results"], frames["per_layer_results"]
    assert whole.columns[:12] == [
        *("task", "model", "arm", "point", "seed", "round", "kept", "run"),
        *("test_accuracy", "test_loss", "validation_accuracy", "validation_loss"),
    ]
    expected = {("plain", None, 1.0)} | {
        (arm, number, kept)
        for arm in ("gd", "gd random", "eg")
        for number, (kept, _) in enumerate(ROUNDS)
    }
    assert set(whole.select("arm", "round", "kept").rows()) == expected
    assert len(whole) == SEEDS * len(expected) and len(layers) == 2 * len(whole)
    assert set(layers["layer"]) == set(LAYERS)
    (row,) = whole.filter(arm="eg", round=1, seed=2).to_dicts()
    assert (row["task"], row["model"], row["run"]) == ("digits", "mlp", "eg/1/2")
    assert (row["test_accuracy"], row["test_loss"]) == (0.91, pytest.approx(0.09))
    assert whole.filter(arm="plain", seed=0)["validation_accuracy"].item() == pytest.approx(0.845)


def test_a_column_a_measure(frames: dict[str, pl.DataFrame]) -> None:
    whole, layers = frames["rewind_analysis_results"], frames["per_layer_results"]
    (row,) = whole.filter(arm="gd", round=2, seed=1).to_dicts()
    assert row["assortativity"] == pytest.approx(2.21)
    assert row["assortativity_degrees_mean"] == pytest.approx(2.11)
    assert row["assortativity_edges_mean"] == pytest.approx(2.01)
    assert (row["assortativity_edges_low"], row["assortativity_edges_high"]) == pytest.approx(
        (1.21, 3.21)
    )
    assert row["assortativity_z"] is None and row["latapy"] is None
    edges = [drawn_once()["edges"][index] for index in (1, 2)]
    assert (row["kind"], row["edges"]) == ("network", edges[1])
    assert row["strongest.assortativity"] == pytest.approx(2.11)
    assert row["weight_median"] == pytest.approx(0.03)
    assert row["weight_initial_kept_median"] == 0.1 and row["weight_best"] == "half_normal"
    (row,) = layers.filter(arm="gd", round=2, seed=1, layer="fc2.weight").to_dicts()
    assert row["assortativity"] == pytest.approx(1.21)
    assert (row["assortativity_z"], row["assortativity_edges_z"]) == (2.5, 2.5)
    assert (row["latapy"], row["weight_median"], row["weight_best"]) == (0.25, 0.2, None)
    assert (row["kind"], row["edges"]) == ("bipartite", edges[0])
    assert set(layers.columns) - set(whole.columns) == {"layer"}
    assert not any(name.endswith(("_counts", "_bins")) for name in whole.columns)
    assert whole.schema["edges"] == pl.Int64


def test_nothing_measured_makes_no_table(tickets: StudyResults) -> None:
    assert run_tables(tickets) == {}


def test_means_by_round(study: StudyResults) -> None:
    tables = {table.name: table for table in measured_tables(study, panels(study))}
    graphs, weights = tables["graph-by-round"], tables["weights-by-round"]
    own = graphs.frame.filter(probe="graph")
    assert own.select("arm", "round").rows() == [
        *[("gd", number) for number in range(3)],
        ("gd random", 2),  # its first rounds are the ticket's
        *[("eg", number) for number in range(3)],
    ]
    interval = mean_interval([2.2, 2.21, 2.22])
    row = own.row(2, named=True)
    assert row["assortativity_mean"] == pytest.approx(interval.mean)
    assert row["assortativity_high"] == pytest.approx(interval.high)
    assert "assortativity" in graphs.header and "4·C₄/L₃" not in graphs.header
    assert len(graphs.frame) == 14  # the second probe too
    row = weights.frame.row(1, named=True)
    assert row["median_mean"] == pytest.approx(0.06)
    assert weights.rows[0][4] == "dense" and weights.rows[1][4] == "1"
    assert "per_layer_results.csv" in weights.note


def test_charts_of_parts_and_rounds(study: StudyResults) -> None:
    (panel,) = panels(study)
    charts = {chart.name: chart for chart in weight_charts(study, panel)}
    assert list(charts) == [
        f"weights-digits-mlp-w{suffix}" for suffix in ("", "-initial", "-before", "-rounds")
    ]
    for chart in charts.values():
        interactive_figure(chart)
        assert png(static_figure(chart)).startswith(b"\x89PNG")
    for moment in ("initial", "before"):
        chart = charts[f"weights-digits-mlp-w-{moment}"]
        assert [facet.title for facet in chart.facets] == ["gd", "gd random", "eg"]
        assert len({facet.x.limits for facet in chart.facets}) == 1
        assert len({facet.y.limits for facet in chart.facets}) == 1
        for line, part in zip(chart.facets[2].layers, ("kept", "pruned"), strict=True):
            assert line.label == part
            assert sum(line.y) * 0.1 == pytest.approx(1)
            figure = f"{moment}_{part}_log10_counts"
            rounds = study.rounds.filter(arm="eg", round=2)["run"]
            counts = np.array([study.grids[run, "w"][figure][2][1:-1] for run in rounds])
            assert line.y == pytest.approx((counts / 500 / 0.1).mean(0))
        assert "eg has median 0.1 of those kept, 0.01 of those pruned" in chart.description
    rounds = charts["weights-digits-mlp-w-rounds"]
    assert [facet.title for facet in rounds.facets] == ["gd", "eg"]
    labels = [line.label.replace("\N{NO-BREAK SPACE}", " ") for line in rounds.facets[0].layers]
    assert labels == ["before training", "dense", "50 % kept", "20 % kept"]
    counts = np.array([study.grids[f"gd/1/{seed}", "w"]["log10_counts"][2] for seed in range(3)])
    assert rounds.facets[0].layers[2].y == pytest.approx((counts[:, 1:-1] / 50).mean(0))


def test_arms_of_one_round_each_are_one_pruning(builder: Callable[..., Builder]) -> None:
    made = builder()
    for seed in range(2):
        for kept in (0.5, 0.2):
            made.prune(f"once keep=[{kept}]", seed, [(1.0, 0.9), (kept, 0.8)])
    grids = {(row["run"], "w"): weights_of("once", row["kept"], row["seed"]) for row in made.rounds}
    results = made.results(grids=grids)
    (panel,) = panels(results)
    (chart,) = (c for c in weight_charts(results, panel) if c.name.endswith("-rounds"))
    (facet,) = chart.facets
    assert [line.label[:4] for line in facet.layers] == [
        "befo",
        "dens",
        "50\N{NO-BREAK SPACE}%",
        "20\N{NO-BREAK SPACE}%",
    ]
