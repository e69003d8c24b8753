"""Arms so far from the others that an axis with room for all would show nothing of those."""

from collections.abc import Mapping, Sequence

from thalweg.report.formats import clipped

SQUEEZED = 6.0
"""So many times longer an axis must be with a few arms than without, that it is drawn without."""


def outlying(ranges: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the names of the fewest arms, a third of them at most, without which all others lie
    within a sixth of the axis; none where that takes more.

    Args:
        ranges: Least and greatest figure of each arm.
    """
    left = dict(ranges)
    found: list[str] = []
    while len(found) < len(ranges) // 3:
        least = min(left, key=lambda name: _length({n: r for n, r in left.items() if n != name}))
        del left[least]
        found.append(least)
        if SQUEEZED * _length(left) < _length(ranges):
            return found
    return []


def beyond_text(names: Sequence[str]) -> str:
    """Return the sentence of a caption about arms that are not on the chart."""
    if not names:
        return ""
    verb = "lies" if len(names) == 1 else "lie"
    return f"{', '.join(map(clipped, names))} {verb} beyond the axis."


def _length(ranges: Mapping[str, tuple[float, float]]) -> float:
    return max(high for _, high in ranges.values()) - min(low for low, _ in ranges.values())
