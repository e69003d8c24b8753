"""Two arms over the seeds they share, and all pairs of arms together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thalweg.study.comparison.bootstrap import Band, bca_interval
from thalweg.study.comparison.holm import holm
from thalweg.study.comparison.improvement import Estimate, probability_of_improvement
from thalweg.study.comparison.permutation import sign_flip_p
from thalweg.study.comparison.power import seeds_needed
from thalweg.study.comparison.sequential import nominal_levels, resolve_all
from thalweg.study.paired import paired_difference
from thalweg.study.statistics import mean_interval, median

Test = Literal["t", "signed ranks"]


@dataclass(frozen=True)
class PairedRuns:
    """The runs of two arms at the seeds at which both have a result.

    Attributes:
        first: Name of an arm.
        second: Name of another.
        seeds: In the order in which they were trained.
        x: Figures of the first arm, one a seed; ±inf for a diverged run.
        y: Figures of the second.
        higher_is_better: True for an accuracy, False for a loss.
    """

    first: str
    second: str
    seeds: tuple[int, ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    higher_is_better: bool

    @property
    def differences(self) -> NDArray[np.float64]:
        """``x − y``; 0 where both diverged, which is a tie."""
        both = np.isinf(self.x) & np.isinf(self.y)
        return np.where(both, 0.0, np.where(both, 0.0, self.x) - np.where(both, 0.0, self.y))

    def first_seeds(self, count: int) -> "PairedRuns":
        """The same over so many seeds, the first to be trained."""
        return replace(self, seeds=self.seeds[:count], x=self.x[:count], y=self.y[:count])


@dataclass(frozen=True)
class Design:
    """How the seeds of a study are added, look by look; see `thalweg.study.comparison.sequential`.

    Attributes:
        counts: Seeds at the looks so far.
        most: The most seeds an arm may get.
    """

    counts: tuple[int, ...]
    most: int

    def looks(self, seeds: int) -> tuple[int, ...]:
        """Return the looks at a pair of arms that has so many seeds; one seed is none."""
        return tuple(sorted({min(count, seeds) for count in self.counts if seeds > 1}))


@dataclass(frozen=True)
class PairComparison:
    """What the common seeds of two arms say.

    Attributes:
        runs: What it rests on.
        mean: Mean of ``first − second``; None where a run diverged.
        low: Lower end of its interval: Student's t, or of a sequential study the repeated one. None
            with the mean, and with fewer than two seeds.
        high: Upper end.
        bca: Bootstrap interval of the mean, beside it; too narrow with few seeds.
        median: Median of the differences, infinite where more than half of the seeds say so.
        deviation: Standard deviation of the differences; None with the interval.
        diverged: Diverged runs of the first and the second arm.
        test: What `p` is of: the paired t test, or where a run diverged that of signed ranks.
        p: Two-sided p value of this look alone.
        p_adjusted: Adjusted by Holm's method for all pairs; None in a sequential study, whose
            levels are adjusted instead.
        permutation: p value of the paired permutation test.
        permutation_adjusted: Adjusted by Holm's method.
        improvement: Probability that a run of the first arm is better than one of the second.
        pairs: Number of pairs compared together.
        level: Confidence level of the interval, and one less the error rate of all verdicts.
        resolved: Whether the arms differ, all pairs and looks counted.
        more: Seeds more that resolve a difference as large as the mean with probability 0.8; None
            where it is resolved, not known, or sequential.
        design: Of a sequential study.
    """

    runs: PairedRuns
    mean: float | None
    low: float | None
    high: float | None
    bca: Band | None
    median: float
    deviation: float | None
    diverged: tuple[int, int]
    test: Test
    p: float
    p_adjusted: float | None
    permutation: float
    permutation_adjusted: float
    improvement: Estimate
    pairs: int
    level: float
    resolved: bool
    more: int | None
    design: Design | None

    @property
    def interval(self) -> Band | None:
        """The interval of the mean difference; None where there is none."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def compare_pairs(
    pairs: Sequence[PairedRuns], level: float = 0.95, design: Design | None = None
) -> list[PairComparison]:
    """Compare pairs of arms, the probability that any equal two are resolved being 1 − level.

    The verdict rests on the paired t test, because with few seeds it keeps its error rate and the
    bootstrap does not (docs/statistics.md); where a run diverged there is no mean, and it rests on
    the permutation test of signed ranks. p values are adjusted by Holm's method. In a sequential
    study every look counts, see `resolve_all`; a pair is then told by the look that resolved it, or
    by the last.

    Args:
        pairs: At least one seed each.
        level: Confidence level in (0, 1).
        design: Of a sequential study.
    """
    size = 1 - level
    if design is None:
        resolved_by: list[int | None] = [None] * len(pairs)
        shown = list(pairs)
    else:
        looks = [design.looks(len(pair.seeds)) for pair in pairs]
        p = [
            [_test(pair.first_seeds(count))[1] for count in counts]
            for pair, counts in zip(pairs, looks, strict=True)
        ]
        resolved_by = resolve_all(p, looks, design.most, size)
        shown = [
            pair.first_seeds(counts[-1 if look is None else look] if counts else 1)
            for pair, counts, look in zip(pairs, looks, resolved_by, strict=True)
        ]
    tests = [_test(pair) for pair in shown]
    adjusted = holm([p for _, p in tests])
    permutations = [sign_flip_p(pair.differences) for pair in shown]
    permutations_adjusted = holm(permutations)
    open_ = sum(p > size for p in adjusted)
    found = []
    for k, pair in enumerate(shown):
        finite = tests[k][0] == "t"
        d = pair.differences
        interval = mean_interval(d, _nominal(design, len(d), level)) if finite else None
        resolved = adjusted[k] <= size if design is None else resolved_by[k] is not None
        deviation = float(d.std(ddof=1)) if finite and d.size > 1 else None
        more = None
        if not resolved and design is None and interval is not None and deviation:
            needed = seeds_needed(interval.mean, deviation, level=1 - size / open_)
            more = None if needed is None else max(needed - d.size, 1)
        found.append(
            PairComparison(
                runs=pair,
                mean=interval.mean if interval else None,
                low=interval.low if interval else None,
                high=interval.high if interval else None,
                bca=bca_interval(d, level) if finite else None,
                median=median(d),
                deviation=deviation,
                diverged=(int(np.isinf(pair.x).sum()), int(np.isinf(pair.y).sum())),
                test=tests[k][0],
                p=tests[k][1],
                p_adjusted=adjusted[k] if design is None else None,
                permutation=permutations[k],
                permutation_adjusted=permutations_adjusted[k],
                improvement=probability_of_improvement(
                    pair.x, pair.y, pair.higher_is_better, level
                ),
                pairs=len(pairs),
                level=level,
                resolved=resolved,
                more=more,
                design=design,
            )
        )
    return found


def _test(pair: PairedRuns) -> tuple[Test, float]:
    if not (np.isfinite(pair.x).all() and np.isfinite(pair.y).all()):
        return "signed ranks", sign_flip_p(pair.differences)
    found = paired_difference(pair.x, pair.y)
    assert found is not None  # every pair has a seed
    return "t", found.p


def _nominal(design: Design | None, seeds: int, level: float) -> float:
    """The level of a t interval that makes the interval after so many seeds a repeated one."""
    if design is None or seeds < 2:
        return level
    counts = design.looks(seeds)
    size = nominal_levels(counts, design.most, 1 - level)[counts.index(seeds)]
    return 1 - max(size, 1e-12)


def common_runs(
    first: str,
    second: str,
    x: Mapping[int, float],
    y: Mapping[int, float],
    higher_is_better: bool,
) -> PairedRuns | None:
    """Return the runs of two arms at common seeds; None where they share none.

    Args:
        first: Name of an arm.
        second: Name of another.
        x: Figures of the first by seed, in the order in which they were trained; NaN for none.
        y: Of the second.
        higher_is_better: True for an accuracy, False for a loss.
    """
    seeds = [s for s in x if s in y and not math.isnan(x[s]) and not math.isnan(y[s])]
    if not seeds:
        return None
    return PairedRuns(
        first,
        second,
        tuple(seeds),
        np.array([x[seed] for seed in seeds]),
        np.array([y[seed] for seed in seeds]),
        higher_is_better,
    )
