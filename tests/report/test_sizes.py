"""Figures against the number of parameters."""

import numpy as np
import pytest
from scipy import stats

from thalweg.report.figures import sections
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
