from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_hex
from scipy import stats

from thalweg.report.charts import Heatmap, Line, Points, Shade
from thalweg.report.class_charts import class_charts
from thalweg.report.confusion_charts import confusion_charts
from thalweg.report.figures import final_chart, sections
from thalweg.report.interactive import interactive_figure
from thalweg.report.learning_curves import learning_curves
from thalweg.report.palette import colour
from thalweg.report.sensitivity_charts import sensitivity_charts
from thalweg.report.static import png, static_figure, svg
from thalweg.study.panels import panels

STUDIES = ["classification", "regression", "single_seed", "all_diverged", "hostile"]


def interval(values):
    values = np.asarray(values)
    return stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))


def runs_at(results, arm, rate, task="digits"):
    return results.runs.filter(
        (pl.col("arm") == arm) & (pl.col("lr") == rate) & (pl.col("task") == task)
    )


def test_learning_curve_is_mean_and_t_band_at_the_selected_point(classification):
    charts = learning_curves(classification, panels(classification)[0])
    assert [chart.name.rpartition("-")[2] for chart in charts] == [
        "test_accuracy",
        "test_loss",
        "validation_accuracy",
        "validation_loss",
        "train_loss",
    ]
    line = charts[0].layers[1]
    assert line.label == "sgd" and line.x == [0, 1, 2, 3, 4, 5, 6]
    ids = runs_at(classification, "sgd", 0.03)["run"].to_list()
    values = classification.metrics.filter(pl.col("run").is_in(ids) & (pl.col("epoch") == 4))
    expected = 100 * values["test_accuracy"].to_numpy()
    assert line.y[4] == pytest.approx(expected.mean())
    assert (line.low[4], line.high[4]) == pytest.approx(interval(expected))
    assert charts[4].layers[0].x[0] == 1  # no minibatch loss at epoch 0


def test_learning_curve_ends_where_a_seed_diverged(builder):
    study = builder()
    study.run("sgd", 0, {}, quality=0.9)
    study.run("sgd", 1, {}, quality=0.9, status="diverged")
    results = study.results()
    (panel,) = panels(results)
    loss = next(c for c in learning_curves(results, panel) if c.name.endswith("test_loss"))
    assert loss.layers[0].y[:2] == pytest.approx([2.3, 2.3 * 0.1 ** (1 / 6)])
    assert loss.layers[0].y[2:] == [None] * 5


def test_epochs_without_evaluation_leave_no_gap(builder):
    study = builder()
    study.run("sgd", 0, {}, quality=0.9)
    for row in study.metrics:
        if row["epoch"] % 2:
            row["test_loss"] = None
    results = study.results()
    charts = learning_curves(results, panels(results)[0])
    assert next(c for c in charts if c.name.endswith("test_loss")).layers[0].x == [0, 2, 4, 6]


def test_a_study_of_no_epochs_has_curves_of_one_point(builder):
    study = builder()
    study.run("sgd", 0, {}, quality=0.9)
    study.metrics = study.metrics[:1]
    results = study.results()
    chart = learning_curves(results, panels(results)[0])[0]
    assert chart.layers[0].x == [0] and chart.x.limits == (0, 1)
    assert png(static_figure(chart))


def test_a_band_below_zero_is_cut_at_the_end_of_a_logarithmic_axis(builder):
    study = builder()
    for seed in range(2):
        study.run("sgd", seed, {}, quality=0.9999)
    for row in study.metrics:
        if row["epoch"] == 6:
            row["test_loss"] *= 1 + (row["run"] == "run0000")
    results = study.results()
    charts = learning_curves(results, panels(results)[0])
    chart = next(c for c in charts if c.name.endswith("test_loss"))
    assert chart.y.log and chart.layers[0].low[6] == chart.y.limits[0] > 0


def test_many_classes_and_arms_stay_drawable(builder):
    study = builder()
    for arm in range(9):
        study.run(f"arm{arm}", 0, {}, quality=0.9)
    names = [f"a rather long name of class {i}" for i in range(120)]
    results = study.results(class_names={"digits": names})
    (panel,) = panels(results)
    (chart,) = class_charts(results, panel)
    assert chart.height == 6000 and len(chart.y.ticks) == 60
    matrix = confusion_charts(results, panel)[0]
    assert len(matrix.x.ticks) <= 24 and png(static_figure(matrix))


def test_final_chart_shows_each_seed_and_the_mean(classification):
    chart = final_chart(panels(classification)[0])
    seeds, mean = chart.layers[0], chart.layers[1]
    expected = 100 * runs_at(classification, "adam", 0.003)["test_accuracy"].to_numpy()
    assert sorted(seeds.x) == pytest.approx(sorted(expected))
    assert mean.x == pytest.approx([expected.mean()])
    assert mean.x_interval[0] == pytest.approx(interval(expected))
    assert [label for _, label in chart.y.ticks] == ["adam", "sgd", "sgd-nesterov"]


def test_sensitivity_chart(classification):
    (chart,) = sensitivity_charts(panels(classification)[0])
    assert chart.x.log and [label for _, label in chart.x.ticks] == [
        "0.003",
        "0.01",
        "0.03",
        "0.1",
        "0.3",
    ]
    lines = {layer.label: layer for layer in chart.layers if isinstance(layer, Line)}
    expected = 100 * runs_at(classification, "sgd", 0.1)["validation_accuracy"].to_numpy()
    assert lines["sgd"].y[3] == pytest.approx(expected.mean())
    # With three seeds the band is their range: 1 of 27 resamples repeats the lowest alone.
    assert lines["sgd"].low[3] == pytest.approx(min(expected))
    assert lines["sgd"].high[3] == pytest.approx(max(expected))
    assert lines["sgd"].y[4] is None and lines["adam"].y[4] is not None
    stars = {p.label: p for p in chart.layers if isinstance(p, Points) and p.symbol == "star"}
    assert {name: star.x for name, star in stars.items()} == {
        "adam": [0.003],
        "sgd": [0.03],
        "sgd-nesterov": [0.03],
    }
    (cross,) = (p for p in chart.layers if isinstance(p, Points) and p.symbol == "cross")
    assert cross.label == "sgd" and cross.x == [0.3]
    assert "2 of 3 diverged" in cross.hover[0]
    assert chart.caption.startswith("adam: best learning rate 0.003 (mean validation accuracy 9")
    assert "95 % interval of the optimum 0.003. sgd: best learning rate 0.03" in chart.caption
    assert "adam: its optimum is the lowest learning rate of the grid" in chart.caption
    assert chart.caption.endswith("Try lr = [0.0003, 0.00095, 0.003, 0.01, 0.03, 0.1, 0.3].")


def test_other_axes_make_lines_of_their_own(single_seed):
    (chart,) = sensitivity_charts(panels(single_seed)[0])
    lines = [layer for layer in chart.layers if isinstance(layer, Line)]
    assert [line.label for line in lines] == ["sgd, momentum=0.0", "sgd, momentum=0.9"]
    assert lines[0].style.colour == lines[1].style.colour
    assert lines[0].style.dash != lines[1].style.dash
    assert lines[0].low == [None] * 3  # one seed has no band


def test_without_learning_rates_the_numeric_axis_is_drawn(regression):
    (chart,) = sensitivity_charts(panels(regression)[0])
    assert chart.x.title == "momentum" and not chart.x.log  # it holds a zero
    (line,) = (layer for layer in chart.layers if isinstance(layer, Line))
    assert line.x == [0.0, 0.5, 0.9] and line.label == "sgd"


def test_confusion_is_summed_over_seeds_and_shared_by_row(classification):
    chart = confusion_charts(classification, panels(classification)[0])[1]
    (heat,) = chart.layers
    ids = runs_at(classification, "sgd", 0.03)["run"].to_list()
    frame = classification.confusion.filter(pl.col("run").is_in(ids))
    right = frame.filter((pl.col("true") == 2) & (pl.col("predicted") == 2))["count"].sum()
    assert isinstance(heat, Heatmap)
    names = classification.class_names["digits"]
    share = f"{100 * right / 300:.2f}"
    assert heat.hover[2][2] == (
        f"true {names[2]}, predicted {names[2]}: {right} examples, {share} % of the row"
    )
    assert heat.shares[2][2] == pytest.approx(right / 300)
    assert [sum(row) for row in heat.shares] == pytest.approx([1] * 5)


def test_a_class_without_examples_has_no_share(builder):
    study = builder()
    study.run("sgd", 0, {}, quality=0.9)
    study.confusion = [row for row in study.confusion if row["true"] != 3]
    results = study.results()
    (panel,) = panels(results)
    assert confusion_charts(results, panel)[0].layers[0].shares[3] == [None] * 5
    assert len(class_charts(results, panel)[0].layers[0].x) == 4


def test_of_many_arms_the_confusion_matrices_are_small(builder):
    study = builder()
    for k in range(10):
        study.run(f"arm-{k}", 0, {}, quality=0.5 + k / 100)
    results = study.results()
    (panel,) = panels(results)
    charts = confusion_charts(results, panel)
    assert [len(chart.facets) for chart in charts] == [8, 2]
    assert charts[1].title == "Confusion matrices: digits, mlp, 2 of 2"
    for k, pane in enumerate(pane for chart in charts for pane in chart.facets):
        (heat,) = pane.layers
        assert pane.title == f"arm-{k}" and not heat.texts
        assert heat.shares[1][1] == pytest.approx(0.5 + k / 100)
    assert [bool(pane.y.ticks) for pane in charts[1].facets] == [True, False]
    assert [bool(pane.x.ticks) for pane in charts[0].facets] == [False] * 6 + [True] * 2
    assert svg(static_figure(charts[0])).startswith(b"<?xml")
    assert len(interactive_figure(charts[0]).data) == 8


def test_class_accuracies(classification):
    (chart,) = class_charts(classification, panels(classification)[0])
    sgd = chart.layers[1]
    ids = runs_at(classification, "sgd", 0.03)["run"].to_list()
    shares = [
        classification.confusion.filter(
            (pl.col("run") == run) & (pl.col("true") == 0) & (pl.col("predicted") == 0)
        )["count"].sum()
        / 100
        for run in ids
    ]
    assert sgd.x[0] == pytest.approx(100 * np.mean(shares))
    assert sgd.x_interval[0] == pytest.approx(interval(100 * np.array(shares)))


@pytest.mark.parametrize("study", STUDIES)
def test_names_are_unique_and_every_chart_is_described(study, request):
    results = request.getfixturevalue(study)
    charts = [c for section in sections(results, panels(results)) for c in section.charts]
    assert len({chart.name for chart in charts}) == len(charts)
    for chart in charts:
        assert chart.description and chart.title
        assert set(chart.name) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
        )


def test_nothing_finite_makes_no_chart(all_diverged):
    grouped = panels(all_diverged)
    assert final_chart(grouped[0]) is None
    assert sensitivity_charts(grouped[0]) == []


def test_both_renderers_show_the_same_numbers(classification):
    chart = learning_curves(classification, panels(classification)[0])[1]
    plotly = {t.name: t for t in interactive_figure(chart).data if t.name}
    axes = static_figure(chart).axes[0]
    for line, drawn in zip(chart.layers, axes.lines, strict=True):
        assert list(plotly[line.label].y) == line.y == list(drawn.get_ydata())
        assert (
            plotly[line.label].line.color == colour(line.style) == to_hex(drawn.get_color()).upper()
        )
    assert axes.get_ylim() == pytest.approx(chart.y.limits)
    assert [10**v for v in interactive_figure(chart).layout.yaxis.range] == pytest.approx(
        chart.y.limits
    )


def test_static_files_are_reproducible(classification):
    chart = final_chart(panels(classification)[0])
    assert png(static_figure(chart)) == png(static_figure(chart))
    assert svg(static_figure(chart)) == svg(static_figure(chart))


def test_foreign_names_are_plain_text_in_both_renderers(hostile):
    chart = learning_curves(hostile, panels(hostile)[0])[0]
    names = [t.name for t in interactive_figure(chart).data if t.name]
    assert names[0].startswith('"&gt;&lt;img') and all("<" not in name for name in names)
    legend = static_figure(chart).legends[0]
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[1].strip().startswith("_$a^{b}$")
    assert not any(text.get_parse_math() for text in legend.get_texts())


def test_the_optimum_s_interval_is_shaded_in_both_drawings(builder):
    study = builder()
    for rate, qualities in ((0.1, (0.9, 0.8, 0.7)), (1.0, (0.8, 0.8, 0.81)), (10.0, (0.1,) * 3)):
        for seed, quality in enumerate(qualities):
            study.run("sgd", seed, {"optimizer.lr": rate}, quality=quality)
    results = study.results()
    (chart,) = sensitivity_charts(panels(results)[0])
    (shade,) = (layer for layer in chart.layers if isinstance(layer, Shade))
    assert (shade.low, shade.high) == (0.1, 1.0)
    assert "95 % interval of the optimum 0.1 to 1, by a parabola" in chart.caption
    (rectangle,) = interactive_figure(chart).layout.shapes
    assert (rectangle.x0, rectangle.x1) == (0.1, 1.0)
    assert png(static_figure(chart)) != png(
        static_figure(replace(chart, layers=[x for x in chart.layers if x is not shade]))
    )
