"""Colours, dashes and symbols shared by both renderers.

Colours are Okabe and Ito's, distinguishable with every common colour blindness ("Color universal
design", 2008); their black is a grey here, which shows on light and dark paper, and their yellow
is left out because it does not show on white. Dashes and symbols repeat at other lengths than the
colours, so styles are told apart without colour, and 7 × 6 of them differ.
"""

from thalweg.report.charts import Style

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#808080")

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon")

HEAT = "#0072B2"
"""Colour of a share of 1 in a heatmap; a share of 0 is the paper."""

HEAT_BELOW = "#D55E00"
"""Colour of the lowest of differences of shares."""

HEAT_OPACITY = 0.75
"""Opacity of a share of 1, such that text is legible over it on light and on dark paper."""

BAND_OPACITY = 0.16

SHADE_OPACITY = 0.07
"""Of a range over the whole height, fainter than the bands that cross it."""


RELIEF = "viridis"
"""Colours of a quantity over a plane: they rise evenly in lightness, so they can be told apart with
every colour blindness and in grey."""

LEVELS = 20
"""Of a contour."""

MARK = "#ffffff"
HALO = "#1f2328"
"""Of lines and marks over the colours of a plane, and round them: one of the two always shows."""

SOFT = "#858d96"
"""Of texts and lines that cannot follow the page's scheme, legible on light and on dark paper."""


def colour(style: Style) -> str:
    return COLOURS[style.colour % len(COLOURS)]


def dash(style: Style) -> str:
    return DASHES[style.dash % len(DASHES)]


def symbol(style: Style) -> str:
    return SYMBOLS[style.dash % len(SYMBOLS)]


def rgba(hexadecimal: str, opacity: float) -> str:
    """Return a CSS colour with an opacity."""
    red, green, blue = (int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:g})"
