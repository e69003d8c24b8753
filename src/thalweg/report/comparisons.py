"""Arms of a study compared two by two, at their selected points."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
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
from thalweg.report.formats import metric_name, metric_value, number
from thalweg.report.html_table import html_table
from thalweg.report.measured_metric import is_measured, left_out, with_measured
from thalweg.store.results import StudyResults
from thalweg.study.comparison import (
    Estimate,
    PairComparison,
    Profile,
    interquartile_mean,
    performance_profile,
)
from thalweg.study.comparison.arms import (
    compare_named,
    compared_point,
    known_arms,
    known_metric,
)
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Arm, Panel, panels
from thalweg.study.statistics import median


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
                ("P(lower)" if is_measured(self.metric) else "P(better)"): estimate_text(
                    pair.improvement
                ),
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
        metric: A loss or accuracy of the ``runs`` frame, or a measured figure (see
            `with_measured`); test accuracy if there is one, or test loss.

    Raises:
        InputError: An arm or metric is unknown, or there is nothing to compare.
    """
    before = panels(results)
    grouped = with_measured(results, before, metric)
    metric = known_metric(results, grouped, metric)
    asked = known_arms(grouped, names)
    compared = compare_named(results, grouped, asked, metric)
    arms = tuple(
        ArmFigures(panel, arm, values)
        for panel in grouped
        if metric in panel.metrics
        for arm in panel.arms
        if arm.name in asked and (values := tuple(compared_point(arm).values(metric)))
    )
    tuning = {figures.arm.name: figures.tuning for figures in arms}
    told = (*notes(results, metric, compared, tuning), *left_out(before, grouped, asked))
    return Comparisons(results.name, metric, arms, tuple(compared), told)


def estimate_text(estimate: Estimate) -> str:
    """Return ``0.81 [0.62, 0.95]``."""
    if estimate.low is None:
        return number(estimate.value, 2)
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


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
