"""Rounds of pruning by arm, and how far each is from the dense network."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

import polars as pl

from thalweg.report.families import family
from thalweg.report.formats import metric_interval, metric_name, plural
from thalweg.store.results import StudyResults
from thalweg.study.comparison import holm
from thalweg.study.paired import PairedDifference, paired_difference
from thalweg.study.panels import Arm, Panel, Point, Run, matrix

COMPARED = ("test_accuracy", "test_loss")
"""Metrics in which pruned networks are compared with the dense one."""

LEVEL = 0.95


@dataclass(frozen=True)
class Round:
    """One round of an arm, 0 being the dense network: rows of the ``rounds`` frame, one a seed."""

    number: int
    runs: tuple[Run, ...]

    @property
    def kept(self) -> float | None:
        """Fraction of the weights kept, the mean over seeds."""
        return self.mean("kept")

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(run["run"] for run in self.runs)

    def mean(self, column: str) -> float | None:
        """Mean of a column over the seeds that have it."""
        known = [float(run[column]) for run in self.runs if run[column] is not None]
        return fmean(known) if known else None

    def as_point(self) -> Point:
        return Point("", {}, self.runs)


@dataclass(frozen=True)
class Pruning:
    """An arm that was pruned by rounds, at its selected point; at its first where all diverged.

    Attributes:
        panel: The panel.
        arm: The arm.
        dense: The networks before pruning.
        rounds: Those that no arm before it has: a control differs from the ticket in its last.
    """

    panel: Panel
    arm: Arm
    dense: Round
    rounds: tuple[Round, ...]

    @property
    def from_dense(self) -> tuple[Round, ...]:
        """The rounds from the dense network on; without it where the first are another arm's."""
        return (self.dense, *self.rounds) if self.rounds[0].number == 1 else self.rounds


@dataclass(frozen=True)
class RoundDifference:
    """A round's figures less those of the dense network, paired by seed.

    Attributes:
        pruning: The arm.
        round: The round.
        metric: One of `COMPARED`.
        paired: The difference.
        p_adjusted: Its p, adjusted for all rounds and arms of the panel compared in this metric.
    """

    pruning: Pruning
    round: Round
    metric: str
    paired: PairedDifference
    p_adjusted: float

    @property
    def resolved(self) -> bool:
        return self.p_adjusted <= 1 - LEVEL

    def verdict(self) -> str:
        """One sentence: how far the network is from the dense one, and whether that is resolved."""
        interval = self.paired.interval
        figure = difference_text(self.metric, interval.mean, interval.half_width)
        word = "resolved" if self.resolved else "not resolved"
        return (
            f"{self.pruning.arm.name} keeps {kept_text(self.round.kept)} of the weights: "
            f"{metric_name(self.metric)} {figure} against the dense network, {word} at "
            f"{plural(interval.count, 'seed')}."
        )


def prunings(results: StudyResults, grouped: Sequence[Panel]) -> list[Pruning]:
    """Return the arms that were pruned by rounds; an arm all of whose runs are another's is not
    repeated, unless it is one level of a list of them.
    """
    found = []
    for panel in grouped:
        taken: set[str] = set()
        for arm in panel.arms:
            point = arm.selected or arm.points[0]
            frame = results.rounds.filter(
                (pl.col("arm") == arm.name) & (pl.col("point") == point.label)
            )
            rows = frame.sort("round", "seed").to_dicts()
            rounds = [
                Round(number, tuple(runs))
                for number, runs in groupby(rows, key=lambda row: int(row["round"]))
            ]
            level = len(rounds) == 2 and family(arm.name) != arm.name
            own = tuple(each for each in rounds[1:] if level or not each.ids <= taken)
            taken.update(*(each.ids for each in own))
            if own:
                found.append(Pruning(panel, arm, rounds[0], own))
    return found


def round_differences(found: Sequence[Pruning]) -> list[RoundDifference]:
    """Compare every round with the dense network it began from, metric by metric.

    The p values of a panel's rounds in one metric are adjusted by Holm's method.
    """
    differences: list[RoundDifference] = []
    for _, members in groupby(found, key=lambda pruning: id(pruning.panel)):
        arms = list(members)
        for metric in COMPARED:
            tested = [
                (pruning, each, paired)
                for pruning in arms
                for each in pruning.rounds
                if metric in pruning.panel.metrics
                and (paired := _difference(each, pruning.dense, metric)) is not None
            ]
            adjusted = holm([paired.p for *_, paired in tested])
            differences += [
                RoundDifference(pruning, each, metric, paired, p)
                for (pruning, each, paired), p in zip(tested, adjusted, strict=True)
            ]
    return differences


def round_verdicts(found: Sequence[Pruning]) -> list[str]:
    """Return one sentence an arm on what its last round is worth."""
    sentences = []
    for difference in round_differences(found):
        panel = difference.pruning.panel
        main = COMPARED[0] if COMPARED[0] in panel.metrics else COMPARED[1]
        if difference.metric == main and difference.round is difference.pruning.rounds[-1]:
            sentences.append(f"{panel.title}: {difference.verdict()}")
    return sentences


def difference_text(metric: str, mean: float, half_width: float | None) -> str:
    """Return a difference with its sign and interval: ``−7.50 ± 3.10 %``."""
    text = metric_interval(metric, mean, half_width)
    return f"−{text[1:]}" if text[0] in "-−" else f"+{text}"


def kept_text(kept: float | None) -> str:
    """Return a fraction of weights kept as people write it: ``34.2 %``."""
    return "—" if kept is None else f"{100 * kept:.3g}\N{NO-BREAK SPACE}%"


def _difference(first: Round, second: Round, metric: str) -> PairedDifference | None:
    values = matrix([first.as_point(), second.as_point()], metric)
    return paired_difference(values[0], values[1], LEVEL)
