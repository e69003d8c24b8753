import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

from thalweg.report.tables import class_table, cost_table, final_table, points_table, tables
from thalweg.study.panels import panels


def test_final_table_against_the_runs(classification):
    table = final_table(panels(classification))
    assert table.frame.height == 6
    row = table.frame.row(1, named=True)
    runs = classification.runs.filter(
        (pl.col("arm") == "sgd") & (pl.col("lr") == 0.03) & (pl.col("task") == "digits")
    )
    assert (row["arm"], row["point"], row["seeds"]) == ("sgd", "lr=0.03", 3)
    for metric in ("test_accuracy", "test_loss", "validation_loss", "train_loss"):
        values = runs[metric].to_numpy()
        low, high = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
        assert row[f"{metric}_mean"] == pytest.approx(values.mean(), rel=1e-14)
        assert (row[f"{metric}_low"], row[f"{metric}_high"]) == pytest.approx((low, high))
        assert row[f"{metric}_median"] == np.median(values)
    assert (row["diverged_in_arm"], row["runs_in_arm"]) == (2, 15)
    assert table.frame["failed_in_arm"].to_list() == [0, 0, 1] * 2


def test_page_rounds_what_the_frame_keeps(classification):
    table = final_table(panels(classification))
    cells = dict(zip(table.header, table.rows[0], strict=True))
    row = table.frame.row(0, named=True)
    half = (row["test_accuracy_high"] - row["test_accuracy_low"]) / 2
    mean = row["test_accuracy_mean"]
    text = cells["test accuracy"].replace("\N{NO-BREAK SPACE}", " ")
    assert text == f"{100 * mean:.2f} ± {100 * half:.2f} %"
    assert cells["diverged"] == "0 of 15"
    assert len(table.header) == len(table.numeric) == len(table.rows[0])


def test_points_table_keeps_the_diverged(classification):
    table = points_table(panels(classification))
    assert table.frame.height == 30
    row = table.frame.row(9, named=True)
    assert (row["arm"], row["point"], row["diverged"]) == ("sgd", "lr=0.3", 2)
    assert row["test_loss_mean"] == math.inf and row["test_accuracy_mean"] == -math.inf
    assert row["test_loss_low"] is None and row["test_loss_median"] == math.inf
    assert dict(zip(table.header, table.rows[9], strict=True))["test accuracy"] == "diverged"
    assert table.frame["selected"].sum() == 6
    assert sum("★" in row[3] for row in table.rows) == 6


def test_one_divergence_of_three_shows_the_median(builder):
    study = builder()
    for seed, status in enumerate(("done", "done", "diverged")):
        study.run("sgd", seed, {}, quality=0.9 + 0.01 * seed, status=status)
    table = final_table(panels(study.results()))
    assert dict(zip(table.header, table.rows[0], strict=True))["test accuracy"] == (
        "median 90.00\N{NO-BREAK SPACE}%"
    )


def test_class_table(classification):
    frame = class_table(classification, panels(classification)).frame
    assert frame.height == 30 and set(frame["test_examples"]) == {300}
    assert frame["class"].to_list()[:5] == [f"class {i}" for i in range(5)]


def test_cost_table_averages_the_runs_that_ended(classification):
    table = cost_table(classification, panels(classification))
    sgd = table.frame.row(1, named=True)
    assert sgd["runs"] == 15
    assert sgd["examples"] == pytest.approx((13 * 7680 + 2 * 2300) / 15)
    assert sgd["seconds_total"] == pytest.approx(15 * 1.25)
    assert (sgd["parameters"], sgd["device"], sgd["rows"]) == ("61706", "cpu", "3")
    assert table.frame["runs"].to_list()[2] == 14
    assert dict(zip(table.header, table.rows[0], strict=True))["parameters"] == "61,706"


def test_regression_has_no_accuracies(regression):
    found = {table.name: table for table in tables(regression, panels(regression))}
    assert set(found) == {"final", "points", "costs"}
    assert not any("accuracy" in heading for heading in found["final"].header)
    assert found["final"].frame["test_accuracy_mean"].null_count() == 2


def test_arms_without_result_are_listed(all_diverged):
    table = final_table(panels(all_diverged))
    assert table.frame["point"].to_list() == [None] * 3
    assert table.frame["diverged_in_arm"].to_list() == [4, 0, 0]
    assert table.frame["missing_in_arm"].to_list() == [0, 0, 2]
