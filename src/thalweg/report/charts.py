"""What a chart shows, apart from who draws it.

`interactive` and `static` draw the same description, so the page and the files agree. A chart is
one panel. Numbers are in the units of the axis titles; None or a value that is not finite breaks
a line.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from thalweg.report.formats import clipped

Number = float | None

MOST_CELL_TEXTS = 12
"""Rows up to which the cells of a heatmap carry their numbers."""


FACET_COLUMNS = 2
"""Small panels side by side: as many as can be read on a telephone."""

LEGEND_WIDTH = 78
"""Characters on a row of a legend; a series takes its name and eight for its mark."""

LEGEND_ROWS = 4
"""Rows of a legend that leave a chart of the common height room enough."""

LEGEND_ROW = 26
"""Height of a row, in CSS pixels."""


@dataclass(frozen=True)
class Style:
    """An arm's look in every chart: positions in the renderers' cycles of colours and dashes."""

    colour: int
    dash: int


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        title: Quantity and unit.
        log: Logarithmic, base 10.
        limits: Ends of the axis, in data units; an axis may fall.
        ticks: (position, label) pairs; None leaves the choice to the renderer.
    """

    title: str
    log: bool = False
    limits: tuple[float, float] | None = None
    ticks: tuple[tuple[float, str], ...] | None = None

    @property
    def decades(self) -> tuple[float, float]:
        """Decimal logarithms of the limits, which there must be."""
        assert self.limits is not None
        return math.log10(self.limits[0]), math.log10(self.limits[1])

    @property
    def decade_ticks(self) -> tuple[list[float], list[str]]:
        """Decimal logarithms of the ticks' positions, and their labels."""
        ticks = self.ticks or ()
        return [math.log10(value) for value, _ in ticks], [label for _, label in ticks]


@dataclass(frozen=True)
class Line:
    """A line with an optional band between ``low`` and ``high``."""

    label: str
    style: Style
    x: Sequence[float]
    y: Sequence[Number]
    low: Sequence[Number]
    high: Sequence[Number]
    markers: bool = False


@dataclass(frozen=True)
class Points:
    """Points with optional intervals.

    Attributes:
        label: Name of the series; it takes no place in the legend where a `Line` has the name.
        style: Look of the series.
        x: Positions.
        y: Positions.
        symbol: "dot", "small" (one of several seeds), "star" (an optimum) or "cross" (diverged).
        hover: A line of text for each point.
        x_interval: (low, high) for each point, None where there is no interval.
        y_interval: The same, upright.
    """

    label: str
    style: Style
    x: Sequence[float]
    y: Sequence[float]
    symbol: str
    hover: Sequence[str]
    x_interval: Sequence[tuple[float, float] | None] | None = None
    y_interval: Sequence[tuple[float, float] | None] | None = None


@dataclass(frozen=True)
class Heatmap:
    """Shares by row and column, with a line of text for each.

    Cell (i, j) is centred at x = j, y = i; the axes' ticks name them.

    Attributes:
        shares: In [0, 1]; of differences of shares, in [−1, 1].
        hover: The texts.
        numbers: Whether they are written into the cells of up to `MOST_CELL_TEXTS` rows.
        largest: The share that has the deepest colour.
        signed: Whether they are differences, of which the negative have a colour of their own.
    """

    shares: Sequence[Sequence[Number]]
    hover: Sequence[Sequence[str]]
    numbers: bool = True
    largest: float = 1.0
    signed: bool = False

    @property
    def texts(self) -> bool:
        """Whether the cells carry their numbers."""
        return self.numbers and len(self.shares) <= MOST_CELL_TEXTS

    def text(self, share: Number) -> str:
        """Return what is written into a cell."""
        return difference_text(share) if self.signed else cell_text(share)


@dataclass(frozen=True)
class Shade:
    """A range of the horizontal axis, over the whole height: where an optimum may lie."""

    style: Style
    low: float
    high: float


@dataclass(frozen=True)
class Contour:
    """A quantity over a plane, in filled levels evenly spaced on a logarithmic scale.

    Attributes:
        x: Places along the horizontal axis; 0, where a star stands, is among them.
        y: Places along the vertical axis, the same.
        z: Values, ``z[j][i]`` at ``(x[i], y[j])``; what is no finite number counts as the highest.
        scale: The axis of the colours.
        path: Places of a line drawn over it, from a ring on.
        hover: A line of text for each of them.
    """

    x: Sequence[float]
    y: Sequence[float]
    z: Sequence[Sequence[Number]]
    scale: Axis
    path: Sequence[tuple[float, float]] = ()
    hover: Sequence[str] = ()


@dataclass(frozen=True)
class Relief:
    """A quantity over a plane as a surface in space, its height and colour by the chart's axis
    ``z``; see `Contour`.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    z: Sequence[Sequence[Number]]


@dataclass(frozen=True, eq=False)
class Picture:
    """An image over a rectangle of the panel.

    Attributes:
        pixels: Red, green, blue and opacity, ``(rows, columns, 4)``; the first row is on top.
        x: Left and right end.
        y: Lower and upper end.
    """

    pixels: NDArray[np.uint8]
    x: tuple[float, float]
    y: tuple[float, float]


@dataclass(frozen=True)
class Words:
    """Texts, each beginning at its place and standing upon it."""

    x: Sequence[float]
    y: Sequence[float]
    texts: Sequence[str]


@dataclass(frozen=True)
class Links:
    """Thin lines between units, with a name in the legend.

    Attributes:
        label: The name.
        style: Its colour is theirs; they are not dashed.
        paths: Places along each.
        width: Of all, in CSS pixels.
        opacity: Of each.
    """

    label: str
    style: Style
    paths: Sequence[Sequence[tuple[float, float]]]
    width: float
    opacity: float


@dataclass(frozen=True)
class Dots:
    """Units: filled circles, with a line of text for each.

    Attributes:
        style: Its colour is theirs.
        x: Positions.
        y: Positions.
        sizes: Diameters in CSS pixels.
        hover: The texts.
    """

    style: Style
    x: Sequence[float]
    y: Sequence[float]
    sizes: Sequence[float]
    hover: Sequence[str]


Layer = Line | Points | Heatmap | Shade | Contour | Relief | Picture | Words | Links | Dots


@dataclass(frozen=True)
class Facet:
    """One of several small panels of a chart."""

    title: str
    x: Axis
    y: Axis
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Chart:
    """One panel, or several small ones.

    Attributes:
        name: Stem of its files.
        title: Heading.
        description: What it shows, in words; the text alternative of the figure.
        caption: How to read it; warnings too.
        x: Horizontal axis.
        y: Vertical axis.
        layers: Drawn in this order.
        height: Height in CSS pixels at which it reads well.
        legend: Whether the series need a legend; not where they are named along an axis.
        z: Axis of the height, logarithmic, of a chart whose layers are all `Relief`: a page shows
            one of them at a time, a file all side by side.
        facets: Small panels, two abreast, that stand for ``layers``; ``x`` and ``y`` then only have
            the titles of their axes.
        bare: Without axes; a unit is as long upright as across.
    """

    name: str
    title: str
    description: str
    caption: str
    x: Axis
    y: Axis
    layers: tuple[Layer, ...]
    height: int = 360
    legend: bool = True
    z: Axis | None = None
    facets: tuple[Facet, ...] = ()
    bare: bool = False

    @property
    def panes(self) -> tuple[Facet, ...]:
        """The small panels, or the only one, which has no title of its own."""
        return self.facets or (Facet("", self.x, self.y, self.layers),)

    @property
    def series(self) -> list[str]:
        """Names in the legend."""
        shown = [
            layer.label
            for pane in self.panes
            for layer in pane.layers
            if isinstance(layer, Line | Relief | Links)
            or (isinstance(layer, Points) and layer.symbol != "small")
        ]
        return list(dict.fromkeys(shown)) if self.legend else []

    @property
    def full_height(self) -> int:
        """``height``, with room for a legend of many rows."""
        rows = math.ceil(len(self.series) / legend_columns(self.series))
        return self.height + LEGEND_ROW * max(0, rows - LEGEND_ROWS)

    @property
    def covered(self) -> bool:
        """Whether a layer fills the whole panel, so that no grid would show."""
        return any(
            isinstance(layer, Heatmap | Contour | Picture | Links)
            for pane in self.panes
            for layer in pane.layers
        )

    @property
    def reliefs(self) -> list[Relief]:
        return [layer for layer in self.layers if isinstance(layer, Relief)]


def legend_columns(names: Sequence[str], width: int = LEGEND_WIDTH) -> int:
    """Return how many names stand side by side in a legend so many characters wide."""
    longest = max((len(clipped(name)) for name in names), default=0)
    return max(1, min(len(names), width // (longest + 8)))


def finite(values: Iterable[Number]) -> list[float]:
    """Return the values that are finite numbers."""
    return [v for v in values if v is not None and math.isfinite(v)]


def cut(values: Sequence[Number], lowest: float) -> list[Number]:
    """Return the ends of a band raised to where an axis begins."""
    return [None if value is None else max(value, lowest) for value in values]


def padded(values: Iterable[Number], log: bool = False, share: float = 0.06) -> tuple[float, float]:
    """Return axis limits around the finite values with a margin of ``share`` of their range."""
    known = finite(values)
    if log:
        known = [math.log10(v) for v in known if v > 0]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    # A range of nothing has no margin to scale.
    margin = share * (high - low) or 0.05 * abs(high) or 0.5
    low, high = low - margin, high + margin
    return (10**low, 10**high) if log else (low, high)


def value_axis(title: str, lines: Sequence[Line]) -> tuple[Axis, tuple[Line, ...]]:
    """Return the upright axis of lines with bands, logarithmic where they span more than a decade,
    and the lines as they fit on it: a band may reach zero, a logarithmic axis cannot.
    """
    means = finite(y for line in lines for y in line.y)
    log = min(means) > 0 and max(means) > 10 * min(means)
    ends = [*means, *finite(e for line in lines for e in (*line.low, *line.high))]
    limits = padded([end for end in ends if end > min(means) / 2] if log else ends, log)
    axis = Axis(title, log, limits, log_ticks(limits) if log else None)
    if not log:
        return axis, tuple(lines)
    return axis, tuple(replace(line, low=cut(line.low, limits[0])) for line in lines)


def grid_ticks(values: Iterable[float], log: bool, most: int = 9) -> tuple[tuple[float, str], ...]:
    """Return ticks at the points of a grid, leaving out those too near to the one before."""
    known = sorted(set(values))

    def place(value: float) -> float:
        return math.log10(value) if log else value

    gap = (place(known[-1]) - place(known[0])) / most
    kept: list[float] = []
    for value in known:
        if not kept or place(value) - place(kept[-1]) >= gap:
            kept.append(value)
    return tuple((value, f"{value:.3g}") for value in kept)


def name_ticks(names: Sequence[str], most: int = 24) -> tuple[tuple[float, str], ...]:
    """Return ticks at 0, 1, 2, ... for names, every k-th where they are more than ``most``."""
    step = math.ceil(len(names) / most)
    return tuple((float(i), names[i]) for i in range(0, len(names), step))


def log_ticks(limits: tuple[float, float]) -> tuple[tuple[float, str], ...]:
    """Return ticks for a logarithmic axis: decades, with 2 and 5 between where decades are few."""
    low, high = limits
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = math.log10(high / low)
    digits: tuple[int, ...] = (1,) if decades > 3.5 else (1, 2, 5)
    if decades < 0.7:
        digits = (1, 2, 3, 4, 5, 6, 7, 8, 9)
    step = max(1, round(decades / 7))
    values = [d * 10.0**e for e in range(first, last + 1, step) for d in digits]
    inside = [v for v in values if low <= v <= high]
    return tuple((v, f"{v:g}") for v in inside)


def runs_of_finite(*columns: Sequence[Number]) -> list[range]:
    """Return the stretches of positions at which every column is a finite number."""
    good = [
        all(v is not None and math.isfinite(v) for v in row) for row in zip(*columns, strict=True)
    ]
    stretches: list[range] = []
    start = 0
    for end in range(1, len(good) + 1):
        if end == len(good) or good[end] != good[start]:
            if good[start]:
                stretches.append(range(start, end))
            start = end
    return stretches


def cell_text(share: Number) -> str:
    """Return the text of a cell: the share in per cent, nothing for none."""
    if share is None or not share > 0:
        return ""
    return "<1" if share < 0.01 else f"{100 * share:.0f}"


def difference_text(share: Number) -> str:
    """Return the text of a cell of differences: points of per cent, nothing for less than half."""
    if share is None or not abs(share) >= 0.005:
        return ""
    return f"{100 * share:+.0f}".replace("-", "−")


def log_heights(z: Sequence[Sequence[Number]], scale: Axis) -> list[list[float]]:
    """Return the decimal logarithms of values, brought between the limits of their axis."""
    low, high = scale.decades

    def height(value: Number) -> float:
        if value is None or not math.isfinite(value):
            return high
        return round(min(max(math.log10(value), low), high), 4) if value > 0 else low

    return [[height(value) for value in row] for row in z]
