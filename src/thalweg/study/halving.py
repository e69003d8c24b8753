"""Successive halving: all points for a few epochs, the better ones for more.

Karnin, Koren and Somekh, "Almost optimal exploration in multi-armed bandits", ICML 2013; Jamieson
and Talwalkar, arXiv:1502.07943.
"""

from dataclasses import dataclass

from numpy.typing import ArrayLike

from thalweg.study.statistics import ranking


@dataclass(frozen=True)
class Rung:
    """One round: so many points, trained for so many epochs each."""

    points: int
    epochs: int


def rungs(points: int, epochs: int, factor: int) -> list[Rung]:
    """Return the rounds, the last with all the epochs.

    Round k of S trains ``⌊P/η^k⌋`` points for ``max(1, ⌊E/η^(S-1-k)⌋)`` epochs, with
    ``S = 1 + min(⌊log_η P⌋, ⌊log_η E⌋)``: no round without a point, none below one epoch.

    Args:
        points: Number of points P.
        epochs: Epochs E of the last round.
        factor: η: of so many points one goes on.
    """
    last = min(_floor_log(points, factor), _floor_log(epochs, factor))
    return [Rung(points // factor**k, epochs // factor ** (last - k)) for k in range(last + 1)]


def survivors(figures: ArrayLike, higher_is_better: bool, count: int) -> list[int]:
    """Return the positions of the best rows, in their order, by mean over seeds.

    Points with fewer diverged runs come first; see `thalweg.study.statistics.best_point`. There
    are fewer than asked for where the rest diverged in every run.

    Args:
        figures: Points × seeds; ±inf for a diverged run, NaN for one without result.
        higher_is_better: True for an accuracy, False for a loss.
        count: Points wanted.
    """
    return sorted(ranking(figures, higher_is_better)[:count])


def _floor_log(value: int, base: int) -> int:
    power = 0
    while base ** (power + 1) <= value:
        power += 1
    return power
