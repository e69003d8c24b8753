"""How often the intervals of `thalweg.study.comparison` hold the truth, and its tests err.

``python -m benchmarks.coverage`` simulates studies in which two arms (or four) do equally well and
prints the tables of docs/statistics.md. A seed moves both arms alike, each run adds noise of its
own:

- normal: N(0, 1);
- skewed: exponential, of scale 1 in one arm and ½ in the other;
- heavy-tailed: Student's t with 3 degrees of freedom;
- tied: normal figures rounded to whole numbers, so that a third of the pairs are equal.

Where figures are costs of a target, a run costs the exponential of such a figure. For the band of a
Kaplan–Meier curve each run has a budget of its own, which a quarter of them would exceed; for the
median all have the one budget that four fifths keep to.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from thalweg.study.comparison import (
    bca_interval,
    deviation_interval,
    holm,
    interquartile_mean,
    kaplan_meier,
    looks,
    nominal_levels,
    performance_profile,
    probability_of_improvement,
    resolve_all,
    sign_flip_p,
)
from thalweg.study.targets import cost_to_reach

Figures = NDArray[np.float64]

SIZE = 0.05
RESAMPLES = 1000
"""Bootstrap resamples a study; the package takes five times as many."""

ARMS = 4

LONGER = 1.5
"""How far the figure of a run's budget lies above those of the costs, on average."""


def normal(stream: np.random.Generator, shape: tuple[int, ...]) -> Figures:
    return _shared(stream, shape) + stream.normal(size=shape)


def skewed(stream: np.random.Generator, shape: tuple[int, ...]) -> Figures:
    scale = np.where(np.arange(shape[1]) % 2, 0.5, 1.0)[None, :, None]
    return _shared(stream, shape) + scale * (stream.exponential(size=shape) - 1)


def heavy_tailed(stream: np.random.Generator, shape: tuple[int, ...]) -> Figures:
    return _shared(stream, shape) + stream.standard_t(3, size=shape)


def tied(stream: np.random.Generator, shape: tuple[int, ...]) -> Figures:
    return np.round(normal(stream, shape))


def _shared(stream: np.random.Generator, shape: tuple[int, ...]) -> Figures:
    """What a seed does to all arms."""
    return stream.normal(size=(shape[0], 1, shape[2]))


DATA: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Figures]] = {
    "normal": normal,
    "skewed": skewed,
    "heavy-tailed": heavy_tailed,
    "tied": tied,
}


@dataclass(frozen=True)
class Truth:
    """What the intervals of one arm, or of two, ought to hold."""

    median: float
    middle: float
    better: float
    share: float
    deviation: float
    quartile: float
    most: float


def truth(name: str) -> Truth:
    """Return the true figures of a kind of data, from a million runs."""
    x, y = DATA[name](np.random.default_rng(10**6), (1, 2, 10**6))[0]
    middle = float(np.median(x))
    ordered = np.sort(x)[x.size // 4 : x.size - x.size // 4]
    other = np.roll(y, 1)  # of another seed
    return Truth(
        middle,
        float(ordered.mean()),
        float(np.mean(x > other) + np.mean(x == other) / 2),
        float(np.mean(x > middle)),
        float((x - y).std()),
        float(np.quantile(x, 0.25)),
        float(np.mean(x > np.quantile(x, 0.25))),
    )


def p_values(differences: Figures, count: int) -> Figures:
    """Return the paired t test's p values after so many seeds, over the last axis."""
    d = differences[..., :count]
    error = d.std(axis=-1, ddof=1) / np.sqrt(count)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stdtr(count - 1, -np.abs(d.mean(axis=-1)) / error)
    return np.where(error > 0, p, 1.0)  # differences that are all equal test nothing


def fixed(name: str, n: int, studies: int, seed: int) -> dict[str, float]:
    """Return coverages of the intervals, and error rates of the tests, at n seeds."""
    true = truth(name)
    figures = DATA[name](np.random.default_rng(seed), (studies, 2, n))
    x, y = figures[:, 0], figures[:, 1]
    d = x - y
    half = stdtrit(n - 1, 1 - SIZE / 2) * d.std(axis=1, ddof=1) / np.sqrt(n)

    def covers(ends: tuple[float | None, float | None] | None, value: float) -> bool:
        return ends is not None and None not in ends and ends[0] <= value <= ends[1]

    def share(found: list[bool]) -> float:
        return float(np.mean(found))

    middles = [interquartile_mean([row], resamples=RESAMPLES) for row in x]
    chances = [
        probability_of_improvement(*pair, True, resamples=RESAMPLES)
        for pair in zip(x, y, strict=True)
    ]
    profiles = [performance_profile(row, [true.median], True) for row in x]
    deviations = [deviation_interval(s, n) for s in d.std(axis=1, ddof=1)]
    return {
        "t interval of the mean difference": float((np.abs(d.mean(axis=1)) <= half).mean()),
        "BCa interval of the mean difference": share(
            [covers(bca_interval(row, resamples=RESAMPLES), 0.0) for row in d]
        ),
        "interquartile mean": share([covers((m.low, m.high), true.middle) for m in middles]),
        "probability of improvement": share(
            [covers((c.low, c.high), true.better) for c in chances]
        ),
        "performance profile at the median": share(
            [covers((p.low[0], p.high[0]), true.share) for p in profiles]
        ),
        "deviation": share([covers(ends, true.deviation) for ends in deviations]),
        "error of the permutation test": share([sign_flip_p(row) <= SIZE for row in d]),
    }


def reaching(name: str, n: int, studies: int, seed: int) -> dict[str, float]:
    """Return coverages of what is told of costs to reach a target, at n seeds."""
    true = truth(name)
    figures = DATA[name](np.random.default_rng(seed), (studies, 2, n))
    x, other = figures[:, 0], np.roll(figures[:, 1], 1, axis=0)  # of another study's seeds
    budgets = other + LONGER
    places = {"median": (true.median, true.share), "lower quartile": (true.quartile, true.most)}
    held: dict[str, list[bool]] = {name: [] for name in places}
    for row, budget in zip(x, budgets, strict=True):
        curve = kaplan_meier(np.exp(np.minimum(row, budget)), row <= budget)
        low, high = curve.band()
        for place, (figure, share) in places.items():
            at = int(np.searchsorted(curve.costs, np.exp(figure), side="right"))
            held[place].append(bool(low[at] <= share <= high[at]))
    most = float(np.quantile(x, 0.8))
    medians = [
        cost_to_reach(np.exp(np.minimum(row, most)), row <= most, resamples=RESAMPLES) for row in x
    ]
    middle = np.exp(true.median)
    return {
        **{
            f"Kaplan–Meier band at the {place} of the costs": float(np.mean(found))
            for place, found in held.items()
        },
        "median cost, or what it exceeds": float(
            np.mean(
                [
                    m.at_least <= middle
                    if m.low is None or m.high is None
                    else m.low <= middle <= m.high
                    for m in medians
                ]
            )
        ),
    }


def sequential(name: str, most: int, studies: int, seed: int) -> dict[str, float]:
    """Return coverage and error of studies that add seeds until they are resolved."""
    counts = looks(0, most)
    figures = DATA[name](np.random.default_rng(seed), (studies, ARMS, most))
    pairs = [(a, b) for a in range(ARMS) for b in range(a)]
    d = np.stack([figures[:, a] - figures[:, b] for a, b in pairs], axis=1)
    p = np.stack([p_values(d, count) for count in counts], axis=-1)
    levels = nominal_levels(tuple(counts), most, SIZE)
    several = [
        resolve_all(rows.tolist(), [counts] * len(pairs), most, SIZE) != [None] * len(pairs)
        for rows in p
    ]
    last = [min(holm(rows.tolist())) <= SIZE for rows in p[..., -1]]
    every = [(rows <= SIZE).any() for rows in p[:, 0]]
    return {
        "sequential interval where the study stops": float((p[:, 0] > levels).all(axis=1).mean()),
        "error of a t test at every look": float(np.mean(every)),
        "error of Holm over 6 pairs": float(np.mean(last)),
        "error of the sequential rule over 6 pairs": float(np.mean(several)),
    }


def table(studies: int, sizes: tuple[int, ...] = (5, 10, 30)) -> Iterator[str]:
    """Yield the lines of all coverages and error rates in per cent, as Markdown."""
    yield "| data | figure | " + " | ".join(f"n = {n}" for n in sizes) + " |"
    yield "|---" * (2 + len(sizes)) + "|"
    for name in DATA:
        columns = [
            fixed(name, n, studies, seed=n)
            | reaching(name, n, studies, seed=n)
            | sequential(name, n, studies, seed=100 + n)
            for n in sizes
        ]
        for figure in columns[0]:
            cells = " | ".join(f"{100 * column[figure]:.1f}" for column in columns)
            yield f"| {name} | {figure} | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    for line in table(parser.parse_args().studies):
        print(line, flush=True)


if __name__ == "__main__":
    main()
