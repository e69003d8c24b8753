"""Whether units with many edges are connected with units that have many."""

import math

import numpy as np

from thalweg.measure.graphs.graph import Graph


def assortativity(graph: Graph) -> dict[str, float]:
    """Return the correlation, over all edges, of the out-degree of the source with the in-degree of
    the target: from −1 to 1; NaN where either does not vary.

    Source: Newman, Phys. Rev. E 67 (2003).
    """
    targets, sources = graph.edges
    x, y = graph.out_degrees[sources], graph.in_degrees[targets]
    if not len(x) or np.ptp(x) == 0 or np.ptp(y) == 0:
        return {"assortativity": math.nan}
    return {"assortativity": float(np.corrcoef(x, y)[0, 1])}
