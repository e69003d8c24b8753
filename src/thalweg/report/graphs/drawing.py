"""The largest component of a network drawn unit by unit: a column a layer, groups by colour."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from thalweg.measure.graphs import Graph
from thalweg.measure.graphs.communities import communities
from thalweg.report.charts import Axis, Chart, Dots, Layer, Links, Style
from thalweg.report.formats import clipped, percent
from thalweg.report.graphs.subjects import Masked, Place, short
from thalweg.store.slug import slug

MOST_EDGES = 1500
"""More than so many lines cannot be told apart."""

GROUPS = 6
"""Groups with a colour of their own, the largest."""

OTHERS = Style(6, 0)
"""Look of smaller groups, and of what runs between two."""

SWEEPS = 24
"""Passes over the columns in which units move towards those they are connected with."""

HEIGHT = 460

BULGE = 0.42
"""How far the widest arc of a recurrent layer reaches towards the next column."""

ARC = 9
"""Points of an arc."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """Units side by side: a layer's, or a network's inputs.

    Attributes:
        name: Of the layer.
        units: Their numbers in the graph, those outside the component left out.
    """

    name: str
    units: Integers


class Drawing:
    """The largest weak component of a graph, laid out.

    Args:
        graph: A graph with an edge.
        names: Of its weight matrices, block by block.

    Attributes:
        graph: The graph.
        columns: What stands above each other, from the inputs to the outputs.
        x: The column of each unit; NaN outside the component.
        y: Its height in [0, 1], from the top.
        group: Of each unit, 0 the largest, by the Leiden algorithm; -1 outside the component.
    """

    def __init__(self, graph: Graph, names: Sequence[str]) -> None:
        self.graph = graph
        _, labels = connected_components(graph.adjacency, connection="weak")
        inside = labels == np.bincount(labels).argmax()
        self.columns = _columns(graph, names, inside)
        self.group = _groups(graph, inside)
        self.x = np.full(graph.units, np.nan)
        for index, column in enumerate(self.columns):
            self.x[column.units] = index
        self.y = self._heights()

    @cached_property
    def edges(self) -> list[tuple[Integers, Integers]]:
        """Sources and targets of the component's edges, block by block."""
        found = []
        for block in self.graph.blocks:
            rows, columns = np.nonzero(block.links)
            sources, targets = columns + block.first_source, rows + block.first_target
            inside = self.group[sources] >= 0
            found.append((sources[inside], targets[inside]))
        return found

    def drawn(self) -> tuple[Integers, Integers]:
        """Return sources and targets of at most `MOST_EDGES` edges: all of the small matrices, as
        many of each of the others, drawn at random.
        """
        random = np.random.default_rng(0)
        left = MOST_EDGES
        sources, targets = [], []
        order = sorted(self.edges, key=lambda edges: len(edges[0]))
        for index, (own_sources, own_targets) in enumerate(order):
            most = left // (len(order) - index)
            chosen = np.arange(len(own_sources))
            if len(chosen) > most:
                chosen = random.choice(chosen, most, replace=False)
            left -= len(chosen)
            sources.append(own_sources[chosen])
            targets.append(own_targets[chosen])
        return np.concatenate(sources), np.concatenate(targets)

    def path(self, source: int, target: int) -> list[tuple[float, float]]:
        """Return a straight line, or an arc beside the column if both are in it."""
        start, end = ((float(self.x[u]), float(self.y[u])) for u in (source, target))
        if start[0] != end[0]:
            return [start, end]
        middle, half = (start[1] + end[1]) / 2, (start[1] - end[1]) / 2
        # A self-loop is a small arc, too.
        width = BULGE * max(2 * abs(half), 0.02)
        angles = np.linspace(0, math.pi, ARC)
        x = start[0] + width * np.sin(angles)
        return list(zip(x.tolist(), (middle + half * np.cos(angles)).tolist(), strict=True))

    def _heights(self) -> Floats:
        """Order the units of each column by group, and within it near those they are connected
        with: the barycentre heuristic, from the left to the right and back.

        Source: Sugiyama, Tagawa and Toda, IEEE Trans. Syst. Man Cybern. 11 (1981).
        """
        links = self.graph.adjacency
        both = (links + links.T).tocsr()
        degrees = np.maximum(np.asarray(both.sum(1)).ravel(), 1)
        heights = np.full(self.graph.units, 0.5)
        for column in self.columns:
            heights[column.units] = _spread(len(column.units))
        for sweep in range(SWEEPS):
            rank = self._group_ranks(heights)
            for column in self.columns if sweep % 2 else self.columns[::-1]:
                units = column.units
                centres = (both[units] @ heights) / degrees[units]
                order = np.lexsort((centres, rank[self.group[units]]))
                heights[units[order]] = _spread(len(units))
        return heights

    def _group_ranks(self, heights: Floats) -> Integers:
        """Return the place of each group from the top, by the mean height of its units."""
        inside = self.group >= 0
        counts = np.bincount(self.group[inside])
        means = np.bincount(self.group[inside], heights[inside]) / counts
        ranks: Integers = means.argsort(kind="stable").argsort()
        return ranks


def drawing_chart(subject: Masked, graphs: Sequence[Graph], place: Place) -> Chart | None:
    """Return the drawing of the network, or of the matrix with the most edges if its layers do not
    fit each other; None where nothing is kept.
    """
    graph = max(graphs, key=lambda graph: (graph.kind == "network", len(graph.edges[0])))
    if not len(graph.edges[0]):
        return None
    names = [own.name for own in graphs if own.kind != "network"]
    made = Drawing(graph, names if graph.kind == "network" else [graph.name])
    sources, targets = made.drawn()
    count, total = len(sources), sum(len(own) for own, _ in made.edges)
    units = int((made.group >= 0).sum())
    within = np.concatenate([made.group[s] == made.group[t] for s, t in made.edges])
    arcs = any(block.first_source == block.first_target for block in graph.blocks)
    whole = "network" if graph.kind == "network" else graph.name
    return Chart(
        name=slug("component", *place.parts, subject.name),
        title=place.titled(
            f"{subject.name}: largest component of the {whole}"
            if subject.name
            else f"Largest component of the {whole}"
        ),
        description=f"The largest component drawn with a column a layer: {units:,} of "
        f"{graph.units:,} units and {total:,} of {len(graph.edges[0]):,} edges, in "
        f"{made.group.max() + 1} groups. "
        + "; ".join(f"{column.name}: {len(column.units)} units" for column in made.columns)
        + ".",
        caption=f"{subject.note}{units:,} of {graph.units:,} units, inputs on the left; "
        + (f"{count:,} of {total:,} edges, drawn at random. " if count < total else "all edges. ")
        + "Units of a colour are a group with more edges within than chance has (Leiden); "
        f"{percent(float(within.mean()))} % of all edges run within one, those between are grey. "
        "Dots are the larger the more edges they have."
        + (" Arcs lead from a state to one of the next step." if arcs else ""),
        x=Axis(
            "",
            limits=(-0.1, len(made.columns) - (1 - BULGE if arcs else 0.9)),
            ticks=tuple((float(i), clipped(c.name, 14)) for i, c in enumerate(made.columns)),
        ),
        y=Axis("", limits=(1.02, -0.02), ticks=()),
        layers=(*_links(made, sources, targets), *_dots(made)),
        height=HEIGHT,
    )


def _links(made: Drawing, sources: Integers, targets: Integers) -> list[Links]:
    colour = np.where(
        made.group[sources] == made.group[targets], np.minimum(made.group[sources], GROUPS), -1
    )
    opacity = min(0.8, max(0.25, 250 / len(sources)))
    layers = []
    for group in (-1, *range(GROUPS + 1)):
        own = np.flatnonzero(colour == group)
        if len(own):
            paths = [made.path(int(sources[i]), int(targets[i])) for i in own]
            if group < 0:
                layers.append(Links("between groups", OTHERS, paths, 0.6, opacity / 2))
            else:
                layers.append(Links(_name(group), _style(group), paths, 0.8, opacity))
    return layers


def _dots(made: Drawing) -> list[Layer]:
    ins, outs = made.graph.in_degrees, made.graph.out_degrees
    degrees = np.sqrt(ins + outs)
    layers: list[Layer] = []
    for column in made.columns:
        room = min(10.0, 1.8 * HEIGHT / (len(column.units) + 1))
        sizes = np.maximum(room * degrees / degrees[column.units].max(), 1.5)
        shown = np.minimum(made.group[column.units], GROUPS)
        for group in np.unique(shown):
            units = column.units[shown == group]
            layers.append(
                Dots(
                    _style(int(group)),
                    made.x[units].tolist(),
                    made.y[units].tolist(),
                    sizes[units].round(1).tolist(),
                    [f"{clipped(column.name)}: {ins[u]} in, {outs[u]} out" for u in units],
                )
            )
    return layers


def _name(group: int) -> str:
    return f"group {group + 1}" if group < GROUPS else "smaller groups"


def _style(group: int) -> Style:
    return Style(group, 0) if group < GROUPS else OTHERS


def _columns(graph: Graph, names: Sequence[str], inside: NDArray[np.bool_]) -> list[Column]:
    first = graph.blocks[0]
    found = []
    if first.first_source != first.first_target:
        found.append(("inputs", first.first_source, first.links.shape[1]))
    for name, block in zip(names, graph.blocks, strict=True):
        if block.first_source != block.first_target or not found:
            found.append((name, block.first_target, block.links.shape[0]))
    columns = []
    for name, start, count in found:
        units = np.arange(start, start + count)
        columns.append(Column(short(name), units[inside[units]]))
    return [column for column in columns if len(column.units)]


def _groups(graph: Graph, inside: NDArray[np.bool_]) -> Integers:
    """Return the group of each unit of the component, by size; -1 of the others."""
    found = communities(graph)
    # A single unit with an edge to itself has no others to be in a group with.
    membership = np.array(found.membership) if found else np.zeros(graph.units, np.int64)
    sizes = np.bincount(membership[inside])
    rank = (-sizes).argsort(kind="stable").argsort()
    return np.where(inside, rank[np.minimum(membership, len(rank) - 1)], -1)


def _spread(count: int) -> Floats:
    found: Floats = (np.arange(count) + 0.5) / max(count, 1)
    return found
