"""Ranges of a hyperparameter as text: ``1e-3..1:8`` is a grid, ``1e-4..1:log`` a distribution."""

import math
from dataclasses import dataclass

from thalweg.errors import InputError

MOST_POINTS = 1000

_WANTED = (
    "must be LOW..HIGH:POINTS with 0 < LOW < HIGH and 2 to 1000 points, as in 1e-3..1:8, "
    "or LOW..HIGH:log"
)


@dataclass(frozen=True)
class Range:
    """The interval from ``low`` to ``high``, both positive.

    Attributes:
        low: Lower end.
        high: Upper end.
        points: Points of a geometric grid; None for the log-uniform distribution.
    """

    low: float
    high: float
    points: int | None

    def grid(self) -> list[float]:
        """Return ``low · (high/low)^(i/(P-1))`` for i = 0 … P-1, to six significant digits."""
        points = self.points or 0
        ratio = (self.high / self.low) ** (1 / (points - 1))
        return [self.rounded(self.low * ratio**i) for i in range(points)]

    def quantile(self, share: float) -> float:
        """Return ``low · (high/low)^u``: log-uniform for u uniform in [0, 1)."""
        return self.rounded(self.low * (self.high / self.low) ** share)

    def rounded(self, value: float) -> float:
        """Return a value of the range to six significant digits."""
        return float(f"{value:.6g}")


def is_range(text: str) -> bool:
    """Whether a text has the form of a range, be its numbers right or wrong."""
    low, dots, rest = text.partition("..")
    return bool(dots and ":" in rest and _number(low) is not None)


def parse_range(text: str, key: str) -> Range:
    """Read ``LOW..HIGH:POINTS`` or ``LOW..HIGH:log``.

    Raises:
        InputError: The text is not of that form, or the bounds are not 0 < LOW < HIGH.
    """
    wrong = InputError(f"{key} {text!r}: {_WANTED}")
    low_text, _, rest = text.strip().partition("..")
    high_text, _, kind = rest.partition(":")
    low, high = _number(low_text), _number(high_text)
    if low is None or high is None or not 0 < low < high < math.inf:
        raise wrong
    if kind == "log":
        return Range(low, high, None)
    if not (kind.isdecimal() and 2 <= int(kind) <= MOST_POINTS):
        raise wrong
    return Range(low, high, int(kind))


def extended_range(values: list[float], low: int, high: int) -> Range | None:
    """Return the geometric grid that adds points below and above and keeps those there are.

    Its ends have as few digits as that allows, because a value that stays the same to its last
    digit is a run that need not be trained again.

    Args:
        values: A grid in rising order.
        low: Points to add below.
        high: Points to add above.

    Returns:
        None where the values are not a geometric grid.
    """
    if len(values) < 2 or values[0] <= 0:
        return None
    ratio = (values[-1] / values[0]) ** (1 / (len(values) - 1))
    bottom, top = values[0] / ratio**low, values[-1] * ratio**high
    for digits in range(1, 18):
        ends = float(f"{bottom:.{digits}g}"), float(f"{top:.{digits}g}")
        if not 0 < ends[0] < ends[1] < math.inf:
            continue
        found = Range(*ends, len(values) + low + high)
        if found.grid()[low : low + len(values)] == values:
            return found
    return None


def range_text(found: Range) -> str:
    """Return the range as `parse_range` reads it."""
    kind = "log" if found.points is None else found.points
    return f"{_shortest(found.low)}..{_shortest(found.high)}:{kind}"


def _shortest(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
