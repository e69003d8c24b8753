import math
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from thalweg.report.charts import Line, Points
from thalweg.report.figures import sections
from thalweg.report.search import draw_charts, expected_best_chart, search_charts
from thalweg.report.static import png, static_figure
from thalweg.report.summary import verdicts
from thalweg.store.results import StudyResults
from thalweg.study.panels import panels

DRAWS = ((0.01, 1e-5, 0.7), (0.2, 1e-3, 0.9), (0.05, 1e-4, 0.8), (3.0, 1e-2, 0.0))


@pytest.fixture
def drawn(builder: Callable[..., Any]) -> StudyResults:
    """Four draws of two hyperparameters with two seeds; the last diverged."""
    study = builder()
    for lr, decay, quality in DRAWS:
        for seed in range(2):
            study.run(
                "sgd",
                seed,
                {"optimizer.lr": lr, "optimizer.weight_decay": decay},
                quality=quality + 0.02 * seed,
                status="done" if quality else "diverged",
            )
    results: StudyResults = study.results()
    return replace(results, provenance={**results.provenance, "search": {"method": "random"}})


def test_expected_best_is_the_mean_over_subsets_at_the_mean_cost(drawn: StudyResults) -> None:
    chart = expected_best_chart(panels(drawn)[0])
    assert chart is not None
    (line,) = chart.layers
    assert isinstance(line, Line)
    means = [100 * (quality + 0.005) if quality else -math.inf for _, _, quality in DRAWS]
    for n in range(2, 5):  # one draw may be the one that diverged
        exact = np.mean([max(subset) for subset in combinations(means, n)])
        assert line.y[n - 1] == pytest.approx(exact)
    assert line.y[0] is None
    cost = 2 * (3 * 120 + 37) / 4
    assert line.x == pytest.approx([cost, 2 * cost, 3 * cost, 4 * cost])
    assert png(static_figure(chart))


def test_each_draw_is_a_point_and_the_best_a_star(drawn: StudyResults) -> None:
    charts = draw_charts(panels(drawn)[0])
    assert [chart.x.title for chart in charts] == ["Learning rate", "weight_decay"]
    for chart, position in zip(charts, (0, 1), strict=True):
        dots, star = chart.layers
        assert isinstance(dots, Points) and isinstance(star, Points)
        assert list(dots.x) == [DRAWS[0][position], DRAWS[2][position]]
        assert list(star.x) == [DRAWS[1][position]] and star.symbol == "star"
        assert star.y == pytest.approx([90.5])
        assert "1 point with a diverged run not shown" in chart.caption
        assert png(static_figure(chart))


def test_a_random_search_has_its_section_and_its_verdict(drawn: StudyResults) -> None:
    titles = [section.title for section in sections(drawn, panels(drawn))]
    assert "Search" in titles and "Sensitivity to hyperparameters" not in titles
    (verdict,) = verdicts(drawn)
    assert verdict.startswith("digits, mlp, sgd: best of 4 points lr=0.2, weight_decay=0.001")


def test_an_optimum_at_the_end_of_the_draws_is_not_said_to_lie_on_a_grid(
    builder: Callable[..., Any],
) -> None:
    study = builder()
    for lr, quality in ((0.01, 0.6), (0.02, 0.7), (0.05, 0.8), (0.3, 0.9)):
        for seed in range(2):
            study.run("sgd", seed, {"optimizer.lr": lr}, quality=quality + 0.02 * seed)
    results = study.results()
    on_grid, drawn = (
        next(text for text in verdicts(replace(results, provenance=provenance)) if "beyond" in text)
        for provenance in (
            results.provenance,
            {**results.provenance, "search": {"method": "random"}},
        )
    )
    assert "the highest learning rate of the grid" in on_grid and "Try lr = [" in on_grid
    assert "the highest learning rate that was drawn" in drawn and "grid" not in drawn
    assert drawn.endswith("Draw from a range that goes beyond 0.3.")


def test_trials_chosen_by_results_have_no_expected_best(drawn: StudyResults) -> None:
    chosen = replace(drawn, provenance={**drawn.provenance, "search": {"method": "optuna"}})
    names = [chart.name for chart in search_charts(chosen, panels(chosen)[0])]
    assert len(names) == 2 and not any(name.startswith("expected") for name in names)


def test_survivors_of_halving_have_no_expected_best(drawn: StudyResults) -> None:
    search = {"method": "random", "points": [0, 1, 2, 3]}
    halved = replace(drawn, provenance={**drawn.provenance, "search": search})
    names = [chart.name for chart in search_charts(halved, panels(halved)[0])]
    assert len(names) == 2 and not any(name.startswith("expected") for name in names)


def test_a_grid_has_no_search_charts(classification: StudyResults) -> None:
    assert search_charts(classification, panels(classification)[0]) == []
