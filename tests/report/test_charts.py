import math

import pytest

from thalweg.report.charts import (
    Axis,
    Chart,
    Line,
    grid_ticks,
    log_ticks,
    name_ticks,
    padded,
    runs_of_finite,
)
from thalweg.report.formats import clipped, count, duration, metric_interval, metric_value
from thalweg.report.palette import COLOURS, Style, colour, dash, symbol
from thalweg.report.static import png, static_figure
from thalweg.store.slug import slug


def test_padded():
    assert padded([1, 3, None, math.inf]) == pytest.approx((0.88, 3.12))
    assert padded([1, 100, 0], log=True) == pytest.approx((10**-0.12, 10**2.12))
    low, high = padded([5.0])
    assert low < 5 < high
    assert padded([]) == (-0.06, 1.06)


def test_grid_ticks_leave_out_the_crowded():
    assert grid_ticks([0.1, 0.01], log=True) == ((0.01, "0.01"), (0.1, "0.1"))
    kept = grid_ticks([0.001 * 1.1**i for i in range(60)], log=True)
    assert 5 <= len(kept) <= 10


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ((0.09, 1.7), ["0.1", "0.2", "0.5", "1"]),
        ((0.9, 2e5), ["1", "10", "100", "1000", "10000", "100000"]),
        ((0.28, 0.52), ["0.3", "0.4", "0.5"]),
    ],
)
def test_log_ticks(limits, labels):
    assert [label for _, label in log_ticks(limits)] == labels


def test_log_ticks_stay_few():
    assert 3 <= len(log_ticks((1e-20, 1e20))) <= 9


def test_name_ticks():
    assert name_ticks(["a", "b"]) == ((0.0, "a"), (1.0, "b"))
    assert [place for place, _ in name_ticks([str(i) for i in range(100)])] == [*range(0, 100, 5)]


def test_runs_of_finite():
    assert runs_of_finite([1, 2, None, 4, math.nan], [1, 2, 3, 4, 5]) == [range(2), range(3, 4)]
    assert runs_of_finite([], []) == []


def test_styles_differ_without_colour_and_with():
    styles = [Style(i, i) for i in range(42)]
    assert len({(colour(s), dash(s)) for s in styles}) == 42
    assert len({(dash(s), symbol(s)) for s in styles[: len(COLOURS) - 1]}) == 6


@pytest.mark.parametrize(
    ("metric", "mean", "half", "text"),
    [
        ("test_accuracy", 0.97123, 0.0034, "97.12 ± 0.34 %"),
        ("test_accuracy", 0.97123, None, "97.12 %"),
        ("test_loss", 0.12345, 0.0021, "0.1235 ± 0.0021"),
        ("test_loss", 12.345, 1.7, "12.3 ± 1.7"),
        ("test_loss", 3.2e-7, 1.1e-8, "3.2e-07 ± 1.1e-08"),
        ("test_loss", 0.5, 0.0, "0.5 ± 0"),
        ("test_loss", math.inf, None, "∞"),
        ("test_loss", None, None, "—"),
    ],
)
def test_metric_interval(metric, mean, half, text):
    assert metric_interval(metric, mean, half).replace("\N{NO-BREAK SPACE}", " ") == text


def test_other_formats():
    assert [count(v) for v in (None, 42, 61706, 3.1e9)] == ["—", "42", "61.7 k", "3.1 G"]
    assert [duration(v) for v in (0.42, 42, 185, 7380)] == [
        "0.42 s",
        "42 s",
        "3 min 5 s",
        "2 h 3 min",
    ]
    assert metric_value("test_accuracy", -math.inf) == "−∞"
    assert clipped("a  b\nc") == "a b c" and len(clipped("x" * 100, 10)) == 10


def test_slug_is_a_plain_file_name():
    assert slug("../../etc", "a/b:C", "日本") == "etc-a-b-C"


@pytest.mark.parametrize("series", [2, 8, 60])
def test_a_legend_of_many_rows_leaves_the_axes_their_height(series):
    nothing = [None, None]
    lines = [
        Line(f"condition {i}", Style(i, i), [0, 1], [0, i], nothing, nothing) for i in range(series)
    ]
    chart = Chart("many", "", "", "", Axis("x"), Axis("y"), tuple(lines))
    figure = static_figure(chart)
    png(figure)  # lays the figure out
    (axes,) = figure.axes
    assert axes.get_window_extent().height / figure.dpi > 1.8  # inches
    assert (chart.full_height > chart.height) == (series == 60)
