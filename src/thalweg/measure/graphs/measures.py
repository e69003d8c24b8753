"""All measures of a graph, and which graphs each means something of."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from thalweg.measure.graphs.assortativity import assortativity
from thalweg.measure.graphs.centrality import centrality
from thalweg.measure.graphs.clustering import bipartite_clustering, recurrent_clustering
from thalweg.measure.graphs.communities import modularity
from thalweg.measure.graphs.components import components
from thalweg.measure.graphs.degree_fit import NAMES, degree_fit
from thalweg.measure.graphs.degrees import degrees
from thalweg.measure.graphs.graph import Graph, Kind
from thalweg.measure.graphs.motifs import motifs
from thalweg.measure.graphs.paths import path_lengths
from thalweg.measure.graphs.regular import mean_difference_of_bound
from thalweg.measure.graphs.routes import routes
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
        compared: Graphs of which random ones are measured too; not those that take too long.
    """

    names: tuple[str, ...]
    measure: Callable[[Graph], dict[str, float]]
    kinds: tuple[Kind, ...] = ALL
    null: str = "degrees"
    compared: tuple[Kind, ...] = ALL


FAMILIES = (
    Family(
        (
            *("in_degree_mean", "in_degree_variance", "in_degree_max"),
            *("out_degree_mean", "out_degree_variance", "out_degree_max"),
            *("isolated", "hubs", "hub_edges"),
        ),
        degrees,
        null="edges",
    ),
    Family(NAMES, degree_fit, null="edges"),
    Family(("assortativity",), assortativity),
    Family(
        ("robins_alexander", "latapy", "square_clustering"), bipartite_clustering, ("bipartite",)
    ),
    Family(("clustering",), recurrent_clustering, ("recurrent",)),
    Family(("weak_components", "largest_weak", "strong_components", "largest_strong"), components),
    Family(("path_length", "diameter", "closeness_max", "closeness_gini"), path_lengths),
    Family(
        ("betweenness_max", "betweenness_gini", "pagerank_max", "pagerank_gini"),
        centrality,
        compared=("bipartite", "recurrent"),
    ),
    Family(("modularity", "communities"), modularity),
    Family(("mutual", "feed_forward_loops", "cycles", "bifans", "biparallels"), motifs),
    Family(("sigma_1", "sigma_2", "delta_s", "delta_r"), spectrum, ("bipartite", "recurrent")),
    Family(("imdb",), mean_difference_of_bound, ("bipartite", "recurrent")),
    Family(("effective_edges", "effective_units", "log10_paths"), routes, ("network",)),
)

MEASURES = tuple(name for family in FAMILIES for name in family.names)


def measure_graph(graph: Graph, drawn: bool = False) -> dict[str, float]:
    """Return every measure in `MEASURES`: NaN where it is undefined or not for such graphs.

    Args:
        graph: Of any kind.
        drawn: Whether it is a random one, of which some measures are not taken.
    """
    found = dict.fromkeys(MEASURES, math.nan)
    for family in FAMILIES:
        if graph.kind in family.kinds and not (drawn and graph.kind not in family.compared):
            found |= family.measure(graph)
    return found
