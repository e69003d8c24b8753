"""How closely the neighbours of units are connected, unit by unit."""

from collections.abc import Sequence

import numpy as np

from thalweg.report.charts import Axis, Chart, Facet, Layer, Line, finite
from thalweg.report.formats import clipped, number
from thalweg.report.graphs.degrees import BINS
from thalweg.report.graphs.lines import mean_line
from thalweg.report.graphs.subjects import (
    MOST_ARMS,
    Measured,
    Place,
    chosen_note,
    facets_height,
    layer_names,
    seeds_note,
    short,
)
from thalweg.store.slug import slug

MEASURES = {"bipartite": "latapy", "recurrent": "clustering"}
"""The mean of each unit's coefficient, by kind of graph."""


def clustering_charts(label: str, found: Sequence[Measured], place: Place) -> list[Chart]:
    """Return the histograms of the units' clustering, if the probe has left them.

    Args:
        label: Of the probe.
        found: The arms; those of dense networks are left out.
        place: Where the chart stands.
    """
    known = [each for each in found if each.sparse and "clustering_counts" in each.members[0]]
    shown = known[:MOST_ARMS]
    facets, words = [], []
    for name in layer_names(shown):
        own = [each for each in shown if _varied(each, name)]
        if own:
            facets.append(_facet(name, own))
            words += [f"{each.name} {name} {number(_mean(each, name))}" for each in own]
    if not facets:
        return []
    nulls = any("nulls" in each.members[0] for each in shown)
    upright = (
        " An upright line is the mean over units in random graphs of the same degrees: of units to "
        "its right the neighbours share more than that."
    )
    return [
        Chart(
            name=slug("clustering", *place.parts, label),
            title=place.titled(f"{label}: clustering of the units by layer"),
            description="Histograms of the units' clustering coefficients by layer and arm; means: "
            + "; ".join(words)
            + ".",
            caption="Latapy's coefficient of the units of both sides, Fagiolo's of recurrent "
            "states."
            + (upright if nulls else "")
            + seeds_note(shown)
            + chosen_note(len(shown), len(known)),
            x=Axis("Clustering coefficient"),
            y=Axis("Units (%)"),
            layers=(),
            height=facets_height(len(facets)),
            facets=tuple(facets),
        )
    ]


def _varied(each: Measured, layer: str) -> bool:
    """Return whether units differ: in a full layer, and in an empty one, they are all alike."""
    return any(sum(map(bool, counts)) > 1 for counts in each.of_layer("clustering_counts", layer))


def _facet(layer: str, shown: Sequence[Measured]) -> Facet:
    counts = [np.array(each.of_layer("clustering_counts", layer), np.float64) for each in shown]
    bins = counts[0].shape[1]
    occupied = np.flatnonzero(np.concatenate(counts).any(0))
    width = -(-(occupied[-1] - occupied[0] + 1) // BINS)  # of a column, in bins
    starts = np.arange(occupied[0], occupied[-1] + 1, width)
    shares = [np.add.reduceat(own, starts, axis=1) / own.sum(1, keepdims=True) for own in counts]
    centres = (starts + width / 2) / bins
    lines: list[Line] = [
        mean_line(each.name, each.style, centres.tolist(), (100 * own.T).tolist(), 0.0)
        for each, own in zip(shown, shares, strict=True)
    ]
    top = 1.15 * max(finite(y for line in lines for y in line.y))
    layers: list[Layer] = [*lines]
    places = [x for line in lines for x, y in zip(centres.tolist(), line.y, strict=True) if y]
    for each in shown:
        if (mean := _null_mean(each, layer)) is not None:
            nothing = [None, None]
            layers.append(Line(each.name, each.style, [mean, mean], [0.0, top], nothing, nothing))
            places.append(mean)
    gap = width / bins
    limits = (max(min(places) - gap, 0.0), min(max(places) + gap, 1.0))
    return Facet(
        clipped(short(layer), 30),
        Axis("", limits=limits),
        Axis("", limits=(0.0, top)),
        tuple(layers),
    )


def _mean(each: Measured, layer: str) -> float | None:
    known = [value for name in MEASURES.values() for value in finite(each.of_layer(name, layer))]
    return float(np.mean(known)) if known else None


def _null_mean(each: Measured, layer: str) -> float | None:
    """Return the mean coefficient in random graphs of the same degrees, over draws and seeds."""
    known = finite(
        mean
        for own in each.members
        for null, name, measure, _, mean, *_ in own.get("nulls", ())
        if null == "degrees" and name == layer and measure in MEASURES.values()
    )
    return float(np.mean(known)) if known else None
