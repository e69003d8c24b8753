"""Figures against the number of parameters."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from thalweg.report.figures import sections
from thalweg.report.size_verdicts import size_verdicts
from thalweg.report.sizes import size_charts, size_tables
from thalweg.report.static import png, static_figure
from thalweg.study.panels import panels

WIDTHS = (2, 8, 32)


def parameters(width):
    return width**2 + 4 * width + 1


@pytest.fixture
def studied(builder):
    """One arm with a grid of widths, and one arm a width of another length."""
    made = builder(regression=True)
    for seed in range(4):
        for width in WIDTHS:
            quality = 1 - 1 / width - 0.01 * seed
            made.run("fixed", seed, {"model.widths": [width, width]}, quality=quality)
            made.runs[-1]["parameters"] = parameters(width)
            made.run(f"scaled width={width}", seed, {}, quality=quality - 0.1)
            made.runs[-1]["parameters"] = parameters(width)
    return made.results()


def test_lines_are_means_with_t_bands_by_size(studied):
    test, train = size_charts(panels(studied)[0])
    assert (test.name, train.name) == ("sizes-digits-mlp-test_loss", "sizes-digits-mlp-train_loss")
    fixed, scaled = test.layers
    assert (fixed.label, scaled.label) == ("fixed", "scaled")
    for line, more in ((fixed, 0), (scaled, 0.1)):
        assert line.x == [parameters(width) for width in WIDTHS]
        for i, width in enumerate(WIDTHS):
            losses = 1 / width + more + 0.01 * np.arange(4)
            band = stats.t.interval(0.95, 3, losses.mean(), stats.sem(losses))
            assert line.y[i] == pytest.approx(losses.mean())
            assert (line.low[i], line.high[i]) == pytest.approx(band)
    assert test.x.log
    assert png(static_figure(test)).startswith(b"\x89PNG")


def test_table(studied):
    (table,) = size_tables(panels(studied))
    assert [row[2:5] for row in table.rows] == [
        (name, f"{parameters(width):,}", "4") for name in ("fixed", "scaled") for width in WIDTHS
    ]


def test_of_points_of_one_size_the_selected_stands(builder):
    made = builder(regression=True)
    for seed in range(2):
        for width in WIDTHS:
            for lr, quality in ((0.1, 0.5), (0.2, 0.9)):
                axes = {"model.widths": [width], "optimizer.lr": lr}
                made.run("grid", seed, axes, quality=quality)
                made.runs[-1]["parameters"] = parameters(width)
    (line,) = size_charts(panels(made.results())[0])[0].layers
    assert line.y == pytest.approx([0.1] * 3)


def test_networks_of_one_size_make_no_section(tickets, studied):
    title = "Size of the network"
    assert title in [section.title for section in sections(studied, panels(studied))]
    assert title not in [section.title for section in sections(tickets, panels(tickets))]


@pytest.mark.parametrize(
    ("losses", "noise", "end"),
    [
        ((0.5, 0.1, 0.2, 0.05), 0.002, "double descent."),
        ((0.5, 0.15, 0.2, 0.15), 0.03, "no rise that it falls from again is resolved."),
        ((0.5, 0.1, 0.2, 0.3), 0.002, "no rise that it falls from again is resolved."),
        ((0.5, 0.3, 0.2, 0.1), 0.002, "no rise that it falls from again is resolved."),
    ],
)
def test_double_descent_is_a_rise_and_a_fall_that_are_both_resolved(builder, losses, noise, end):
    made = builder(regression=True)
    random = np.random.default_rng(0)
    for seed in range(6):
        for width, loss in zip((1, 2, 4, 8), losses, strict=True):
            quality = 1 - loss + noise * random.standard_normal()
            made.run("arm", seed, {"model.widths": [width]}, quality=quality)
            made.runs[-1]["parameters"] = 10 * width
    (panel,) = panels(made.results())
    (told,) = size_verdicts(panel)
    assert told.endswith(end)
    if noise < 0.01:
        best = int(np.argmin(losses))
        assert told.startswith(f"arm: test loss is least with {(10, 20, 40, 80)[best]} parameters")
    if end == "double descent.":
        assert "from 20 on it rises to 0.2" in told and "with 40 and falls again" in told


def test_a_size_at_which_a_run_diverged_is_not_judged(studied):
    (panel,) = panels(studied)
    assert len([*size_verdicts(panel)]) == 2
    status = pl.when(pl.col("run") == studied.runs["run"][0]).then(pl.lit("diverged"))
    frame = studied.runs.with_columns(status.otherwise(pl.col("status")).alias("status"))
    (panel,) = panels(replace(studied, runs=frame))
    assert [text.split(":")[0] for text in size_verdicts(panel)] == ["scaled"]
