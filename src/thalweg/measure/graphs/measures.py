"""All measures of a graph, and which graphs each means something of."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from thalweg.measure.graphs.assortativity import assortativity
from thalweg.measure.graphs.clustering import bipartite_clustering, recurrent_clustering
from thalweg.measure.graphs.components import components
from thalweg.measure.graphs.degree_fit import degree_fit
from thalweg.measure.graphs.degrees import degrees
from thalweg.measure.graphs.graph import Graph, Kind
from thalweg.measure.graphs.paths import path_lengths
from thalweg.measure.graphs.spectrum import spectrum

ALL: tuple[Kind, ...] = ("bipartite", "recurrent", "network")


@dataclass(frozen=True)
class Family:
    """Measures that are computed together.

    Attributes:
        names: Of the measures; a graph may lack some.
        measure: Takes them of a graph.
        kinds: Of the graphs that it is for.
        null: What its z-scores are against: a null that leaves it free.
    """

    names: tuple[str, ...]
    measure: Callable[[Graph], dict[str, float]]
    kinds: tuple[Kind, ...] = ALL
    null: str = "degrees"


FAMILIES = (
    Family(
        (
            *("in_degree_mean", "in_degree_variance", "in_degree_max"),
            *("out_degree_mean", "out_degree_variance", "out_degree_max", "isolated"),
        ),
        degrees,
        null="edges",
    ),
    Family(("power_law_exponent", "power_law_ratio", "power_law_p"), degree_fit, null="edges"),
    Family(("assortativity",), assortativity),
    Family(
        ("robins_alexander", "latapy", "square_clustering"), bipartite_clustering, ("bipartite",)
    ),
    Family(("clustering",), recurrent_clustering, ("recurrent",)),
    Family(("weak_components", "largest_weak", "strong_components", "largest_strong"), components),
    Family(("path_length", "diameter"), path_lengths),
    Family(("sigma_1", "sigma_2", "delta_s", "delta_r"), spectrum, ("bipartite", "recurrent")),
)

MEASURES = tuple(name for family in FAMILIES for name in family.names)


def measure_graph(graph: Graph) -> dict[str, float]:
    """Return every measure in `MEASURES`: NaN where it is undefined or not for such graphs."""
    found = dict.fromkeys(MEASURES, math.nan)
    for family in FAMILIES:
        if graph.kind in family.kinds:
            found |= family.measure(graph)
    return found
