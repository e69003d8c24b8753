"""Comparisons of arms in words."""

import math
from collections.abc import Mapping, Sequence

from thalweg.report.formats import metric_name, number, plural
from thalweg.store.results import StudyResults
from thalweg.study.comparison import PairComparison
from thalweg.study.metrics import is_accuracy

FEW = 5
"""Seeds below which a comparison is said to rest on few."""

MANY = 1000
"""More seeds than that nobody trains."""


def sentence(pair: PairComparison, metric: str) -> str:
    """Return the verdict on a pair: how far the arms are apart, and whether that is resolved."""
    if pair.mean is None:
        return _diverged(pair)
    first, second, n = pair.runs.first, pair.runs.second, len(pair.runs.seeds)
    sign = -1 if pair.mean < 0 else 1
    ends = (pair.mean, pair.low, pair.high)
    half = None if pair.interval is None else (pair.interval[1] - pair.interval[0]) / 2
    size, low, high = (_figure(end, half, metric, sign) for end in ends)
    way = "below" if sign < 0 else "above"
    if is_accuracy(metric):
        found = f"{first} is {size} points {way} {second}"
        if pair.mean == 0:
            found = f"{first} is level with {second}"
    else:
        found = f"the {metric_name(metric)} of {first} is {size} {way} that of {second}"
        if pair.mean == 0:
            found = f"the {metric_name(metric)} of {first} equals that of {second}"
    if pair.interval is None:
        return f"{found} (1 seed, no interval): not resolved"
    kind = "sequential interval" if pair.design else "interval"
    low, high = (low, high) if sign > 0 else (high, low)
    basis = f"paired, {n} seeds, {100 * pair.level:g} % {kind} {low} to {high}"
    if pair.pairs > 1:
        basis += f", {_family(pair)}"
    return f"{found} ({basis}): {_conclusion(pair)}"


def notes(
    results: StudyResults,
    metric: str,
    pairs: Sequence[PairComparison],
    tuning: Mapping[str, int],
) -> tuple[str, ...]:
    """Return what a reader must know to trust the comparisons.

    Args:
        results: The study's results.
        metric: The metric compared.
        pairs: The comparisons.
        tuning: Runs that the choice of each arm's point has cost.
    """
    found = []
    sequential = results.provenance.get("sequential")
    if sequential:
        found.append(
            "Seeds were added until the comparisons were resolved "
            f"({', '.join(map(str, sequential['looks']))} of at most {sequential['max_seeds']}): "
            "intervals and verdicts allow for every look."
        )
    few = min(len(pair.runs.seeds) for pair in pairs)
    if few < FEW:
        found.append(
            f"Intervals over {plural(few, 'seed')} rest on the normal distribution alone: "
            "no permutation test of so few can resolve a difference."
        )
    if len(set(tuning.values())) > 1:
        spent = ", ".join(f"{arm} {plural(count, 'run')}" for arm, count in tuning.items())
        found.append(f"The arms' points were chosen at different expense: {spent}.")
    chosen = results.selection
    if any(tuning.values()) and (metric == chosen or chosen.startswith("test_")):
        found.append(
            f"The arms' points were chosen by {metric_name(chosen)} on the same seeds, which makes "
            "their figures too good; protocol.final_seeds trains them on fresh ones."
        )
    return tuple(found)


def difference_figure(pair: PairComparison, metric: str) -> str:
    """Return the mean difference with its sign, in points for an accuracy; "undefined" where a run
    diverged.
    """
    if pair.mean is None:
        return "undefined"
    half = None if pair.interval is None else (pair.interval[1] - pair.interval[0]) / 2
    text = _figure(pair.mean, half, metric, 1)
    return f"+{text}" if pair.mean > 0 else text


def difference_range(interval: tuple[float, float] | None, metric: str) -> str:
    """Return an interval of differences, in points for an accuracy."""
    if interval is None:
        return "—"
    half = (interval[1] - interval[0]) / 2
    low, high = (_figure(end, half, metric, 1) for end in interval)
    return f"{low} to {high}"


def p_text(p: float) -> str:
    """Return a p value as people write it."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def _diverged(pair: PairComparison) -> str:
    first, second, n = pair.runs.first, pair.runs.second, len(pair.runs.seeds)
    lost = (
        f"{pair.diverged[0]} of {plural(n, 'run')} of {first} and {pair.diverged[1]} of {n} of "
        f"{second} diverged"
    )
    better = pair.improvement
    found = f"the mean difference of {first} and {second} is undefined, as {lost}"
    chance = f"{first} is better in {100 * better.value:.0f} % of all pairs of runs"
    test = f"signed ranks, {_family(pair)}"
    conclusion = _conclusion(pair)
    if pair.resolved:
        conclusion += f", {first if better.value > 0.5 else second} is better"
    return f"{found}; {chance} ({test}): {conclusion}"


def _family(pair: PairComparison) -> str:
    among = f" over {pair.pairs} pairs" if pair.pairs > 1 else ""
    if pair.p_adjusted is None:
        return f"all looks{among} counted"
    bound = p_text(pair.p_adjusted)
    return f"p {bound}{among}" if bound.startswith("<") else f"p = {bound}{among}"


def _conclusion(pair: PairComparison) -> str:
    if pair.resolved:
        return "resolved"
    if pair.design is not None:
        n, most = len(pair.runs.seeds), pair.design.most
        return f"not resolved: {n} of at most {most} seeds looked at"
    if pair.deviation == 0:
        return "not resolved: the seeds do not differ, which leaves nothing to test by"
    if pair.mean == 0:
        return "not resolved: no difference to resolve"
    if pair.mean is None:
        return "not resolved"
    if pair.more is None or pair.more > MANY:
        return f"not resolved: more than {MANY:,} more seeds"
    return f"not resolved: about {plural(pair.more, 'more seed')}"


def _figure(value: float | None, half: float | None, metric: str, sign: int) -> str:
    """A difference: hundredths of points, or a loss to the place of the second digit of half its
    interval; more places where that is nothing.
    """
    if value is None:
        return "—"
    points = is_accuracy(metric)
    scale = 100 if points else 1
    shown, width = sign * scale * value, scale * (half or abs(value))
    if not math.isfinite(width) or not math.isfinite(shown):
        return number(shown)
    first = 0 if width == 0 else -math.floor(math.log10(width))  # the place of its first digit
    places = min(max(2, first) if points else max(0, first + 1), 8)
    text = f"{shown:.{places}f}"
    return text.replace("-", "−") if float(text) else text.replace("-", "")
