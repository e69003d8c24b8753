"""The best fraction of weights kept, over all seeds and seed by seed."""

import numpy as np
import pytest
from scipy import stats

from thalweg.report.best_kept import best_kept
from thalweg.report.best_kept_section import best_kept_charts, best_kept_tables
from thalweg.report.rounds import prunings
from thalweg.report.static import png, static_figure
from thalweg.report.summary import verdicts
from thalweg.study.panels import panels

SPACE = "\N{NO-BREAK SPACE}"
KEPT = (1.0, 0.6, 0.3, 0.1)
SEEDS = 12


@pytest.fixture(scope="module")
def losses():
    """Levels × seeds: 30 % kept is the best on average, but not at every seed."""
    noise = np.random.default_rng(0).normal(0, 0.05, (len(KEPT), SEEDS))
    return np.array([0.30, 0.26, 0.24, 0.40])[:, None] + noise


@pytest.fixture
def studied(builder, losses):
    made = builder(regression=True)
    for seed in range(SEEDS):
        qualities = 1 - losses[:, seed]
        made.prune("imp", seed, list(zip(KEPT, qualities, strict=True)))
        for kept, quality in zip(KEPT[1:], qualities[1:], strict=True):
            name = f"once keep=[{kept}]"
            made.prune(name, seed, [(1.0, qualities[0]), (kept, quality)])
    return made.results()


def found(results):
    return best_kept(prunings(results, panels(results)))


def test_the_best_mean_its_interval_and_the_seeds(studied, losses):
    imp, once = found(studied)
    for best, name in ((imp, "imp"), (once, "once")):
        assert (best.levels.name, best.metric, best.best.kept) == (name, "test_loss", 0.3)
        winners = losses.argmin(axis=0)
        assert best.shares == pytest.approx(np.bincount(winners, minlength=4) / SEEDS)
        assert 0 < best.share < 1
        test = stats.ttest_rel(losses[2], losses[0])
        assert best.difference.p == pytest.approx(test.pvalue)
        interval = test.confidence_interval(0.95)
        paired = best.difference.interval
        assert (paired.low, paired.high) == pytest.approx((interval.low, interval.high))
    # An independent bootstrap of the best mean.
    assert imp.curve.interval == (0.3, 0.6)
    draws = np.random.default_rng(1).integers(SEEDS, size=(4000, SEEDS))
    best_of = np.array(KEPT)[losses[:, draws].mean(axis=2).argmin(axis=0)]
    assert imp.curve.interval == pytest.approx(np.quantile(best_of, (0.025, 0.975)))


def test_verdict(studied):
    low, high = (f"{100 * end:.3g}" for end in found(studied)[1].curve.interval)
    line = next(line for line in verdicts(studied) if "once has its best" in line)
    assert line.startswith(
        f"digits, mlp: once has its best mean test loss with 30{SPACE}% of the weights kept (95 % "
        f"interval {low}{SPACE}% to {high}{SPACE}%), "
    )
    assert line.endswith(f"of {SEEDS} seeds it is the best.") and "against the dense" in line


def test_tables_and_charts(studied, losses):
    best, seeds = best_kept_tables(found(studied))
    assert [row[2:5] for row in best.rows] == [
        (name, "test loss", f"30{SPACE}%") for name in ("imp", "once")
    ]
    assert best.frame["difference_mean"].to_list() == pytest.approx(
        [(losses[2] - losses[0]).mean()] * 2
    )
    assert seeds.frame["kept"].to_list() == pytest.approx([*KEPT, *KEPT])
    assert sum(seeds.frame["best_at"]) == pytest.approx(2)
    (chart,) = best_kept_charts(found(studied))
    assert chart.name == "best-kept-digits-mlp-test_loss"
    for line in chart.layers:
        assert line.x == pytest.approx([100 * kept for kept in KEPT])
        assert sum(line.y) == pytest.approx(100)
    assert png(static_figure(chart)).startswith(b"\x89PNG")


def test_a_dense_network_that_is_best_has_no_difference(builder):
    made = builder(regression=True)
    for seed in range(3):
        made.prune("imp", seed, [(1.0, 0.9), (0.5, 0.8), (0.1, 0.7 - 0.01 * seed)])
    results = made.results()
    (best,) = found(results)
    assert (best.best.kept, best.difference, best.shares) == (1.0, None, (1.0, 0.0, 0.0))
    table, _ = best_kept_tables([best])
    assert table.rows[0][4:] == (f"100{SPACE}%", f"100{SPACE}%", "—", "100.00")


def test_two_levels_have_no_best(builder):
    made = builder(regression=True)
    made.prune("imp", 0, [(1.0, 0.9), (0.5, 0.8)])
    assert found(made.results()) == []
