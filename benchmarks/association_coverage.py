"""How often the interval of a mean rank correlation over arms holds the truth, and its tests err.

``python -m benchmarks.association_coverage`` simulates studies and prints the table of
docs/statistics.md. Each study has arms of its own: their two figures are normal, correlated by
``STRENGTHS``; a seed moves all arms alike and every run adds noise of its own, as in
`benchmarks.coverage`, as wide as the arms differ. The truth of a study's arms is their mean rank
correlation over many more seeds.
"""

import argparse
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from thalweg.study.association import rank_association

Figures = NDArray[np.float64]

STRENGTHS = (0.0, 0.5, 0.9)

ARMS = 7

TRUTH = 500
"""Seeds from which the truth is taken."""


def normal(stream: np.random.Generator, shape: tuple[int, ...]) -> Figures:
    return stream.normal(size=shape)


def skewed(stream: np.random.Generator, shape: tuple[int, ...]) -> Figures:
    return stream.exponential(size=shape) - 1


def heavy_tailed(stream: np.random.Generator, shape: tuple[int, ...]) -> Figures:
    drawn: Figures = stream.standard_t(3, size=shape) / math.sqrt(3)
    return drawn


NOISES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Figures]] = {
    "normal": normal,
    "skewed": skewed,
    "heavy-tailed": heavy_tailed,
    "tied": normal,  # and rounded to whole numbers
}


def study(stream: np.random.Generator, kind: str, strength: float, seeds: int) -> Figures:
    """Return the two figures of a study's arms, ``(2, ARMS, TRUTH + seeds)``."""
    first, other = stream.normal(size=(2, ARMS, 1))
    arms = np.stack([first, strength * first + np.sqrt(1 - strength**2) * other])
    shape = (2, ARMS, TRUTH + seeds)
    figures: Figures = arms + stream.normal(size=(2, 1, shape[2])) + NOISES[kind](stream, shape)
    return np.round(figures) if kind == "tied" else figures


def simulate(studies: int, kind: str, strength: float, seeds: int) -> tuple[float, float, float]:
    """Return the shares of studies whose interval holds the truth, whose mean the t test tells
    from 0, and that the permutations of the arms tell from chance.
    """
    stream = np.random.default_rng([seeds, int(10 * strength), *kind.encode()])
    held = resolved = beyond_chance = 0
    for _ in range(studies):
        figures = study(stream, kind, strength, seeds)
        truth = np.nanmean(rank_association(*figures[:, :, seeds:]).by_seed)
        found = rank_association(*figures[:, :, :seeds])
        assert found.interval is not None
        low, high = found.interval.low, found.interval.high
        held += bool(low is not None and high is not None and low <= truth <= high)
        resolved += bool(found.p <= 0.05)
        beyond_chance += bool(found.p_arms <= 0.05)
    return held / studies, resolved / studies, beyond_chance / studies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5, 10])
    options = parser.parse_args()
    heads = [f"n = {n}" for n in options.seeds]
    print(f"| data | correlation of the arms | figure | {' | '.join(heads)} |")
    print("|---" * (3 + len(heads)) + "|")
    names = ("t interval of the mean ρ", "resolved by the t test", "p over arms at most 5 %")
    for kind in NOISES:
        for strength in STRENGTHS:
            shares = [simulate(options.studies, kind, strength, n) for n in options.seeds]
            for name, row in zip(names, zip(*shares, strict=True), strict=True):
                texts = " | ".join(f"{100 * share:.1f}" for share in row)
                print(f"| {kind} | {strength:g} | {name} | {texts} |", flush=True)


if __name__ == "__main__":
    main()
