"""How many edges units have, against random graphs of as many edges."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from thalweg.report.by_layer import Figures
from thalweg.report.charts import Axis, Chart, Facet, Line, Number, finite, name_ticks, value_axis
from thalweg.report.formats import clipped, number
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

BINS = 30
"""At most so many in a histogram."""

FEWEST_UNITS = 8
"""Of a histogram."""

RARE = 1e-3
"""Probability below which a degree in random graphs alone makes no room."""

Floats = NDArray[np.float64]


def degree_charts(label: str, found: Sequence[Measured], place: Place) -> list[Chart]:
    """Return the histograms of in- and of out-degrees, and how uneven both are from layer to layer.

    Args:
        label: Of the probe.
        found: The arms; those of dense networks are in none of the charts.
        place: Where the charts stand.
    """
    known = [each for each in found if each.sparse and "in_degree_counts" in each.members[0]]
    if not known:
        return []
    shown = known[:MOST_ARMS]
    note = chosen_note(len(shown), len(known))
    histograms = (_histogram_chart(label, way, shown, place, note) for way in ("in", "out"))
    return [*(chart for chart in histograms if chart), _layer_chart(label, known, place)]


def random_degrees(figures: Figures, index: int, way: str) -> Floats:
    """Return the probability of every degree, from 0 on, of a unit where as many edges as a layer
    has lie at places drawn uniformly: a hypergeometric distribution.
    """
    targets, sources = sides(figures, index)
    most = sources if way == "in" else targets
    edges = figures["edges"][index]
    found: Floats = hypergeom.pmf(np.arange(most + 1), targets * sources, most, edges)
    return found


def random_variance(figures: Figures, index: int, way: str) -> float:
    """Return the variance of that distribution, p(1 − p)·E·(N − E)/(N − 1) with p the reciprocal of
    the number of units, E edges and N places for them.

    The mean over the units is the same in all such graphs, so this is the mean of the variance over
    the units, too.
    """
    targets, sources = sides(figures, index)
    share = 1 / (targets if way == "in" else sources)
    edges, places = figures["edges"][index], targets * sources
    return float(share * (1 - share) * edges * (places - edges) / max(places - 1, 1))


def sides(figures: Figures, index: int) -> tuple[int, int]:
    """Return how many targets and sources a layer has."""
    targets, sources = (sum(figures[f"{way}_degree_counts"][index]) for way in ("in", "out"))
    return targets, sources


def _histogram_chart(
    label: str, way: str, shown: Sequence[Measured], place: Place, note: str
) -> Chart | None:
    names = [name for name in layer_names(shown) if _varied(shown, way, name)]
    if not names:
        return None
    facets = [_facet(name, way, [each for each in shown if name in each.layers]) for name in names]
    words = "; ".join(
        f"{each.name} {name} mean {number(float(np.mean(means)))}, largest {max(largest)}"
        for each in shown
        for name in names
        if (means := each.of_layer(f"{way}_degree_mean", name))
        if (largest := [len(counts) - 1 for counts in _counts(each, way, name)])
    )
    return Chart(
        name=slug(f"{way}-degrees", *place.parts, label),
        title=place.titled(f"{label}: {way}-degrees by layer"),
        description=f"Histograms of the {way}-degrees of each layer's units, by arm; {words}.",
        caption="Share of the units by their number of edges. The shaded hill is what random "
        "graphs of as many edges give; units to its right are hubs, units to its left nearly cut "
        f"off.{seeds_note(shown)}{note}",
        x=Axis(f"{way.capitalize()}-degree"),
        y=Axis("Units (%)"),
        layers=(),
        height=facets_height(len(facets)),
        facets=tuple(facets),
    )


def _counts(each: Measured, way: str, layer: str) -> list[Any]:
    return each.of_layer(f"{way}_degree_counts", layer)


def _varied(shown: Sequence[Measured], way: str, layer: str) -> bool:
    """Return whether a layer has units enough, and edges can lie in more than one way."""
    own = [(each.members[0], layer) for each in shown if layer in each.layers]
    figures = [(figures, figures["layer"].index(name)) for figures, name in own]
    units = [sides(*each)[0 if way == "in" else 1] for each in figures]
    return min(units) >= FEWEST_UNITS and any(random_variance(*each, way) for each in figures)


def _facet(layer: str, way: str, shown: Sequence[Measured]) -> Facet:
    counts = {each.name: _counts(each, way, layer) for each in shown}
    nulls = {
        each.name: [random_degrees(own, own["layer"].index(layer), way) for own in each.members]
        for each in shown
    }
    least = min(int(np.flatnonzero(own)[0]) for members in counts.values() for own in members)
    most = max(len(own) - 1 for members in counts.values() for own in members)
    for likely in (np.flatnonzero(null > RARE) for own in nulls.values() for null in own):
        least, most = min(least, int(likely[0])), max(most, int(likely[-1]))
    width = -(-(most - least + 1) // BINS)
    edges: Floats = np.arange(least, most + 1 + width, width, dtype=np.float64) - 0.5
    x = (edges[:-1] + width / 2).tolist()
    nothing: list[Number] = [None] * len(x)
    hills, lines = [], []
    for each in shown:
        hill = (100 * np.mean([_binned(null, edges) for null in nulls[each.name]], 0)).tolist()
        hills.append(Line(each.name, each.style, x, nothing, [0.0] * len(x), hill))
        shares = np.array([_binned(own, edges) for own in counts[each.name]])
        lines.append(mean_line(each.name, each.style, x, (100 * shares.T).tolist(), 0.0))
    # Bands of few seeds may reach far beyond; the lines matter.
    highest = max(
        finite(
            top
            for own in (*(line.high for line in hills), *(line.y for line in lines))
            for top in own
        )
    )
    gap = max(width / 2, 0.02 * (edges[-1] - edges[0]))
    return Facet(
        clipped(short(layer), 30),
        Axis("", limits=(float(x[0] - gap), float(x[-1] + gap))),
        Axis("", limits=(0.0, 1.15 * highest)),
        (*hills, *lines),
    )


def _binned(counts: Sequence[int] | Floats, edges: Floats) -> Floats:
    """Return the share of the units whose degree is in each bin, given how many have each."""
    own = np.asarray(counts, dtype=np.float64)
    found: Floats = np.histogram(np.arange(len(own)), edges, weights=own / own.sum())[0]
    return found


def _layer_chart(label: str, known: Sequence[Measured], place: Place) -> Chart:
    names = layer_names(known)
    ticks = name_ticks([clipped(short(name), 14) for name in names])
    x = Axis("", limits=(-0.2, len(names) - 0.8), ticks=ticks)
    facets = []
    words = []
    for way in ("in", "out"):
        for quantity, value in (("mean", _mean), ("variance ratio", _excess)):
            lines = []
            for each in known:
                values = [
                    [
                        found
                        for own in each.members
                        if name in own["layer"]
                        if (found := value(own, own["layer"].index(name), way)) is not None
                    ]
                    for name in names
                ]
                places = [float(index) for index in range(len(names))]
                lines.append(mean_line(each.name, each.style, places, values, 0.0, markers=True))
            title = f"{way}: {quantity}"
            axis, drawn = value_axis("", lines)
            facets.append(Facet(title, x, axis, drawn))
            words += [f"{title}, {ln.label} {', '.join(map(number, ln.y))}" for ln in lines]
    return Chart(
        name=slug("degrees", *place.parts, label),
        title=place.titled(f"{label}: degrees from layer to layer"),
        description=f"Mean and unevenness of the degrees of {', '.join(names)}: "
        + "; ".join(words)
        + ".",
        caption="The variance ratio is the variance over the units divided by that of random "
        "graphs with as many edges: 1 is chance, above it some units keep more weights than others."
        + seeds_note(known),
        x=Axis("Layer"),
        y=Axis(""),
        layers=(),
        height=facets_height(4) + 120,
        facets=tuple(facets),
    )


def _mean(figures: Figures, index: int, way: str) -> Number:
    found: Number = figures[f"{way}_degree_mean"][index]
    return found


def _excess(figures: Figures, index: int, way: str) -> Number:
    """Return the variance of the degrees over that of random graphs; None of a full layer."""
    expected = random_variance(figures, index, way)
    return figures[f"{way}_degree_variance"][index] / expected if expected > 0 else None
