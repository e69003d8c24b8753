"""What figures against the number of parameters say: where they are best, and double descent."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from thalweg.report.formats import count, metric_interval, metric_name
from thalweg.report.sizes import Sizes, sizes
from thalweg.study.paired import paired_difference
from thalweg.study.panels import Panel, matrix
from thalweg.study.statistics import Interval, mean_interval

METRIC = "test_loss"
"""In which descents are looked for; an accuracy may rise while the loss does."""

LEVEL = 0.95


def size_verdicts(panel: Panel) -> Iterator[str]:
    """Yield a sentence for each arm with networks of several sizes: the size at which the test loss
    is least, what the largest network's is, and whether it falls, rises and falls again.

    A rise and the fall after it count if the paired t intervals of both leave out 0, Bonferroni's
    correction being over all pairs of sizes, since the sizes are chosen by their figures.
    """
    if METRIC in panel.metrics:
        for member in sizes(panel):
            yield from _verdict(member)


def _verdict(member: Sizes) -> Iterator[str]:
    names = [*member.points]
    figures = matrix(member.points.values(), METRIC)
    known = [mean_interval(row[~np.isnan(row)]) for row in figures if not np.isnan(row).all()]
    if len(known) < len(names) or any(mean.diverged for mean in known):
        return
    least = min(range(len(known)), key=lambda i: known[i].mean)
    text = (
        f"{member.name}: {metric_name(METRIC)} is least with {count(names[least])} parameters, "
        f"{_figure(known[least])}"
    )
    if least < len(known) - 1:
        text += f", and {_figure(known[-1])} with {count(names[-1])}"
    pairs = len(names) * (len(names) - 1) // 2

    def above(one: int, other: int) -> bool:
        """Return whether the loss with one size is resolved above that with another."""
        found = paired_difference(figures[one], figures[other], 1 - (1 - LEVEL) / pairs)
        return found is not None and found.interval.low is not None and found.interval.low > 0

    for first, last in combinations(range(len(names)), 2):
        between = range(first + 1, last)
        peak = max(between, key=lambda i: known[i].mean, default=None)
        if peak is not None and above(peak, first) and above(peak, last):
            yield (
                f"{text}; from {count(names[first])} on it rises to "
                f"{_figure(known[peak])} with {count(names[peak])} and falls again: "
                "double descent."
            )
            return
    yield f"{text}; no rise that it falls from again is resolved."


def _figure(interval: Interval) -> str:
    return metric_interval(METRIC, interval.mean, interval.half_width)
