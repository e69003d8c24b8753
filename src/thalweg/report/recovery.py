"""What networks are worth against the fraction of their weights that is kept."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import (
    Axis,
    Chart,
    Layer,
    Line,
    Points,
    Style,
    finite,
    grid_ticks,
    padded,
)
from thalweg.report.formats import axis_title, clipped, metric_interval, metric_name
from thalweg.report.levels import levels
from thalweg.report.metric_axis import focused, ordinates
from thalweg.report.rounds import COMPARED, Pruning, kept_text
from thalweg.store.slug import slug
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Arm, Panel, Point
from thalweg.study.statistics import Interval, mean_interval

DENSE = Style(6, 1)
"""Look of the dense networks where they are no arm of the study."""

ASIDE = 0.015
"""Share of the axis by which marks at the same percentage are moved apart."""

KEPT = "Weights kept (%)"

RECOVERY = "imp_recovery"
"""What the names of the charts of rounds begin with, by the custom of published studies."""


def recovery_charts(panel: Panel, found: Sequence[Pruning], place: Sequence[str]) -> list[Chart]:
    """Return test loss and accuracy against the weights kept, if arms keep different fractions.

    Args:
        panel: The panel.
        found: Its arms that were pruned by rounds, a line each; other sparse arms are a mark each,
            and dense networks lie across.
        place: What follows the beginning of the files' names.
    """
    once = _pruned_once(panel, found)
    if not found and len({round(kept, 4) for _, kept in once}) < 2:
        return []
    charts = [
        _chart(panel, metric, found, once, place)
        for metric in reversed(COMPARED)
        if metric in panel.metrics
    ]
    return [chart for chart in charts if chart.layers]


def kept_axis(values: Sequence[float]) -> Axis:
    """Return the axis of percentages kept, which falls; logarithmic where they span decades."""
    log = min(values) > 0 and max(values) > 5 * min(values)
    low, high = padded(values, log)
    return Axis(KEPT, log, (high, low), grid_ticks(values, log))


def _chart(
    panel: Panel,
    metric: str,
    found: Sequence[Pruning],
    once: Sequence[tuple[Arm, float]],
    place: Sequence[str],
) -> Chart:
    percentages = [100 * kept for _, kept in once]
    percentages += [
        100 * each.kept for pruning in found for each in pruning.from_dense if each.kept is not None
    ]
    x = kept_axis([*percentages, 100.0])
    assert x.limits is not None
    layers: list[Layer] = [
        _across(name, style, interval, metric, x.limits)
        for name, style, interval in _dense(panel, found, metric)
    ]
    words = [f"{line.label} {line.y[0]:.4g}" for line in layers if isinstance(line, Line)]
    aside = _Aside(x)
    for pruned in levels(found):
        known = [
            (100 * each.kept, mean_interval(values))
            for each in pruned.points
            if each.kept is not None and (values := each.as_point().values(metric))
        ]
        layers += _pruned(pruned.name, pruned.style, metric, known, aside)
        words += _ends(pruned.name, metric, known)
    for arm, kept in once:
        values = arm.selected.values(metric) if arm.selected else []
        known = [(100 * kept, mean_interval(values))] if values else []
        layers += _pruned(arm.name, arm_style(arm), metric, known, aside)
        words += _ends(arm.name, metric, known)
    y, shown, beyond = focused(metric, layers)
    return Chart(
        name=slug(RECOVERY if found else "recovery", *place, *_suffix(metric)),
        title=f"{metric_name(metric).capitalize()} against weights kept: {panel.title}",
        description=f"{axis_title(metric)} against the percentage of weights kept on "
        f"{panel.title}. {'; '.join(words)}.",
        caption=beyond,
        x=x,
        y=y,
        layers=shown,
    )


def _suffix(metric: str) -> list[str]:
    return ["accuracy"] if is_accuracy(metric) else []


def _pruned_once(panel: Panel, found: Sequence[Pruning]) -> list[tuple[Arm, float]]:
    """Sparse arms whose networks are not among those pruned by rounds, and the fraction that each
    keeps at its selected point.
    """
    names = {pruning.arm.name for pruning in found}
    runs = {run for pruning in found for each in pruning.rounds for run in each.ids}
    return [
        (arm, kept)
        for arm in panel.arms
        if arm.selected and (kept := _kept(arm.selected)) is not None
        if arm.name not in names and not runs.issuperset(run["run"] for run in arm.selected.runs)
    ]


def _kept(point: Point | None) -> float | None:
    known = [run["kept"] for run in point.runs if run["kept"] is not None] if point else []
    return fmean(known) if known else None


def _dense(
    panel: Panel, found: Sequence[Pruning], metric: str
) -> list[tuple[str, Style, Interval]]:
    """Names, looks and figures of the dense networks: the arms without a sparsity, and those that
    were pruned, if they are all the same and not among them.
    """
    by_rounds = {pruning.arm.name for pruning in found}
    dense = [
        (arm.name, arm_style(arm), arm.selected)
        for arm in panel.arms
        if arm.selected and _kept(arm.selected) is None and arm.name not in by_rounds
    ]
    known = {frozenset(run["run"] for run in point.runs) for *_, point in dense}
    others = {each.dense.ids: each.dense for each in found if each.dense.ids not in known}
    # Of several, the lines of the rounds begin at each.
    if len(others) == 1 and all(name != "dense" for name, *_ in dense):
        dense += [("dense", DENSE, each.as_point()) for each in others.values()]
    return [
        (name, style, mean_interval(values))
        for name, style, point in dense
        if (values := point.values(metric)) and not mean_interval(values).diverged
    ]


def _across(
    name: str, style: Style, interval: Interval, metric: str, limits: tuple[float, float]
) -> Line:
    mean, low, high = ordinates(metric, interval)
    return Line(name, style, limits, [mean] * 2, [low] * 2, [high] * 2)


class _Aside:
    """Moves marks that would cover each other aside, a little each, to either side in turn.

    Args:
        axis: The horizontal axis.
    """

    def __init__(self, axis: Axis) -> None:
        assert axis.limits is not None
        self._log = axis.log
        self._high, self._low = axis.limits
        self._taken: Counter[str] = Counter()

    def take(self, kept: float) -> None:
        """Note that a line has a mark at a percentage; those of several lines are not moved."""
        self._taken[f"{kept:.2g}"] = 1

    def place(self, kept: float) -> float:
        """Return where a percentage is drawn: itself if nothing else is there."""
        key = f"{kept:.2g}"
        number = self._taken[key]
        self._taken[key] += 1
        shift = ASIDE * ((number + 1) // 2) * (1 if number % 2 else -1)
        if self._log:
            return float(kept * (self._high / self._low) ** shift)
        return kept + shift * (self._high - self._low)


def _pruned(
    name: str,
    style: Style,
    metric: str,
    known: Sequence[tuple[float, Interval]],
    aside: _Aside,
) -> list[Layer]:
    """A line with a band, or a single mark with its interval."""
    points = [(kept, ordinates(metric, interval)) for kept, interval in known]
    if not finite(mean for _, (mean, _, _) in points):
        return []
    if len(points) > 1:
        means, lows, highs = zip(*(figures for _, figures in points), strict=True)
        x = [kept for kept, _ in points]
        for kept in x:
            aside.take(kept)
        return [Line(name, style, x, means, lows, highs, True)]
    ((kept, interval),) = known
    mean, low, high = ordinates(metric, interval)
    assert mean is not None
    return [
        Points(
            name,
            style,
            [aside.place(kept)],
            [mean],
            "dot",
            [
                f"{clipped(name)}, {kept_text(kept / 100)} kept: "
                + metric_interval(metric, interval.mean, interval.half_width)
            ],
            y_interval=[None if low is None or high is None else (low, high)],
        )
    ]


def _ends(name: str, metric: str, known: Sequence[tuple[float, Interval]]) -> list[str]:
    if not known:
        return []
    kept, interval = known[-1]
    figure = metric_interval(metric, interval.mean, interval.half_width)
    return [f"{name} {figure} with {kept_text(kept / 100)} kept"]
