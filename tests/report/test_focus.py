"""Arms that lie far from all others."""

from dataclasses import replace

import polars as pl
import pytest
from tests.report.conftest import Builder

from thalweg.report.charts import Line, Points, Style, Words
from thalweg.report.figures import final_chart
from thalweg.report.focus import outlying
from thalweg.report.learning_curves import learning_curves
from thalweg.report.metric_axis import focused
from thalweg.report.static import static_figure
from thalweg.study.panels import panels

CLOSE = {"a": (88.0, 89.0), "b": (89.0, 90.0), "c": (88.5, 91.0), "d": (87.0, 88.0)}


def test_the_fewest_without_which_the_rest_can_be_told_apart():
    assert outlying(CLOSE) == []
    assert outlying(CLOSE | {"far": (20.0, 30.0)}) == ["far"]
    many = {f"{name}{k}": ends for name, ends in CLOSE.items() for k in range(2)}
    assert outlying(many | {"far": (20.0, 30.0), "high": (170.0, 171.0)}) == ["high", "far"]


def test_never_more_than_a_third_and_none_where_it_does_not_help():
    assert outlying({"a": (0.0, 1.0), "far": (90.0, 91.0)}) == []  # half of them
    assert outlying(CLOSE | {"near": (70.0, 80.0), "nearer": (80.0, 85.0)}) == []  # a slope
    assert outlying({}) == []


def test_final_figures_show_the_others_and_say_where_it_lies():
    made = Builder()
    for arm, quality in {"sgd": 0.88, "adam": 0.9, "soap": 0.91, "full-batch": 0.3}.items():
        for seed in range(3):
            made.run(arm, seed, {}, quality=quality + 0.002 * seed)
    (panel,) = panels(made.results())
    chart = final_chart(panel)
    assert chart is not None and chart.x.limits is not None
    assert chart.x.limits[0] > 86
    assert chart.caption.endswith("full-batch lies beyond the axis.")
    (told,) = (layer for layer in chart.layers if isinstance(layer, Words))
    assert told.texts[0].startswith("beyond the axis: 30.20\N{NO-BREAK SPACE}±") and told.y == [3.0]
    assert "full-batch 30.20" in chart.description
    assert {layer.label for layer in chart.layers if isinstance(layer, Points)} == {
        "sgd",
        "adam",
        "soap",
    }
    static_figure(chart)


@pytest.mark.parametrize("far", [0.1, None])
def test_lines_and_their_points_are_left_out_together(far):
    def line(name, y):
        return Line(name, Style(0, 0), [0.0, 1.0], y, [None] * 2, [None] * 2)

    layers = [line(name, [0.8, 0.8 + k / 100]) for k, name in enumerate("abc")]
    if far:
        layers += [line("far", [far, far])]
        layers += [Points("far", Style(0, 0), [1.0], [far], "dot", ["far"])]
    axis, kept, text = focused("test_loss", layers)
    assert axis.limits is not None and axis.limits[0] > 0.7
    assert len(kept) == 3
    assert text == ("far lies beyond the axis." if far else "")


@pytest.mark.parametrize(("dip", "beyond"), [(0.85, True), (0.2, False)])
def test_learning_curves_say_only_what_the_axis_really_leaves_out(dip, beyond):
    made = Builder()
    for arm, quality in {"sgd": 0.88, "adam": 0.9, "soap": 0.91, "full-batch": 0.3}.items():
        for seed in range(3):
            made.run(arm, seed, {}, quality=quality + 0.002 * seed)
    results = made.results()
    frame = results.metrics.with_columns(
        pl.when((pl.col("epoch") == 1) & (pl.col("test_accuracy") > 0.5))
        .then(dip)
        .otherwise(pl.col("test_accuracy"))
        .alias("test_accuracy")
    )
    results = replace(results, metrics=frame)
    (panel,) = panels(results)
    (chart,) = (c for c in learning_curves(results, panel) if c.name.endswith("test_accuracy"))
    assert (chart.caption == "full-batch lies beyond the axis.") is beyond
    assert (chart.y.limits[0] > 50) is beyond
