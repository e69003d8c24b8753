"""What a study answers beside which arm is best: its grids, its prunings, its measurements."""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

import polars as pl

from thalweg.report.against_axis import against_axes
from thalweg.report.associations import association_verdicts
from thalweg.report.best_kept import best_kept
from thalweg.report.charts import Line
from thalweg.report.dense_and_tickets import dense_and_tickets
from thalweg.report.equal_sparsity import at_equal_sparsity
from thalweg.report.formats import listed, metric_interval, metric_name, number
from thalweg.report.landscapes import landscape_labels
from thalweg.report.measurements import shown_figures
from thalweg.report.rounds import COMPARED, RoundDifference, prunings, round_differences
from thalweg.report.sensitivity import Sensitivity, axis_name, sensitivities
from thalweg.report.size_verdicts import size_verdicts
from thalweg.store.results import StudyResults
from thalweg.study.comparison import common_runs, compare_pairs
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Arm, Panel, Point
from thalweg.study.statistics import mean_interval

LONG_GRID = 5
"""Points from which on a grid maps a range, and does not only tune."""

FLATNESS = ("eigenvalue 1", "trace", "asam", "fisher_rao")
"""Measured figures whose lowest is told."""


def further_answers(results: StudyResults, grouped: Sequence[Panel]) -> tuple[str, ...]:
    """Return sentences, panel by panel: optimum and stable range of a long grid, and how what was
    measured goes along it; the best size of a network, and double descent; the best fraction of the
    weights kept, which prunings cost, and which arm is best at equal sparsity; which arms end where
    the loss is flattest; and whether flat networks have good tickets.
    """
    pruned = prunings(results, grouped)
    best = best_kept(pruned)
    differences = round_differences(pruned)
    found = []
    for panel in grouped:
        metric = next((metric for metric in COMPARED if metric in panel.metrics), None)
        own = [*_grids(panel), *_along_grids(results, panel), *size_verdicts(panel)]
        own += [b.verdict() for b in best if b.levels.panel is panel and b.metric == metric]
        own += _against_dense(
            [d for d in differences if d.pruning.panel is panel and d.metric == metric]
        )
        own += [*at_equal_sparsity(results, panel), *_flattest(results, panel)]
        found += [f"{panel.title}: {text}" for text in own]
    return (*found, *association_verdicts(dense_and_tickets(results, grouped)))


def _grids(panel: Panel) -> Iterator[str]:
    for curves in sensitivities(panel).values():
        for member in curves:
            if len(member.curve.points) >= LONG_GRID:
                yield member.verdict(panel.metric)


def _along_grids(results: StudyResults, panel: Panel) -> Iterator[str]:
    for found in against_axes(results, panel):
        for member, line in found.lines:
            course = _course(member, line)
            if len(member.curve.points) >= LONG_GRID and course:
                measured = f"{found.probe} {found.name}"
                yield f"{member.label}: {measured} by {axis_name(found.axis)} {course}."


def _course(member: Sensitivity, line: Line) -> str:
    """Return the way a line goes and the figures at its ends, as far as no run diverged; "" where
    it stays where it is.
    """
    safe = {point.value for point in member.curve.points if not point.diverged}
    known = [(i, y) for i, y in enumerate(line.y) if line.x[i] in safe and y is not None]
    steps = [later - earlier for (_, earlier), (_, later) in pairwise(known)]
    if not any(steps):
        return ""
    way = "rises" if min(steps) > 0 else "falls" if max(steps) < 0 else "rises and falls,"
    (first, _), (last, _) = known[0], known[-1]
    ends = (f"{_end(line, i)} at {number(line.x[i])}" for i in (first, last))
    return f"{way} from {' to '.join(ends)}"


def _end(line: Line, index: int) -> str:
    low, high = line.low[index], line.high[index]
    half = None if low is None or high is None else (high - low) / 2
    return metric_interval("", line.y[index], half)


def _against_dense(found: Sequence[RoundDifference]) -> Iterator[str]:
    """Yield one sentence on all arms that were pruned: which of their last rounds are worse than
    the dense network, better, or not resolved.
    """
    last = [each for each in found if each.round is each.pruning.rounds[-1]]
    if not last:
        return
    metric = last[0].metric
    sign = 1 if is_accuracy(metric) else -1
    groups: dict[str, list[str]] = {"worse": [], "better": [], "not resolved": []}
    for each in last:
        better = sign * each.paired.interval.mean > 0
        way = ("better" if better else "worse") if each.resolved else "not resolved"
        groups[way].append(each.pruning.arm.name)
    told = "; ".join(f"{way} {listed(names)}" for way, names in groups.items() if names)
    yield f"pruned to the end and against the dense network in {metric_name(metric)}: {told}."


def _flattest(results: StudyResults, panel: Panel) -> Iterator[str]:
    """Yield which arm has the lowest of each figure of flatness, and from which it is not told."""
    found = shown_figures(results).filter(
        pl.col("name").is_in(FLATNESS), ~pl.col("probe").is_in(landscape_labels(results))
    )
    for probe, name in found.select("probe", "name").unique(maintain_order=True).rows():
        own = found.filter(probe=probe, name=name)
        values = {
            arm.name: dict(zip(rows["seed"], rows["value"], strict=True))
            for arm in panel.arms
            if arm.selected and len(rows := own.filter(_of(arm, arm.selected)))
        }
        if len(values) < 2:
            continue
        means = {arm: mean_interval(list(own.values())) for arm, own in values.items()}
        least = min(means, key=lambda arm: means[arm].mean)
        runs = [
            pair
            for first, second in combinations(values, 2)
            if (pair := common_runs(first, second, values[first], values[second], False))
        ]
        compared = compare_pairs(runs) if runs else []
        open_ = [
            pair.runs.second if pair.runs.first == least else pair.runs.first
            for pair in compared
            if least in (pair.runs.first, pair.runs.second) and not pair.resolved
        ]
        figure = metric_interval("", means[least].mean, means[least].half_width)
        told = f"not told from {listed(open_)}" if open_ else "resolved against every other"
        yield (
            f"{probe} {name.replace('_', ' ')} is lowest with {least}, {figure}; {told} "
            f"(paired, all {len(compared)} pairs counted)."
        )


def _of(arm: Arm, point: Point) -> pl.Expr:
    runs = [run["run"] for run in point.runs]
    return pl.col("run").is_in(runs) & (pl.col("arm") == arm.name)
