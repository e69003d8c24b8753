"""Arms of a study compared two by two, at their selected points."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from thalweg.errors import InputError
from thalweg.report.comparison_sentences import (
    difference_figure,
    difference_range,
    notes,
    p_text,
    sentence,
)
from thalweg.report.formats import is_accuracy, metric_name, metric_value, number
from thalweg.report.html_table import html_table
from thalweg.report.panels import Arm, Panel, Point, panels, seed_value
from thalweg.store.results import StudyResults
from thalweg.study.comparison import (
    Design,
    Estimate,
    PairComparison,
    PairedRuns,
    Profile,
    common_runs,
    compare_pairs,
    interquartile_mean,
    performance_profile,
)
from thalweg.study.statistics import median
from thalweg.validation import unknown


@dataclass(frozen=True)
class ArmFigures:
    """The runs of an arm's selected point.

    Attributes:
        panel: The task and model it stands for.
        arm: The arm.
        values: One a run that ended; ±inf for a diverged one.
    """

    panel: Panel
    arm: Arm
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def middle(self) -> Estimate:
        """The interquartile mean, with its interval."""
        return interquartile_mean([self.values])

    @property
    def diverged(self) -> int:
        return sum(map(math.isinf, self.values))

    @property
    def tuning(self) -> int:
        """Runs that the choice of the point has cost; none where there was no choice."""
        return sum(len(p.runs) for p in self.arm.points) if len(self.arm.points) > 1 else 0


@dataclass(frozen=True)
class Comparisons:
    """Arms compared two by two in one metric.

    Attributes:
        study: Name of the study.
        metric: A column of the ``runs`` frame.
        arms: In the order of the study.
        pairs: Every pair of them.
        notes: What a reader must know to trust them.
    """

    study: str
    metric: str
    arms: tuple[ArmFigures, ...]
    pairs: tuple[PairComparison, ...]
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """One sentence a pair, a line each."""
        return "\n".join(sentence(pair, self.metric) for pair in self.pairs)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Interval of the mean difference of the only pair; None where a run diverged.

        Raises:
            InputError: There are several pairs.
        """
        if len(self.pairs) != 1:
            raise InputError(f"interval: there are {len(self.pairs)} pairs; take that of one")
        return self.pairs[0].interval

    def profiles(self, thresholds: ArrayLike | None = None) -> dict[str, Profile]:
        """Return the performance profile of each arm.

        Args:
            thresholds: Figures of the metric; by default all that some run has.
        """
        if thresholds is None:
            every = [value for arm in self.arms for value in arm.values]
            thresholds = np.unique([value for value in every if math.isfinite(value)])
        higher = is_accuracy(self.metric)
        return {
            figures.arm.name: performance_profile(figures.values, thresholds, higher)
            for figures in self.arms
        }

    def frame(self) -> pl.DataFrame:
        """Return one row a pair, in the metric's own unit."""
        return pl.DataFrame([_record(pair) for pair in self.pairs], infer_schema_length=None)

    def records(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "study": self.study,
            "metric": self.metric,
            "arms": [
                {
                    "arm": figures.arm.name,
                    "point": figures.arm.selected.label if figures.arm.selected else None,
                    "runs": len(figures.values),
                    "diverged": figures.diverged,
                    "tuning": figures.tuning,
                    "median": figures.median,
                    "interquartile_mean": figures.middle.value,
                    "interquartile_low": figures.middle.low,
                    "interquartile_high": figures.middle.high,
                }
                for figures in self.arms
            ],
            "pairs": [
                {**_record(pair), "verdict": sentence(pair, self.metric)} for pair in self.pairs
            ],
            "notes": list(self.notes),
        }

    def rows(self) -> list[dict[str, str]]:
        """Return the pairs as texts, for a table."""
        return [
            {
                "pair": f"{pair.runs.first} − {pair.runs.second}",
                "seeds": str(len(pair.runs.seeds)),
                "difference": difference_figure(pair, self.metric),
                "95 % interval": difference_range(pair.interval, self.metric),
                "BCa": difference_range(pair.bca, self.metric),
                "P(better)": estimate_text(pair.improvement),
                "permutation p": p_text(pair.permutation_adjusted),
                "p": "—" if pair.p_adjusted is None else p_text(pair.p_adjusted),
                "verdict": "resolved" if pair.resolved else "not resolved",
            }
            for pair in self.pairs
        ]

    def arm_rows(self) -> list[dict[str, str]]:
        """Return the arms as texts, for a table."""
        return [
            {
                "arm": figures.arm.name,
                "point": (figures.arm.selected.label if figures.arm.selected else "") or "—",
                "runs": str(len(figures.values)),
                "diverged": str(figures.diverged),
                f"median {metric_name(self.metric)}": metric_value(self.metric, figures.median),
                "interquartile mean": self._range(figures.middle),
            }
            for figures in self.arms
        ]

    def _range(self, estimate: Estimate) -> str:
        parts = (estimate.value, estimate.low, estimate.high)
        middle, low, high = (metric_value(self.metric, part) for part in parts)
        return middle if estimate.low is None else f"{middle} [{low}, {high}]"

    def _repr_html_(self) -> str:
        sentences = [*self.verdict.splitlines(), *self.notes]
        lines = "".join(f"<li>{html.escape(text)}</li>" for text in sentences)
        return f"{_html_table(self.rows())}{_html_table(self.arm_rows())}<ul>{lines}</ul>"


def compare_arms(
    results: StudyResults, names: Sequence[str] = (), metric: str | None = None
) -> Comparisons:
    """Compare arms at the points that the study's results select.

    Every pair of arms is compared on each task and model that both have, or if there is none on
    each task. Differences are those of the arm named first from the other. In a sequential study
    all its pairs count as compared, whichever are asked for.

    Args:
        results: The study's results.
        names: Arms; all if none are named.
        metric: A loss or accuracy of the ``runs`` frame; test accuracy if there is one, or test
            loss.

    Raises:
        InputError: An arm or metric is unknown, or there is nothing to compare.
    """
    grouped = panels(results)
    metric = known_metric(results, grouped, metric)
    known = list(dict.fromkeys(arm.name for panel in grouped for arm in panel.arms))
    asked = _asked(names, known)
    design = study_design(results)
    others = [name for name in known if name not in asked] if design else []
    runs = [
        pair
        for first, second in combinations([*asked, *others], 2)
        for pair in _shared(grouped, first, second, metric, asked)
    ]
    if not any({pair.first, pair.second} <= set(asked) for pair in runs):
        raise InputError(
            f"compare: {' and '.join(asked)} share no task on which both have a "
            f"{metric_name(metric)}"
        )
    compared = [
        pair
        for pair in compare_pairs(runs, design=design)
        if {pair.runs.first, pair.runs.second} <= set(asked)
    ]
    arms = tuple(
        ArmFigures(panel, arm, values)
        for panel in grouped
        if metric in panel.metrics
        for arm in panel.arms
        if arm.name in asked and (values := tuple(_point(arm).values(metric)))
    )
    tuning = {figures.arm.name: figures.tuning for figures in arms}
    told = notes(results, metric, compared, tuning)
    return Comparisons(results.name, metric, arms, tuple(compared), told)


def compare_panel(results: StudyResults, panel: Panel, metric: str) -> list[PairComparison]:
    """Compare all arms of a panel that have the metric, at their selected points; the pairs that
    have no seed in common are left out.
    """
    runs = [
        pair
        for first, second in combinations(panel.arms, 2)
        if (pair := _common((panel, first), (panel, second), metric, False)) is not None
    ]
    return compare_pairs(runs, design=study_design(results)) if runs else []


def study_design(results: StudyResults) -> Design | None:
    """Return how the seeds of a study were added; None where all were there from the beginning."""
    sequential = results.provenance.get("sequential")
    if not sequential:
        return None
    return Design(tuple(sequential["looks"]), sequential["max_seeds"])


def estimate_text(estimate: Estimate) -> str:
    """Return ``0.81 [0.62, 0.95]``."""
    if estimate.low is None:
        return number(estimate.value, 2)
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def known_metric(results: StudyResults, grouped: Sequence[Panel], metric: str | None) -> str:
    """Return the metric asked for, or by default test accuracy if there is one, or test loss.

    Raises:
        InputError: No run has it, or none is complete.
    """
    known = {name: None for panel in grouped for name in sorted(panel.metrics)}
    if not known:
        raise InputError(f"study {results.name!r}: has no complete run yet, so run it first")
    if metric is None:
        return "test_accuracy" if "test_accuracy" in known else "test_loss"
    if metric not in known:
        raise InputError(f"--metric: {unknown('metric', metric, known)}")
    return metric


def _asked(names: Sequence[str], known: Sequence[str]) -> list[str]:
    for name in names:
        if name not in known:
            raise InputError(unknown("arm", name, known))
    asked = list(dict.fromkeys(names or known))
    if len(asked) < 2:
        raise InputError(
            f"compare: {asked[0]!r} is one arm, and it takes two (allowed: {', '.join(known)})"
        )
    return asked


def _point(arm: Arm) -> Point:
    """The selected point, or the first where every run of every point diverged."""
    return arm.selected or arm.points[0]


def _shared(
    grouped: Sequence[Panel], first: str, second: str, metric: str, asked: Sequence[str]
) -> list[PairedRuns]:
    """The runs of two arms at common seeds, on every task and model that both have, or else on
    every task.
    """
    found = [
        [
            (panel, arm)
            for panel in grouped
            if metric in panel.metrics
            for arm in panel.arms
            if arm.name == name
        ]
        for name in (first, second)
    ]
    both = list(product(*found))
    alike = [(a, b) for a, b in both if a[0] is b[0]]
    pairs = alike or [(a, b) for a, b in both if a[0].task == b[0].task]
    runs = (_common(a, b, metric, {first, second} <= set(asked)) for a, b in pairs)
    return [pair for pair in runs if pair is not None]


def _common(
    first: tuple[Panel, Arm], second: tuple[Panel, Arm], metric: str, asked: bool
) -> PairedRuns | None:
    """The runs at common seeds; None where one of the arms has none with this figure."""
    panel, names = first[0], (first[1].name, second[1].name)
    x, y = (
        {run["seed"]: seed_value(run, metric) for run in _point(arm).runs}
        for _, arm in (first, second)
    )
    found = common_runs(*names, x, y, is_accuracy(metric))
    known = [
        [seed for seed, value in figures.items() if not math.isnan(value)] for figures in (x, y)
    ]
    if found is None and all(known) and asked:
        raise InputError(
            f"compare: {names[0]!r} and {names[1]!r} have no seed in common on {panel.task} "
            f"(seeds {_seeds(known[0])} against {_seeds(known[1])})"
        )
    return found


def _seeds(seeds: Sequence[int]) -> str:
    shown = ", ".join(map(str, seeds[:5]))
    return f"{shown}, …" if len(seeds) > 5 else shown


def _record(pair: PairComparison) -> dict[str, Any]:
    return {
        "first": pair.runs.first,
        "second": pair.runs.second,
        "seeds": len(pair.runs.seeds),
        "first_diverged": pair.diverged[0],
        "second_diverged": pair.diverged[1],
        "mean": pair.mean,
        "low": pair.low,
        "high": pair.high,
        "sequential": pair.design is not None,
        "bca_low": pair.bca[0] if pair.bca else None,
        "bca_high": pair.bca[1] if pair.bca else None,
        "median": pair.median,
        "deviation": pair.deviation,
        "test": pair.test,
        "p": pair.p,
        "p_adjusted": pair.p_adjusted,
        "permutation_p": pair.permutation,
        "permutation_p_adjusted": pair.permutation_adjusted,
        "improvement": pair.improvement.value,
        "improvement_low": pair.improvement.low,
        "improvement_high": pair.improvement.high,
        "resolved": pair.resolved,
        "more_seeds": pair.more,
    }


def _html_table(rows: Sequence[dict[str, str]]) -> str:
    header = list(rows[0])
    return html_table(header, [list(row.values()) for row in rows], [False] * len(header))
