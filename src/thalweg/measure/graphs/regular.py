"""How good expanders the parts of a layer are whose sources have the same degree."""

import math

import numpy as np

from thalweg.measure.graphs.graph import Graph
from thalweg.measure.graphs.spectrum import LEAST_DEGREE, largest_values


def mean_difference_of_bound(graph: Graph) -> dict[str, float]:
    """Return ``imdb``, the iterative mean difference of bound: the mean of

        √(d − 1) + √(d̄_R − 1) − σ₂(K_d)

    over the degrees d ≥ 3 of the sources. K_d is the graph of the sources of degree d, which is
    regular on their side, σ₂ its second singular value, and d̄_R the mean degree in it of the
    targets that have any edge; a K_d in which that is below 3 is left out. NaN where all are.

    `spectrum` has the same difference, ``delta_r``, of the whole layer, whose degrees the bound
    takes to be equal.

    Source: Hoang et al., ICLR 2023 (VITA-Group/ramanujan-on-pai).
    """
    links = graph.blocks[0].links
    degrees = links.sum(0)
    found = []
    for degree in np.unique(degrees[degrees >= LEAST_DEGREE]):
        part = links[:, degrees == degree]
        part = part[part.any(1)]
        mean = degree * part.shape[1] / len(part)
        if mean >= LEAST_DEGREE:
            bound = math.sqrt(degree - 1) + math.sqrt(mean - 1)
            found.append(bound - largest_values(part)[1])
    return {"imdb": float(np.mean(found)) if found else math.nan}
