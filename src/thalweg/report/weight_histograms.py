"""Weights of single networks at several moments, as histograms."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thalweg.report.charts import FACET_COLUMNS, Axis, Chart, Facet, Line, Style, finite, log_ticks
from thalweg.report.formats import clipped, number
from thalweg.store.slug import slug

Weights = Mapping[str, NDArray[np.float64]]
"""Weight matrices and kernels by name."""

Scale = Literal["size", "value"]

A_DECADE = 10
"""Bins of |w| a decade."""

BINS = 80
"""Bins of w."""

LEAST = 1e-8
"""Sizes below it are left out, as no network can make use of them."""

MOST_LAYERS = 12

MOST_TICKS = 3
"""Decades that are named on the axis of a small panel."""

SHARE = 0.999
"""Share of the weights that is on the axis of w."""


def histogram_chart(
    moments: Mapping[str, Weights], layers: Sequence[str], scale: Scale, title: str, name: str
) -> Chart | None:
    """Return how the weights that are not 0 are distributed at each moment; None where there are
    none. One layer, or all as one, fills the chart; several are small panels.

    Args:
        moments: Weights by when they were so.
        layers: Those shown; none for all together.
        scale: "size" for |w| on a logarithmic axis, as a share a decade; "value" for w, as a
            density.
        title: Of the network.
        name: Of the chart's file.
    """
    shown = list(layers)[:MOST_LAYERS]
    chosen = [(layer, [layer]) for layer in shown] or [("", [])]
    panes = {
        layer: pane for layer, own in chosen if (pane := _pane(moments, own, scale)) is not None
    }
    if not panes:
        return None
    words = "; ".join(
        f"{moment} {number(float(np.median(np.abs(values))))}"
        for moment, own in moments.items()
        if len(values := _values(own, layers))
    )
    what = "all weights" if not layers else "the weights by layer"
    if len(layers) == 1:
        what = layers[0]
    facets = tuple(
        Facet(clipped(layer.removesuffix(".weight"), 30), x, y, lines)
        for layer, (x, y, lines) in panes.items()
    )
    single = len(facets) == 1
    x, y = facets[0].x, facets[0].y
    left = f" The first {MOST_LAYERS} of {len(layers)} layers." if len(layers) > len(shown) else ""
    return Chart(
        name=slug(name, *layers[:1]) if len(layers) < 2 else slug(name, "layers"),
        title=f"{what[0].upper()}{what[1:]}: {title}",
        description=f"Histograms of {what} that are not 0, of {title}; median sizes: {words}.",
        caption="Weights that are not 0."
        + (" 0.1 % of them, the largest, may lie beyond the axis." if scale == "value" else "")
        + left,
        x=x if single else Axis("|w|" if scale == "size" else "w"),
        y=y if single else Axis(y.title),
        layers=facets[0].layers if single else (),
        facets=() if single else tuple(_small(facet) for facet in facets),
        height=360 if single else 100 + 200 * math.ceil(len(facets) / FACET_COLUMNS),
    )


def _small(facet: Facet) -> Facet:
    """Return a small panel, which has no titles of its own and room for few ticks."""
    ticks = facet.x.ticks
    decades = tuple(tick for tick in ticks or () if math.log10(tick[0]).is_integer())
    if len(decades) > 1:
        ticks = decades[:: math.ceil(len(decades) / MOST_TICKS)]
    x = Axis("", facet.x.log, facet.x.limits, ticks)
    return Facet(facet.title, x, Axis("", limits=facet.y.limits), facet.layers)


def _pane(
    moments: Mapping[str, Weights], layers: Sequence[str], scale: Scale
) -> tuple[Axis, Axis, tuple[Line, ...]] | None:
    values = {moment: _values(own, layers) for moment, own in moments.items()}
    known = [own for own in values.values() if len(own)]
    if not known:
        return None
    every = np.concatenate(known)
    if scale == "size":
        sizes = np.log10(np.abs(every))
        low, high = np.floor(sizes.min() * A_DECADE) / A_DECADE, np.ceil(sizes.max() * A_DECADE)
        edges = np.arange(round(low * A_DECADE), round(high) + 2) / A_DECADE
        places = 10 ** ((edges[1:] + edges[:-1]) / 2)
    else:
        end = float(np.quantile(np.abs(every), SHARE)) or 1.0
        edges = np.linspace(-end, end, BINS + 1)
        places = (edges[1:] + edges[:-1]) / 2
    lines = []
    for index, (moment, own) in enumerate(values.items()):
        if not len(own):
            continue
        counts, _ = np.histogram(np.log10(np.abs(own)) if scale == "size" else own, edges)
        density = counts / len(own) / np.diff(edges)
        nothing = [None] * len(density)
        style = Style(index, index)
        lines.append(Line(moment, style, places.tolist(), density.tolist(), nothing, nothing))
    top = 1.05 * max(finite(y for line in lines for y in line.y))
    if scale == "value":
        x = Axis("w", limits=(float(edges[0]), float(edges[-1])))
        return x, Axis("Density", limits=(0.0, top)), tuple(lines)
    shown = [x for ln in lines for x, y in zip(ln.x, ln.y, strict=True) if y and y > 0.005 * top]
    limits = (min(shown) / 1.2, max(shown) * 1.2)
    x = Axis("|w|", True, limits, log_ticks(limits))
    return x, Axis("Share a decade", limits=(0.0, top)), tuple(lines)


def _values(weights: Weights, layers: Sequence[str]) -> NDArray[np.float64]:
    """Return the weights of some layers, or of all, that are finite and not 0."""
    own = [weights[name].ravel() for name in weights if not layers or name in layers]
    values = np.concatenate(own) if own else np.zeros(0)
    return values[np.isfinite(values) & (np.abs(values) > LEAST)]
