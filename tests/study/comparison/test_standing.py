"""How the best arm of a panel stands."""

import pytest
from tests.report.conftest import Builder

from thalweg.study.comparison.arms import compare_named, compare_panel
from thalweg.study.comparison.standing import standing
from thalweg.study.panels import panels

WAVE = (0.001, -0.002, 0.0, 0.002, -0.001)


def test_best_by_validation_compared_in_test_accuracy():
    made = Builder()
    for seed, noise in enumerate(WAVE):
        made.run("chosen", seed, {}, quality=0.90 + 2 * noise)
        made.run("level", seed, {}, quality=0.90 - noise)
        made.run("ahead", seed, {}, quality=0.95 + noise)
    for run in made.runs:
        run["validation_accuracy"] = 0.99 if run["arm"] == "chosen" else 0.5
    results = made.results()
    (panel,) = panels(results)
    found = standing(results, panel)
    assert found is not None
    assert (found.metric, found.best, len(found.pairs)) == ("test_accuracy", "chosen", 3)
    assert [*found.rivals] == ["level", "ahead"] and [*found.unresolved] == ["level"]
    assert found.rivals["ahead"].mean == pytest.approx(-0.05)


def test_test_loss_where_there_is_no_accuracy(regression):
    (panel,) = panels(regression)
    found = standing(regression, panel)
    assert found is not None and found.metric == "test_loss"
    (pair,) = found.rivals.values()
    assert not pair.runs.higher_is_better and pair.mean is not None


def test_nothing_to_compare(all_diverged):
    (panel,) = panels(all_diverged)
    assert standing(all_diverged, panel) is None
    made = Builder()
    made.run("alone", 0, {}, quality=0.9)
    made.run("elsewhere", 1, {}, quality=0.9)  # no seed in common
    results = made.results()
    assert standing(results, panels(results)[0]) is None


def test_compare_counts_the_pairs_of_one_task_and_model_as_the_page_does():
    made = Builder()
    for seed, noise in enumerate(WAVE):
        for task in ("easy", "hard"):
            made.run("first", seed, {}, quality=0.9 + noise, task=task)
            made.run("second", seed, {}, quality=0.897 - noise / 3, task=task)
    results = made.results()
    grouped = panels(results)
    assert len(grouped) == 2
    together = compare_named(results, grouped, ["first", "second"], "test_accuracy")
    alone = [pair for panel in grouped for pair in compare_panel(results, panel, "test_accuracy")]
    assert [pair.p for pair in together] == [pair.p for pair in alone]
    assert [pair.p_adjusted for pair in together] == [pair.p_adjusted for pair in alone]
    assert [pair.p_adjusted for pair in alone] == [pair.p for pair in alone]  # one pair each
