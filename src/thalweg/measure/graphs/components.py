"""Into how many parts a graph falls."""

import numpy as np
from scipy.sparse.csgraph import connected_components

from thalweg.measure.graphs.graph import Graph


def components(graph: Graph) -> dict[str, float]:
    """Return the number of components and the share of the units that the largest has.

    Weak ones are connected if directions are ignored; an isolated unit is one of its own. Within a
    strong one every unit can be reached from every other; they are told of recurrent graphs alone,
    since without recurrence each unit is one.
    """
    found = _counted("weak", graph)
    return found | _counted("strong", graph) if graph.kind == "recurrent" else found


def _counted(connection: str, graph: Graph) -> dict[str, float]:
    count, labels = connected_components(graph.adjacency, connection=connection)
    share = float(np.bincount(labels).max()) / graph.units
    return {f"{connection}_components": float(count), f"largest_{connection}": share}
