"""How many units have which degree, and which clustering."""

import numpy as np

from thalweg.measure.graphs.clustering import local_clustering
from thalweg.measure.graphs.graph import Graph

BINS = 100
"""Equal bins of [0, 1] for clustering; 1 belongs to the last."""

Histograms = dict[str, list[int]]


def histograms(graph: Graph) -> Histograms:
    """Return ``in_degree_counts`` and ``out_degree_counts``, whose entry d is the number of units
    of that degree among those that can have such edges, and ``clustering_counts`` of the units' own
    clustering in 100 bins, empty for a network.
    """
    values = local_clustering(graph)
    clustering = np.histogram(values, BINS, (0, 1))[0] if len(values) else values
    return {
        "in_degree_counts": np.bincount(graph.in_degrees[graph.receivers]).tolist(),
        "out_degree_counts": np.bincount(graph.out_degrees[graph.senders]).tolist(),
        "clustering_counts": clustering.tolist(),
    }
