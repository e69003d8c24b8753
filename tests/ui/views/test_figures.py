"""What the views show, against the store's frames and files by NumPy, Polars and SciPy."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import scipy.stats
from safetensors.numpy import load_file
from tests.report.conftest import Builder
from tests.ui.views.conftest import BY_NAME
from tests.ui.views.test_every_view import charts

from thalweg.audit import audit_study
from thalweg.report.charts import Contour, Dots, Heatmap, Line, Picture, Points
from thalweg.report.figures import sections
from thalweg.report.interactive import interactive_figure
from thalweg.report.static import png, static_figure
from thalweg.study.panels import panels


def lines(chart):
    return {layer.label: layer for layer in chart.layers if isinstance(layer, Line)}


def selected(results, arm):
    """The grid point of an arm with the highest mean validation accuracy, and its runs by seed."""
    means = (
        results.runs.filter(arm=arm)
        .group_by("point", maintain_order=True)
        .agg(pl.col("validation_accuracy").mean())
        .sort("validation_accuracy", descending=True, maintain_order=True)
    )
    point = means["point"][0]
    return point, results.runs.filter(arm=arm, point=point).sort("seed")


def t_interval(values):
    values = np.asarray(values)
    mean, error = values.mean(), scipy.stats.sem(values)
    return scipy.stats.t.interval(0.95, len(values) - 1, mean, error)


@pytest.mark.parametrize("along", ["epoch", "gradient_evaluations", "seconds"])
def test_learning_curves_are_means_and_bands_over_seeds(along, results, show):
    (chart,) = charts(show("curves", metric="test_loss", x=along))
    assert list(lines(chart)) == ["sgd", "adam", "ticket"]
    for arm in ("sgd", "adam"):
        _, runs = selected(results, arm)
        own = results.metrics.filter(pl.col("run").is_in(runs["run"].to_list()))
        line = lines(chart)[arm]
        assert len(line.x) == 3
        for k in range(3):
            at = own.filter(epoch=k)
            assert line.x[k] == pytest.approx(at[along].mean())
            low, high = t_interval(at["test_loss"])
            assert line.y[k] == pytest.approx(at["test_loss"].mean())
            assert line.high[k] == pytest.approx(high)
            assert line.low[k] == pytest.approx(max(low, chart.y.limits[0] if chart.y.log else low))


def test_curves_of_all_grid_points(results, show, monkeypatch):
    (chart,) = charts(show("curves", points="all", arm=["sgd", "adam"]))
    points = results.runs.filter(pl.col("arm") != "ticket").select("arm", "point").unique()
    assert set(lines(chart)) == {f"{arm}, {point}" for arm, point in points.iter_rows()}
    monkeypatch.setattr("thalweg.ui.views.curves.MOST_LINES", 2)
    content = show("curves", points="all", arm=["sgd", "adam"])
    best = (
        results.runs.filter(pl.col("arm") != "ticket")
        .group_by("arm", "point")
        .agg(pl.col("validation_accuracy").mean())
        .sort("validation_accuracy", descending=True)
    )
    expected = {f"{arm}, {point}" for arm, point, _ in best.head(2).iter_rows()}
    assert set(lines(*charts(content))) == expected
    assert "The 2 grid points of 6" in content.sentences[-1]


@pytest.mark.parametrize("axis", ["optimizer.lr", "optimizer.momentum"])
def test_sensitivity_along_any_axis_in_any_metric(axis, results, show):
    (chart,) = charts(show("learning-rates", axis=axis, metric="test_loss"))
    found = [line for name, line in lines(chart).items() if name.startswith("sgd")]
    other, name = ("momentum",) * 2 if axis == "optimizer.lr" else ("lr", "learning rate")
    assert len(found) == 2  # one for each value of the other
    for line in found:
        held = float(line.label.partition(f"{name}=")[2])
        for x, y in zip(line.x, line.y, strict=True):
            axes = {axis: x, f"optimizer.{other}": held}
            own = [
                loss
                for text, loss in results.runs.select("axes", "test_loss").iter_rows()
                if json.loads(text) == axes
            ]
            assert len(own) == 2 and y == pytest.approx(np.mean(own))


def test_a_comparison_is_the_paired_t_test(results, show):
    content = show("compare", arm=["sgd", "adam"], metric="test_accuracy")
    figures = [selected(results, arm)[1]["test_accuracy"].to_numpy() for arm in ("sgd", "adam")]
    test = scipy.stats.ttest_rel(*figures)
    interval = test.confidence_interval(0.95)
    difference, dots = charts(content)
    small, large = (layer for layer in difference.layers if isinstance(layer, Points))
    assert small.x == pytest.approx(100 * (figures[0] - figures[1]))
    assert large.x == [pytest.approx(100 * (figures[0] - figures[1]).mean())]
    assert large.x_interval == [pytest.approx((100 * interval.low, 100 * interval.high))]
    assert "sgd is " in content.sentences[0] and "resolved" in content.sentences[0]
    (row,) = content.tables[0].frame.iter_rows(named=True)
    assert row["p"] == pytest.approx(test.pvalue)
    own = [layer.x for layer in dots.layers if layer.symbol == "small"]
    assert own == [pytest.approx(100 * each) for each in figures]


def test_a_comparison_at_a_grid_point_that_was_not_selected(show):
    builder = Builder()
    figures = {"sgd": [0.5, 0.6, 0.8], "adam": [0.7, 0.72, 0.71], "lion": [0.9, 0.9, 0.9]}
    for arm, values in figures.items():
        for seed, value in enumerate(values):
            builder.run(arm, seed, {"optimizer.lr": 0.1}, quality=value)
            if arm != "lion":
                builder.run(arm, seed, {"optimizer.lr": 0.2}, quality=0.95)
    results = builder.results()
    differences = np.subtract(figures["sgd"], figures["adam"])
    content = show("compare", of=results, point="lr=0.1", arm=["sgd", "adam"])
    (row,) = content.tables[0].frame.iter_rows(named=True)
    assert row["mean"] == pytest.approx(differences.mean())
    other = show("compare", of=results, point="lr=0.2")
    assert other.tables[1].frame["arm"].to_list() == ["sgd", "adam"]  # lion was not there
    assert other.tables[0].frame["mean"].to_list() == [0]


def test_a_comparison_of_what_was_measured(results, show):
    content = show("compare", metric="hessian.eigenvalue_1", arm=["sgd", "adam"])
    largest = results.probes.filter(probe="hessian", figure="eigenvalues", index=0)
    (row,) = content.tables[0].frame.iter_rows(named=True)
    means = [largest.filter(arm=arm)["value"].mean() for arm in ("sgd", "adam")]
    assert row["mean"] == pytest.approx(means[0] - means[1])


@pytest.mark.parametrize("seed", [0, 1])
def test_a_landscape_is_that_of_the_seed_asked_for(seed, results, show):
    content = show("landscape", seed=seed, arm="adam")
    (run,) = selected(results, "adam")[1].filter(seed=seed)["run"]
    loss = np.array(results.grids[run, "landscape"]["loss"])
    surface, plane, classes = charts(content)
    assert np.array(surface.layers[0].z) == pytest.approx(loss.T)
    (layer,) = plane.layers
    assert isinstance(layer, Contour) and np.array(layer.z) == pytest.approx(loss.T)
    assert f"Seed {seed}" in plane.caption and len(layer.path) == 4
    assert len(classes.layers) == 10


def test_a_line_is_the_mean_over_seeds(results, show):
    (chart,) = charts(show("landscape", probe="line"))
    own = results.probes.filter(probe="line", arm="sgd", figure="loss")
    means = own.group_by("index").agg(pl.col("value").mean()).sort("index")["value"]
    assert lines(chart)["sgd"].y == pytest.approx(means.to_list())


def test_eigenvalues_of_chosen_seeds(results, show):
    for seeds in ([0], [0, 1]):
        found = {chart.name: chart for chart in charts(show("spectrum", seed=seeds))}
        line = lines(found["eigenvalues-digits-mlp-hessian"])["sgd"]
        own = results.probes.filter(
            pl.col("seed").is_in(seeds), probe="hessian", figure="eigenvalues", arm="sgd"
        )
        for place, value in zip(line.x, line.y, strict=True):
            values = own.filter(pl.col("index") == place - 1)["value"]
            assert value == pytest.approx(values.mean())
        assert "density-digits-mlp-density" in found
        assert "dynamics-digits-mlp-moving-eigenvalue-1" in found


def test_histograms_count_the_weights_of_the_file(store, results, show):
    _, runs = selected(results, "adam")
    (run,) = runs.filter(seed=1)["run"]
    weights = load_file(store.run(run).weights_path)
    for layer in ("all", "layers.1.weight"):
        content = show("weights", arm="adam", seed=1, layer=layer)
        own = [w for n, w in weights.items() if w.ndim > 1 and layer in ("all", n)]
        sizes = np.log10(np.abs(np.concatenate([w.ravel() for w in own]).astype(np.float64)))
        moments = lines(charts(content)[0])
        assert list(moments) == ["step 0", "step 6", "step 12", "end"]
        line = moments["end"]
        for x, y in zip(line.x, line.y, strict=True):
            within = np.abs(sizes - np.log10(x)) < 0.05 - 1e-9
            assert y == pytest.approx(within.mean() / 0.1, abs=1e-9)
        assert sum(line.y) * 0.1 == pytest.approx(1)
    values = show("weights", arm="adam", seed=1, scale="value", moment="end")
    (line,) = lines(charts(values)[0]).values()
    assert np.trapezoid(line.y, line.x) == pytest.approx(1, abs=0.05)


def test_weights_round_by_round_leave_out_what_was_pruned(results, show):
    content = show("weights", arm="ticket", seed=0)
    found = {chart.name: chart for chart in charts(content)}
    assert list(lines(found["histogram-rounds"])) == [
        "dense",
        "round 1, 50\N{NO-BREAK SPACE}% kept",
        "round 2, 20\N{NO-BREAK SPACE}% kept",
    ]
    for line in lines(found["histogram-rounds"]).values():
        assert sum(line.y) * 0.1 == pytest.approx(1)
    (choice,) = (each for each in content.choices if each.key == "round")
    assert choice.chosen == ("2",)
    measured = content.groups[1]
    assert "weights" in measured.note and len(measured.charts) >= 3
    one = show("weights", arm="ticket", layer="layers.0.weight").groups[1].charts[0]
    assert one.title.startswith("weights: sizes of the weights of layers.0.weight")


@pytest.mark.parametrize("number", [1, 2])
def test_masks_are_those_of_the_round(number, results, show):
    content = show("masks", seed=1, round=number)
    (run,) = results.rounds.filter(arm="ticket", seed=1, round=number)["run"]
    masks = load_file(results.masks[run])
    table = content.tables[0].frame
    for name, mask in masks.items():
        (row,) = table.filter(layer=name).iter_rows(named=True)
        assert row[f"round {number}"] == pytest.approx(mask.mean())
        assert row["weights"] == mask.size
    (total,) = table.filter(layer="all").iter_rows(named=True)
    kept = sum(mask.sum() for mask in masks.values()) / sum(mask.size for mask in masks.values())
    assert total[f"round {number}"] == pytest.approx(kept)
    first = charts(content)[0]
    assert f"Seed 1, round {number}" in first.caption
    assert any(isinstance(layer, Picture) for layer in first.layers)
    names = [chart.name for chart in charts(content)]
    assert ("evolution-digits-mlp-ticket" in names) == (number > 1)
    assert "component-digits-mlp-ticket" in names
    nulls = show("masks", seed=1, round=number, part="graph").tables[0].frame
    assert nulls.columns == ["null", "layer", "measure", "value", "mean", "low", "high", "z"]
    assert set(nulls["null"]) == {"degrees", "edges"}


def test_what_changes_over_the_rounds(results, show):
    content = show("masks", part="rounds")
    found = {chart.name: chart for chart in charts(content)}
    kept = next(f for f in found["kept-by-layer-digits-mlp"].facets if f.title == "layers.0")
    rows = results.rounds.filter(arm="ticket").sort("round").group_by("round", maintain_order=True)
    means = [
        np.mean([json.loads(text)["layers.0.weight"] for text in own["layers"]]) for _, own in rows
    ]
    assert kept.layers[0].y == pytest.approx([100 * mean for mean in means])
    assert any(name.startswith("z-digits-mlp-graph") for name in found)
    assert "seed" not in [choice.key for choice in content.choices]


def test_the_graph_of_one_layer_and_of_one_too_large(show, monkeypatch):
    content = show("masks", layer="layers.1.weight")
    drawing = next(chart for chart in charts(content) if chart.name.startswith("component"))
    units = sum(len(layer.x) for layer in drawing.layers if isinstance(layer, Dots))
    assert 0 < units <= 18 and "layers.1.weight" in drawing.title
    graph = show("masks", layer="layers.1.weight", part="graph")
    assert set(graph.tables[0].frame["layer"]) == {"layers.1.weight"}
    assert [chart.name for chart in charts(graph)][-1].startswith("clustering")
    monkeypatch.setattr("thalweg.ui.views.masks.MOST_UNITS", 10)
    content = show("masks")
    assert not any(chart.name.startswith("component") for chart in charts(content))
    assert "92 units and is not drawn" in content.sentences[0]


def test_a_difference_of_confusions_is_that_of_the_shares(results, show):
    content = show("confusion", arm="adam", against="sgd")
    shares = {}
    for arm in ("adam", "sgd"):
        runs = selected(results, arm)[1]["run"].to_list()
        counts = np.zeros((10, 10))
        for _, true, predicted, count in results.confusion.filter(
            pl.col("run").is_in(runs)
        ).iter_rows():
            counts[true, predicted] += count
        shares[arm] = counts / counts.sum(1, keepdims=True)
    chart = next(c for c in charts(content) if c.name.startswith("confusion-difference"))
    (layer,) = chart.layers
    assert isinstance(layer, Heatmap) and layer.signed
    expected = shares["adam"] - shares["sgd"]
    assert np.array(layer.shares, float) == pytest.approx(expected)
    assert layer.largest == pytest.approx(np.abs(expected).max())
    trace = interactive_figure(chart).data[0]
    assert (trace.zmin, trace.zmax) == (-layer.largest, layer.largest)
    assert png(static_figure(chart)).startswith(b"\x89PNG")
    own = next(c for c in charts(content) if c.name == "confusion-digits-mlp-adam")
    assert np.array(own.layers[0].shares, float) == pytest.approx(shares["adam"])


def test_the_colour_of_a_difference_is_the_paper_at_none_and_tells_the_sign(results, show):
    content = show("confusion", arm="adam", against="sgd")
    chart = next(c for c in charts(content) if c.name.startswith("confusion-difference"))
    scale = interactive_figure(chart).data[0].colorscale
    assert [place for place, _ in scale] == [0, 0.5, 0.5, 1]
    assert scale[1][1].endswith(", 0)") and scale[2][1].endswith(", 0)")
    assert scale[0][1] != scale[3][1]


def test_findings_are_those_of_the_audit_and_kept(store, results, show, monkeypatch):
    found = audit_study(store, results)
    content = show("audit")
    assert content.tables[0].frame["fault"].to_list() == [each.fault for each in found]
    assert content.sentences[0].startswith(f"{len(found)} finding")

    def again(*_):
        raise AssertionError("the same results are audited twice")

    monkeypatch.setattr("thalweg.ui.views.audit.audit_study", again)
    for severity in ("severe", "warning", "note"):
        own = show("audit", severity=severity)
        shown = own.tables[0].frame["severity"].to_list() if own.tables else []
        assert shown == [each.severity for each in found if each.severity == severity]
        assert shown or severity in own.sentences[1]


def test_nothing_of_the_report_is_missing(results, show):
    (choice,) = show("charts").choices
    found = [show("charts", section=value) for value, _ in choice.options]
    report = sections(results, panels(results))
    names = [chart.name for section in report for chart in section.charts]
    assert sorted(chart.name for content in found for chart in charts(content)) == sorted(names)
    of_sections = {table.name for section in report for table in section.tables}
    assert {t.name for content in found for t in content.tables} >= of_sections | {
        "final",
        "points",
    }


def test_what_was_not_measured_is_said_with_what_to_ask_for(small_results, show):
    for name, probe in (("landscape", "landscape"), ("spectrum", "density")):
        content = show(name, of=small_results)
        assert not charts(content)
        assert f'[[probes]] with name = "{probe}"' in content.sentences[0]
    assert not BY_NAME["masks"].applies(small_results)


@pytest.fixture(scope="module")
def small_results(results):
    nothing = {"grids": {}, "masks": {}}
    runs = results.runs.filter(pl.col("arm") != "ticket")
    frames = {"probes": results.probes.clear(), "series": results.series.clear()}
    return replace(results, runs=runs, rounds=results.rounds.clear(), **frames, **nothing)
