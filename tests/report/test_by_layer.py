"""Weights and features by layer, drawn and in tables."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from tests.report.conftest import Builder

from thalweg.measure.weights.distribution import LOG10_EDGES, bins, histogram
from thalweg.report.charts import Heatmap, Line
from thalweg.report.figures import sections
from thalweg.report.interactive import interactive_figure
from thalweg.report.measurements import measured_charts, measured_tables
from thalweg.report.static import png, static_figure
from thalweg.store.results import PROBES
from thalweg.study.panels import panels
from thalweg.study.statistics import mean_interval

ENDS = [[None if math.isinf(end) else end for end in pair] for pair in bins(LOG10_EDGES, -math.inf)]
LAYERS = ["fc1.weight", "fc2.weight"]


def weights_of(arm: str, seed: int) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    sizes = {
        name: draw.lognormal(-3, 1, 400) if arm == "eg" else np.abs(draw.normal(0, 0.05, 400))
        for name in LAYERS
    }
    sizes["all"] = np.concatenate([*sizes.values()])
    fitted = {"lognormal": 1.5 if arm == "eg" else 0.5, "half_normal": 1.0, "exponential": 0.9}
    return {
        "layer": [*sizes],
        **{name: [value + seed / 100] * 3 for name, value in fitted.items()},
        "nonzero": [1.0, 0.5, 0.75],
        "median": [float(np.median(each)) for each in sizes.values()],
        "stable_rank": [3.0 + seed, 2.0, None],
        "log10_counts": [
            histogram(torch.from_numpy(np.log10(each)), LOG10_EDGES) for each in sizes.values()
        ],
        "log10_bins": ENDS,
    }


def likeness_of(arm: str, seed: int) -> dict[str, Any]:
    return {
        "layer": ["relu 1", "output"],
        "units": [8, 5],
        "effective_rank": [4.0 + seed, 3.0],
        "class_separation": [0.2, 0.6 + 0.1 * seed],
        "cka": [[1.0, 0.4 + 0.1 * seed], [0.4 + 0.1 * seed, None if arm == "eg" else -0.01]],
    }


@pytest.fixture(scope="module")
def study():
    builder = Builder()
    for arm in ("gd", "eg"):
        for seed in range(3):
            builder.run(arm, seed, {}, quality=0.9)
    grids = {}
    for run in builder.runs:
        grids[run["run"], "w"] = weights_of(run["arm"], run["seed"])
        grids[run["run"], "alike"] = likeness_of(run["arm"], run["seed"])
    return builder.results(grids=grids)


@pytest.fixture(scope="module")
def charts(study):
    (panel,) = panels(study)
    return {chart.name: chart for chart in measured_charts(study, panel)}


def test_all_charts_are_there_and_can_be_drawn(charts):
    assert list(charts) == [
        "weights-digits-mlp-w",
        "cka-digits-mlp-alike-gd",
        "cka-digits-mlp-alike-eg",
        "layers-digits-mlp-alike-effective_rank",
        "layers-digits-mlp-alike-class_separation",
    ]
    for chart in charts.values():
        assert chart.description
        interactive_figure(chart)
        assert png(static_figure(chart)).startswith(b"\x89PNG")


def test_the_density_is_a_share_of_the_weights_a_decade(charts, study):
    chart = charts["weights-digits-mlp-w"]
    assert chart.x.log
    for line, arm in zip(chart.layers, ("gd", "eg"), strict=True):
        assert isinstance(line, Line) and line.label == arm
        assert sum(line.y) * 0.1 == pytest.approx(1)  # every weight is in a bin of a tenth
        own = [study.grids[run, "w"] for run in study.runs.filter(arm=arm)["run"]]
        at = int(np.argmax(line.y))
        densities = [each["log10_counts"][2][1 + at] / 800 / 0.1 for each in own]
        interval = mean_interval(densities)
        assert (line.y[at], line.high[at]) == pytest.approx((interval.mean, interval.high))
        low, high = ENDS[1 + at]
        assert low < math.log10(line.x[at]) < high
        assert chart.x.limits[0] < line.x[at] < chart.x.limits[1]
    assert "eg has median 0.0" in chart.description
    assert "log-normal by 0.5 nats" in chart.description


def test_the_first_network_s_likeness_is_a_heatmap(charts):
    (gd,) = charts["cka-digits-mlp-alike-gd"].layers
    (eg,) = charts["cka-digits-mlp-alike-eg"].layers
    assert isinstance(gd, Heatmap) and isinstance(eg, Heatmap)
    assert gd.shares == [[1.0, 0.4], [0.4, 0.0]]  # slightly negative is nothing
    assert gd.hover[1] == ["output, relu 1: 0.4", "output, output: -0.01"]
    assert eg.shares[1] == [0.4, None]
    chart = charts["cka-digits-mlp-alike-gd"]
    assert [label for _, label in chart.x.ticks] == ["relu 1", "output"]
    assert "relu 1 and output 0.4" in chart.description
    assert "first of 3 seeds" in chart.caption


def test_figures_from_layer_to_layer(charts):
    chart = charts["layers-digits-mlp-alike-class_separation"]
    line = chart.layers[0]
    assert line.x == [0.0, 1.0]
    interval = mean_interval([0.6, 0.7, 0.8])
    assert line.y == pytest.approx([0.2, interval.mean])
    assert line.high[1] == pytest.approx(interval.high)


def test_the_tables_have_a_row_an_arm_and_layer(study):
    weights, features = measured_tables(study, panels(study))
    assert (weights.name, features.name) == ("weights", "similarity")
    assert weights.frame.select("arm", "layer").rows() == [
        (arm, layer) for arm in ("gd", "eg") for layer in (*LAYERS, "all")
    ]
    row = weights.frame.row(3, named=True)
    assert row["seeds"] == 3 and row["nonzero_mean"] == 1
    assert row["gain_mean"] == pytest.approx(0.5) and row["gain_low"] == pytest.approx(0.5)
    assert row["stable_rank_mean"] == pytest.approx(4)
    assert weights.frame.row(5, named=True)["stable_rank_mean"] is None
    assert weights.frame.row(0, named=True)["gain_mean"] == pytest.approx(-0.5)
    assert "flipped" not in weights.header  # known of no run
    assert "log-normal" in weights.header
    assert features.frame["units_mean"].to_list() == [8, 5, 8, 5]


def test_they_are_not_in_the_table_of_all_figures_too(study):
    run = study.runs["run"][0]
    rows = [
        {
            "run": run,
            "arm": "gd",
            "point": "",
            "seed": 0,
            "probe": probe,
            "figure": "median",
            "index": 0,
            "value": 1.0,
        }
        for probe in ("w", "other")
    ]
    with_rows = replace(study, probes=pl.DataFrame(rows, schema=PROBES))
    table = measured_tables(with_rows, panels(study))[0]
    assert table.name == "measurements"
    assert table.frame["probe"].to_list() == ["other"]


def test_they_stand_among_the_measurements(study):
    (section,) = (s for s in sections(study, panels(study)) if s.title == "Measurements")
    assert len(section.charts) == 5 and len(section.tables) == 2
