"""How many seeds the arms of a study take to resolve a given difference."""

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from thalweg.errors import InputError
from thalweg.report.comparisons import compare_arms
from thalweg.report.formats import metric_name, number
from thalweg.store.results import StudyResults
from thalweg.study.comparison import deviation_interval, seeds_needed
from thalweg.study.metrics import is_accuracy


@dataclass(frozen=True)
class PairPower:
    """The seeds that one pair of arms takes.

    Attributes:
        first: Name of an arm.
        second: Name of another.
        pairs: Common seeds that its deviation rests on.
        deviation: Standard deviation of the paired differences, in the metric's unit; None where a
            run diverged.
        low: Lower end of its 95 % interval.
        high: Upper end.
        seeds: Seeds that resolve the difference with the power asked for; None where no number
            does.
        fewest: The same by the lower end of the deviation.
        most: By its upper end.
    """

    first: str
    second: str
    pairs: int
    deviation: float | None
    low: float | None
    high: float | None
    seeds: int | None
    fewest: int | None
    most: int | None


@dataclass(frozen=True)
class Power:
    """The seeds that a difference takes, for every pair of arms.

    Attributes:
        metric: A column of the ``runs`` frame.
        effect: The difference, in the metric's own unit.
        power: Probability with which it is to be resolved.
        pairs: One a pair.
    """

    metric: str
    effect: float
    power: float
    pairs: tuple[PairPower, ...]

    @property
    def verdict(self) -> str:
        """One sentence a pair, a line each."""
        return "\n".join(self._sentence(pair) for pair in self.pairs)

    def frame(self) -> pl.DataFrame:
        """Return one row a pair, in the metric's own unit."""
        return pl.DataFrame([asdict(pair) for pair in self.pairs], infer_schema_length=None)

    def records(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {**asdict(self), "verdict": self.verdict.splitlines()}

    def _sentence(self, pair: PairPower) -> str:
        names = f"{pair.first} and {pair.second}"
        if pair.deviation is None:
            return f"{names}: the differences have no deviation, as a run diverged"
        of = f"deviation {self._text(pair.deviation)} over {pair.pairs} seeds"
        if pair.seeds is None or pair.fewest is None:
            return f"{names}: more than 100,000 seeds resolve {self._text(self.effect)} ({of})"
        top = "more than 100,000" if pair.most is None else f"{pair.most:,}"
        several = len(self.pairs) > 1
        family = f", 5 % over {len(self.pairs)} pairs" if several else ", two-sided 5 %"
        return (
            f"{names}: {pair.seeds:,} seeds resolve {self._text(self.effect)} with probability "
            f"{self.power:g}, from {pair.fewest:,} to {top} by the interval of the deviation "
            f"({of}{family})"
        )

    def _text(self, value: float) -> str:
        if is_accuracy(self.metric):
            return f"{number(100 * value, 3)} points"
        return f"a {metric_name(self.metric)} of {number(value, 3)}"

    def _repr_html_(self) -> str:
        lines = (f"<li>{html.escape(line)}</li>" for line in self.verdict.splitlines())
        return f"<ul>{''.join(lines)}</ul>"


def power_of(
    results: StudyResults,
    effect: float,
    names: Sequence[str] = (),
    metric: str | None = None,
    power: float = 0.8,
) -> Power:
    """Return how many seeds resolve a difference, by the paired deviations in a study's results.

    Of m pairs each is tested at 5 %/m, as Holm's method does until the first is resolved.

    Args:
        results: The study's results.
        effect: The difference: in percentage points for an accuracy, else in the metric's unit.
        names: Arms; all if none are named.
        metric: As for `compare_arms`.
        power: Probability in (0, 1).

    Raises:
        InputError: An option is wrong, or there is nothing to compare or but one common seed.
    """
    if not 0 < effect < float("inf"):
        raise InputError(f"--effect {effect:g}: must be a number above 0")
    if not 0 < power < 1:
        raise InputError(f"--power {power:g}: must be above 0 and below 1")
    found = compare_arms(results, names, metric)
    size = effect / 100 if is_accuracy(found.metric) else effect
    level = 1 - 0.05 / len(found.pairs)
    pairs = []
    for pair in found.pairs:
        n, s = len(pair.runs.seeds), pair.deviation
        if n < 2:
            raise InputError(
                f"power: {pair.runs.first!r} and {pair.runs.second!r} have one common seed, and "
                "their deviation takes at least 2"
            )
        ends = (None, None) if s is None else deviation_interval(s, n)
        needed = [
            None if end is None else seeds_needed(size, end, power, level) if end else 2
            for end in (s, *ends)
        ]
        pairs.append(PairPower(pair.runs.first, pair.runs.second, n, s, *ends, *needed))
    return Power(found.metric, size, power, tuple(pairs))
