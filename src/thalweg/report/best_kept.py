"""Which fraction of the weights is best kept: over all seeds, and seed by seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from thalweg.report.formats import metric_name, plural
from thalweg.report.levels import Levels, levels
from thalweg.report.rounds import LEVEL, Pruning, Round, difference_text, kept_text
from thalweg.study.metrics import is_accuracy
from thalweg.study.paired import PairedDifference, paired_difference
from thalweg.study.panels import matrix
from thalweg.study.sensitivity import SensitivityCurve, sensitivity_curve
from thalweg.study.statistics import best_rows

METRICS = ("test_accuracy", "test_loss", "validation_accuracy", "validation_loss")

FEWEST = 3
"""Levels, the dense network among them, of which one can be called the best."""


@dataclass(frozen=True)
class BestKept:
    """The best of the fractions that a pruning keeps, by one metric.

    Attributes:
        levels: The pruning.
        metric: One of `METRICS`.
        rounds: In the order of ``shares``, most weights first: the dense network is the first.
        curve: Figures against the fraction kept, which rises; its interval holds the best one.
        shares: Of the seeds at which each round is the best.
        difference: Of the best round less the dense network, seed by seed; None where the dense
            network is the best.
    """

    levels: Levels
    metric: str
    rounds: tuple[Round, ...]
    curve: SensitivityCurve
    shares: tuple[float, ...]
    difference: PairedDifference | None

    @property
    def best(self) -> Round:
        """The round with the best mean."""
        assert self.curve.best is not None
        return self.rounds[-1 - self.curve.best]

    @property
    def share(self) -> float:
        """Of the seeds at which the best round is the best."""
        return self.shares[self.rounds.index(self.best)]

    @property
    def most_often(self) -> Round:
        """The round that is the best at the most seeds."""
        return self.rounds[self.shares.index(max(self.shares))]

    def verdict(self) -> str:
        """One sentence: the best fraction with its interval, and how far from dense it is."""
        found = (
            f"{self.levels.name} has its best mean {metric_name(self.metric)} with "
            f"{kept_text(self.best.kept)} of the weights kept"
        )
        if self.curve.interval is not None:
            found += f" (95 % interval {span_text(*self.curve.interval)})"
        if self.difference is not None:
            interval = self.difference.interval
            figure = difference_text(self.metric, interval.mean, interval.half_width)
            found += f", {figure} against the dense network"
        seeds = len(self.best.runs)
        return f"{found}; at {round(self.share * seeds)} of {plural(seeds, 'seed')} it is the best."


def best_kept(found: Sequence[Pruning]) -> list[BestKept]:
    """Return the best fraction kept of every pruning with enough levels, by every metric.

    All seeds at once: the fraction with the best mean, and its interval by a bootstrap over seeds,
    as of any hyperparameter (`thalweg.study.sensitivity`). Seed by seed: how often each fraction is
    the best of those of the same seed; the densest of equal ones.
    """
    return [best for pruned in levels(found) for best in _by_metric(pruned)]


def span_text(low: float, high: float) -> str:
    """Return the ends of an interval of the fraction kept: ``40 % to 60 %``."""
    return kept_text(low) if low == high else f"{kept_text(low)} to {kept_text(high)}"


def _by_metric(pruned: Levels) -> Iterator[BestKept]:
    by_kept = {each.kept: each for each in pruned.points if each.kept is not None}
    rounds = tuple(by_kept.values())
    if not pruned.from_dense or len(rounds) < FEWEST:
        return
    points = [each.as_point() for each in rounds]
    for metric in METRICS:
        figures = matrix(points, metric)
        better = is_accuracy(metric)
        curve = sensitivity_curve([*by_kept][::-1], figures[::-1], better, LEVEL)
        if curve.best is None:
            continue
        winners = best_rows(figures[:, None, :], better)
        counts = np.bincount(winners[winners >= 0], minlength=len(rounds))
        index = len(rounds) - 1 - curve.best
        difference = paired_difference(figures[index], figures[0], LEVEL) if index else None
        shares = tuple(map(float, counts / max(counts.sum(), 1)))
        yield BestKept(pruned, metric, rounds, curve, shares, difference)
