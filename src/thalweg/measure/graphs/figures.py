"""What is told of graphs: every measure, and how it compares with random graphs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.measure.figures import Figures
from thalweg.measure.graphs.clustering import recurrent_clustering
from thalweg.measure.graphs.goodness import goodness_of_fit
from thalweg.measure.graphs.graph import Graph
from thalweg.measure.graphs.histograms import histograms
from thalweg.measure.graphs.lattice import ring
from thalweg.measure.graphs.measures import FAMILIES, MEASURES, measure_graph
from thalweg.measure.graphs.nulls import NULLS
from thalweg.randomness import derive

CENTRAL = (0.025, 0.975)
"""Quantiles of the null draws between which the interval lies."""

NULL_OF = {name: family.null for family in FAMILIES for name in family.names}

SMALL_WORLD = ("small_world", "small_world_omega")

Values = dict[str, float]


def graph_figures(graphs: Sequence[Graph], nulls: int, seed: int) -> Figures:
    """Return the measures of some graphs, and of as many random graphs of each kind of null.

    Args:
        graphs: Of one network.
        nulls: Draws of each null; 0 for none.
        seed: Of the draws.

    Returns:
        ``layer``, the graphs' names, and their ``kind``, ``units`` and ``edges``; by measure a list
        of its value in each graph; what `histograms` returns; and the probabilities of
        `goodness_of_fit`. With nulls: ``small_world``, σ = (C/⟨C⟩)/(L/⟨L⟩) of a recurrent graph
        with C its ``clustering``, L its ``path_length`` and ⟨·⟩ the mean over nulls of the same
        degrees (Humphries and Gurney, PLoS ONE 3 (2008)), and ``small_world_omega``,
        ω = ⟨L⟩/L − C/C_ring with C_ring the clustering of its `ring` (Telesford et al., Brain
        Connectivity 1 (2011)); for each measure ``NAME_z``, how many standard deviations of the
        null of the same degrees the value lies above its mean, or of the null of as many edges for
        what the degrees decide, NaN where the null does not vary or is not measured; and ``nulls``,
        rows of null, layer, measure, value, mean, low and high end of the central 95 % of the
        draws, and z, of both nulls.
    """
    found: dict[str, list[Any]] = {name: [] for name in MEASURES}
    scores: dict[str, list[float]] = {}
    rows: list[list[str | float]] = []
    for number, graph in enumerate(graphs):
        values = measure_graph(graph)
        of_fit = goodness_of_fit(graph, derive(seed, "degrees of a law", number))
        for name, value in {**values, **of_fit, **histograms(graph)}.items():
            found.setdefault(name, []).append(value)
        for null in NULLS if nulls else ():
            drawn = _draws(graph, null, nulls, derive(seed, f"graph {null}", number))
            own = dict(values)
            if null == "degrees":
                own, drawn = _with_small_world(graph, own, drawn)
                for name in SMALL_WORLD:
                    found.setdefault(name, []).append(own[name])
            for name, value in own.items():
                row = _compared(value, [draw[name] for draw in drawn])
                if not math.isnan(value):
                    rows.append([null, graph.name, name, value, *row])
                if NULL_OF.get(name, "degrees") == null:
                    scores.setdefault(f"{name}_z", []).append(row[-1])
    figures: Figures = {
        "layer": [graph.name for graph in graphs],
        "kind": [graph.kind for graph in graphs],
        "units": [graph.units for graph in graphs],
        "edges": [len(graph.edges[0]) for graph in graphs],
        **found,
        **scores,
    }
    return figures | {"nulls": rows} if nulls else figures


def _draws(graph: Graph, null: str, count: int, seed: int) -> list[Values]:
    if all(block.links.all() or not block.links.any() for block in graph.blocks):
        return [measure_graph(graph, drawn=True)] * count  # there is no other
    random = np.random.default_rng(seed)
    return [measure_graph(NULLS[null](graph, random), drawn=True) for _ in range(count)]


def _with_small_world(
    graph: Graph, values: Values, drawn: Sequence[Values]
) -> tuple[Values, list[Values]]:
    """Return the same with σ and ω, of the draws too."""
    clustering, length = (
        _mean([draw[name] for draw in drawn]) for name in ("clustering", "path_length")
    )
    of_ring = math.nan
    if graph.kind == "recurrent":
        # Draws of the same degrees have the same ring.
        of_ring = recurrent_clustering(ring(graph))["clustering"]

    def both(each: Mapping[str, float]) -> Values:
        C, L = each["clustering"], each["path_length"]
        sigma = C * length / (L * clustering) if L * clustering else math.nan
        omega = length / L - C / of_ring if of_ring else math.nan
        return {**each, **dict(zip(SMALL_WORLD, (sigma, omega), strict=True))}

    first, *others = (both(each) for each in (values, *drawn))
    return first, others


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan


def _compared(value: float, drawn: Sequence[float]) -> list[float]:
    """Return mean, low, high and z-score against draws; NaN if fewer than two are defined."""
    defined = [each for each in drawn if not math.isnan(each)]
    if len(defined) < 2:
        return [math.nan] * 4
    mean, deviation = float(np.mean(defined)), float(np.std(defined, ddof=1))
    low, high = np.quantile(defined, CENTRAL).tolist()
    # Rounding alone must not look like variation.
    varies = deviation > 1e-9 * max(1.0, abs(mean))
    return [mean, low, high, (value - mean) / deviation if varies else math.nan]
