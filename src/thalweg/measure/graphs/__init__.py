"""Networks and masks as graphs: degrees, clustering, components, paths, spectra, against nulls."""

from thalweg.measure.graphs.figures import graph_figures
from thalweg.measure.graphs.graph import Block, Graph
from thalweg.measure.graphs.measures import MEASURES, measure_graph
from thalweg.measure.graphs.network import mask_graphs, network_graphs
from thalweg.measure.graphs.nulls import same_degrees, same_number

__all__ = [
    "MEASURES",
    "Block",
    "Graph",
    "graph_figures",
    "mask_graphs",
    "measure_graph",
    "network_graphs",
    "same_degrees",
    "same_number",
]
