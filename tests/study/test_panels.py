import math

import numpy as np
import pytest

from thalweg.study.panels import matrix, panels


def test_one_panel_a_task_with_the_arms_in_order(classification):
    first, second = panels(classification)
    assert (first.title, second.title) == ("digits, mlp", "fashion-mnist, mlp")
    assert [arm.name for arm in first.arms] == ["adam", "sgd", "sgd-nesterov"]
    assert [arm.number for arm in first.arms] == [arm.number for arm in second.arms] == [0, 1, 2]


def test_points_are_selected_by_validation(classification):
    panel = panels(classification)[0]
    assert panel.metric == "validation_accuracy"
    assert [arm.selected.label for arm in panel.arms] == ["lr=0.003", "lr=0.03", "lr=0.03"]
    assert panel.best.name == "adam"


def test_test_figures_never_select_where_validation_exists(builder):
    study = builder()
    for seed in range(2):
        study.run("sgd", seed, {"optimizer.lr": 0.1}, quality=0.9)
        study.run("sgd", seed, {"optimizer.lr": 0.2}, quality=0.8)
    for run in study.runs:  # validation prefers the other point
        run["validation_accuracy"] = 1 - run["test_accuracy"]
    (panel,) = panels(study.results(selection="test_accuracy"))
    assert panel.metric == "validation_accuracy"
    assert panel.arms[0].selected.label == "lr=0.2"


def test_regression_is_selected_by_loss(regression):
    (panel,) = panels(regression)
    assert panel.metric == "validation_loss"
    assert panel.arms[1].selected.label == "momentum=0.9"
    assert "test_accuracy" not in panel.metrics


def test_a_diverged_run_is_the_worst_and_a_failed_one_nothing(classification):
    panel = panels(classification)[0]
    sgd, nesterov = panel.arms[1].points[-1], panel.arms[2].points[-1]
    assert sgd.values("test_accuracy")[:2] == [-math.inf] * 2
    assert sgd.values("test_loss")[:2] == [math.inf] * 2
    assert len(nesterov.values("test_accuracy")) == 2 and nesterov.seeds == (0, 2)
    found = matrix([sgd, nesterov], "test_loss")
    assert found.shape == (2, 3)
    assert np.isnan(found[1, 1]) and np.isposinf(found[0, :2]).all()


def test_nothing_finite_selects_nothing(all_diverged):
    (panel,) = panels(all_diverged)
    assert panel.best is None
    assert [arm.selected for arm in panel.arms] == [None] * 3


def test_a_figure_that_is_not_finite_counts_as_diverged(builder):
    study = builder()
    study.run("sgd", 0, {}, quality=0.9)
    study.runs[0]["test_loss"] = math.nan
    (panel,) = panels(study.results())
    assert panel.arms[0].points[0].values("test_loss") == [math.inf]


@pytest.mark.parametrize("name", ["classification", "single_seed", "hostile"])
def test_every_run_belongs_to_one_point(name, request):
    results = request.getfixturevalue(name)
    runs = [
        run["run"]
        for panel in panels(results)
        for arm in panel.arms
        for point in arm.points
        for run in point.runs
    ]
    assert sorted(runs) == sorted(results.runs["run"])
