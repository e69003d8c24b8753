"""Whether a graph falls into groups with many edges within and few between."""

import math
import random
from typing import TYPE_CHECKING

from thalweg.measure.graphs.graph import Graph

if TYPE_CHECKING:
    import igraph


def modularity(graph: Graph) -> dict[str, float]:
    """Return the modularity of a division into groups that makes it large, and their number,

        Q = Σ_c [e_c/m − (d_c/2m)²],

    with m edges in all, e_c within group c, and d_c the degrees of its units together. Directions
    are ignored, so that two units connected both ways share an edge that counts twice; self-loops
    are left out. NaN where no edge is left.

    The division is that of the Leiden algorithm, run until it improves no more; the greatest Q
    there is may be a little higher, and another order of the units may give another division.
    Random graphs have groups by chance, the more the sparser they are: compare with the nulls.

    Source: Newman and Girvan, Phys. Rev. E 69 (2004); Traag, Waltman and van Eck, Sci. Rep. 9
    (2019).
    """
    groups = communities(graph)
    if groups is None:
        return {"modularity": math.nan, "communities": math.nan}
    return {"modularity": float(groups.modularity), "communities": float(len(groups))}


def communities(graph: Graph) -> "igraph.VertexClustering | None":
    """Return the groups of `modularity`; None where there is no edge between two units."""
    import igraph  # takes Matplotlib with it: half a second

    plain = graph.library.as_undirected(mode="each").simplify(multiple=False)
    if not plain.ecount():
        return None
    igraph.set_random_number_generator(random.Random(0))
    return plain.community_leiden(objective_function="modularity", n_iterations=-1)
