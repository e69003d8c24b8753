"""Numbers for people."""

import math
from collections.abc import Sequence

from thalweg.study.metrics import is_accuracy

Number = float | None


def number(value: Number, digits: int = 4) -> str:
    """Four significant digits; an em dash for nothing, a sign for what is infinite."""
    if value is None or math.isnan(value):
        return "—"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}"


def percent(value: Number) -> str:
    """A share in [0, 1] as a percentage with two decimals, without its sign."""
    return f"{100 * value:.2f}" if value is not None and math.isfinite(value) else number(value)


def metric_value(metric: str, value: Number) -> str:
    """A value of a metric: "97.12 %" for an accuracy, four digits for a loss."""
    if not is_accuracy(metric) or value is None or not math.isfinite(value):
        return number(value)
    return f"{percent(value)}\N{NO-BREAK SPACE}%"


def metric_interval(metric: str, mean: Number, half_width: Number) -> str:
    """A mean with its interval: "97.12 ± 0.34 %" or "0.1234 ± 0.0021"."""
    if mean is None or half_width is None or not math.isfinite(mean):
        return metric_value(metric, mean)
    # Spaces at which a line must not break.
    sign = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"
    if is_accuracy(metric):
        return f"{percent(mean)}{sign}{metric_value(metric, half_width)}"
    # The mean to the place of the interval's second digit: more would claim what is not known.
    size = max(abs(mean), half_width)
    if half_width == 0 or not 1e-3 <= size < 1e5:
        return f"{number(mean)}{sign}{number(half_width, 2)}"
    places = min(max(0, 1 - math.floor(math.log10(half_width))), 6)
    return f"{mean:.{places}f}{sign}{half_width:.{places}f}"


def count(value: Number) -> str:
    """A count with a short suffix above ten thousand: 6,250; 3.75 M."""
    if value is None or not math.isfinite(value):
        return number(value)
    if abs(value) < 1e4:
        return f"{value:,.0f}"
    for scale, suffix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {suffix}"
    return number(value)


def duration(seconds: Number) -> str:
    """Seconds as "0.42 s", "42 s", "3 min 5 s" or "2 h 3 min"."""
    if seconds is None or not math.isfinite(seconds):
        return number(seconds)
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left} min" if hours else f"{minutes} min {rest} s"


def metric_name(metric: str) -> str:
    """Name of a metric in a sentence: ``test accuracy`` for ``test_accuracy``."""
    return metric.replace("_", " ")


def axis_title(metric: str) -> str:
    """Title of a metric's axis: ``Test accuracy (%)`` for ``test_accuracy``."""
    name = metric_name(metric).capitalize()
    return f"{name} (%)" if is_accuracy(metric) else name


def clipped(text: str, length: int = 36) -> str:
    """One line of text at most ``length`` characters long, for a legend or a tick."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def plural(quantity: int, noun: str) -> str:
    """Return ``1 seed`` or ``3 seeds``."""
    return f"{quantity} {noun}" if quantity == 1 else f"{quantity} {noun}s"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Return names in a row; of more than ``most`` the first, and how many others there are."""
    shown = ", ".join(names[:most])
    rest = len(names) - most
    return f"{shown} and {plural(rest, 'other')}" if rest > 0 else shown
