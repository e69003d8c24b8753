"""Contours, surfaces, losses of classes and spectral densities, drawn and in words."""

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.contour import QuadContourSet
from scipy.stats import norm

from thalweg.report.charts import Axis, Contour, Relief, log_heights
from thalweg.report.densities import density_charts
from thalweg.report.figures import sections
from thalweg.report.interactive import interactive_figure
from thalweg.report.landscapes import landscape_charts
from thalweg.report.static import png, static_figure, svg
from thalweg.study.panels import panels


@pytest.fixture(scope="module")
def charts(planes):
    (panel,) = panels(planes)
    found = {chart.name: chart for chart in landscape_charts(planes, panel)}
    assert len(found) == 2 + 1 + 2 + 2 + 1  # contours, surface, classes; contours, surface
    return found


def contour_of(chart):
    (layer,) = chart.layers
    assert isinstance(layer, Contour)
    return layer


def test_a_contour_is_turned_the_right_way_and_marks_the_network(charts, planes):
    chart = charts["landscape-digits-mlp-bowl-sgd"]
    layer = contour_of(chart)
    (run,) = planes.runs.filter(arm="sgd", seed=0)["run"]
    loss = planes.grids[run, "bowl"]["loss"]
    for i in range(len(layer.x)):
        for j in range(len(layer.y)):
            assert layer.z[j][i] == loss[i][j]
    assert 0 in layer.x and 0 in layer.y
    assert chart.x.title == "Random direction 1" and chart.y.title == "Random direction 2"
    assert "0.5 at the network, from 0.5 to" in chart.description
    assert "Seed 0" in chart.caption and "path" not in chart.caption


def test_all_arms_are_on_one_scale_of_colours(charts, planes):
    scales = [
        contour_of(charts[f"landscape-digits-mlp-bowl-{arm}"]).scale for arm in ("sgd", "adam")
    ]
    assert scales[0] == scales[1] == charts["surface-digits-mlp-bowl"].z
    low, high = scales[0].limits
    every = [
        value
        for (_, label), own in planes.grids.items()
        if label == "bowl"
        for row in own["loss"]
        for value in row
        if value is not None
    ]
    assert low <= min(every) and max(every) <= high < 2 * max(every)


def test_a_path_is_drawn_on_the_contour_and_its_share_stands_on_the_axes(charts, planes):
    chart = charts["landscape-digits-mlp-way-adam"]
    layer = contour_of(chart)
    (run,) = planes.runs.filter(arm="adam", seed=0)["run"]
    assert [list(place) for place in layer.path] == planes.grids[run, "way"]["path"]
    assert chart.x.title == "Path's direction 1 (90.0 %)"
    assert "from the ring at step 0" in chart.description
    drawn = interactive_figure(chart)
    lines = [trace for trace in drawn.data[1:] if trace.mode == "lines+markers"]
    assert list(lines[-1].x) == [a for a, _ in layer.path]
    assert list(lines[-1].text) == ["step 0", "step 10", "step 20"]
    axes = static_figure(chart).axes[0]
    assert any(list(line.get_xdata()) == [a for a, _ in layer.path] for line in axes.lines)


def test_both_renderers_draw_the_same_levels(charts):
    chart = charts["landscape-digits-mlp-bowl-sgd"]
    layer = contour_of(chart)
    trace = interactive_figure(chart).data[0]
    filled, _ = (
        c for c in static_figure(chart).axes[0].collections if isinstance(c, QuadContourSet)
    )
    low, high = (math.log10(limit) for limit in layer.scale.limits)
    assert (trace.contours.start, trace.contours.end) == pytest.approx((low, high))
    assert filled.levels[0] == pytest.approx(low) and filled.levels[-1] == pytest.approx(high)
    assert np.diff(filled.levels) == pytest.approx(trace.contours.size)
    heights = np.array(trace.z)
    assert heights == pytest.approx(np.log10(np.array(layer.z, dtype=float)), abs=1e-4)


def test_surfaces_of_all_arms_are_one_chart_that_shows_one_at_a_time(charts):
    chart = charts["surface-digits-mlp-bowl"]
    assert [type(layer) for layer in chart.layers] == [Relief, Relief]
    drawn = interactive_figure(chart)
    assert [trace.type for trace in drawn.data] == ["surface", "surface"]
    assert [trace.visible for trace in drawn.data] == [True, "legendonly"]
    assert drawn.layout.legend.itemclick == "toggleothers"
    assert drawn.layout.showlegend is True
    still = static_figure(chart)
    assert [axes.get_title() for axes in still.axes[:2]] == ["sgd", "adam"]
    assert png(still).startswith(b"\x89PNG") and b"<svg" in svg(still)


def test_many_surfaces_go_over_several_rows(charts):
    chart = charts["surface-digits-mlp-bowl"]
    many = replace(
        chart, layers=tuple(replace(chart.reliefs[0], label=f"arm {i}") for i in range(7))
    )
    one, seven = static_figure(chart), static_figure(many)
    assert len(seven.axes) == 8
    assert seven.get_figheight() > 2 * one.get_figheight()


def test_what_is_not_finite_or_not_positive_stays_on_the_scale():
    scale = Axis("Loss", True, (0.1, 10.0))
    found = log_heights([[None, math.inf, 1e9], [0.0, 1e-9, 1.0]], scale)
    assert found == [[1, 1, 1], [-1, -1, 0]]


def test_the_losses_of_classes_along_the_first_direction(charts, planes):
    chart = charts["class-landscape-digits-mlp-bowl-sgd"]
    (run,) = planes.runs.filter(arm="sgd", seed=0)["run"]
    own = planes.grids[run, "bowl"]
    middle = own["steps"][1].index(0)
    assert [line.label for line in chart.layers] == planes.class_names["digits"]
    for line, grid in zip(chart.layers, own["class_loss"], strict=True):
        assert line.y == [row[middle] for row in grid]
    assert "class 4 rises to" in chart.description
    assert "class-landscape-digits-mlp-way-sgd" not in charts


def test_the_density_is_smoothed_from_nodes_and_averaged_over_seeds(planes):
    (panel,) = panels(planes)
    (chart,) = density_charts(planes, panel)
    line = chart.layers[0]
    assert line.label == "sgd" and chart.y.log
    runs = planes.runs.filter(arm="sgd")["run"]
    own = [planes.grids[run, "spectrum"] for run in runs]
    nodes = np.array([each["nodes"] for each in own])
    width = 0.01 * (nodes.max() - nodes.min())
    for at in (50, 200, 300):
        x = line.x[at]
        expected = np.mean(
            [(norm.pdf(x, each["nodes"], width) * each["weights"]).sum(1).mean() for each in own]
        )
        assert line.y[at] == pytest.approx(max(expected, min(line.y)), rel=1e-6)
    area = np.trapezoid(line.y, line.x)
    assert area == pytest.approx(1, abs=0.01)
    assert png(static_figure(chart)).startswith(b"\x89PNG")
    interactive_figure(chart)


def test_they_stand_among_the_measurements(planes):
    (section,) = (s for s in sections(planes, panels(planes)) if s.title == "Measurements")
    names = [chart.name for chart in section.charts]
    assert names[0].startswith("density-") and len(names) == 9
    assert all(chart.description for chart in section.charts)
