"""Distributions fitted to the sizes of weights, and the exponent of their tail."""

import math
from typing import cast

from torch import Tensor

NAN = float("nan")


def fits(sizes: Tensor) -> dict[str, float | str | None]:
    """Return how well three distributions of |w| fit: the mean log-likelihood of a weight, in nats,
    at the parameters that make it largest.

    - ``lognormal``: ln|w| normal of mean ``log_mean`` and deviation ``log_deviation``, as weights
      that were multiplied by many factors have it;
    - ``half_normal``: w normal around 0;
    - ``exponential``: w Laplace around 0.

    ``best`` names the one of the highest. The first has two parameters and the others one, which
    the usual penalty (AIC) would charge 1/n a weight. Undefined (NaN, None) where all are equal.

    Args:
        sizes: |w| > 0, ``(n,)``.
    """
    if len(sizes) == 0 or sizes.min() == sizes.max():
        names = ("log_mean", "log_deviation", "lognormal", "half_normal", "exponential")
        return {**dict.fromkeys(names, NAN), "best": None}
    logs = sizes.log()
    mean, deviation = float(logs.mean()), float(logs.std(correction=0))
    found = {
        "lognormal": -mean - math.log(deviation) - 0.5 * math.log(2 * math.pi) - 0.5,
        "half_normal": 0.5 * math.log(2 / math.pi / float(sizes.square().mean())) - 0.5,
        "exponential": -math.log(float(sizes.mean())) - 1,
    }
    best = max(found, key=found.__getitem__)
    return {"log_mean": mean, "log_deviation": deviation, **found, "best": best}


def lognormal_gain(sizes: Tensor) -> float:
    """Return by how much the mean log-likelihood of a weight is higher under the log-normal than
    under the better of the two others, in nats; NaN where `fits` finds none.

    Args:
        sizes: |w| > 0, ``(n,)``.
    """
    found = fits(sizes)
    names = ("lognormal", "half_normal", "exponential")
    first, *others = (cast(float, found[name]) for name in names)
    return first - max(others)


def hill(ascending: Tensor, share: float) -> tuple[float, float]:
    """Return the exponent α of the tail P(|w| > x) ∝ x^−α and its standard error α/√k, by the Hill
    estimator 1/α = mean of ln(x_i/x_(k+1)) over the k largest (Hill, Annals of Statistics 3, 1975).

    Args:
        ascending: |w| > 0, sorted ``(n,)``.
        share: k is this share of them, rounded down; NaN where that is less than two.
    """
    count = int(share * len(ascending))
    if count < 2:
        return NAN, NAN
    logs = ascending[-count - 1 :].log()
    exponent = float(1 / (logs[1:] - logs[0]).mean())
    return exponent, exponent / math.sqrt(count)
