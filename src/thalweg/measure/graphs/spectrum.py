"""Singular values of a mask, and how near it is to a Ramanujan graph."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, svdvals
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from thalweg.measure.graphs.graph import Graph

LEAST_DEGREE = 3
"""Below this mean degree of either side the bounds say nothing."""

MOST_DENSE = 1500
"""Rows or columns, whichever are fewer, up to which dense matrices are decomposed."""

LEAST_SQUARE = 1e-6
"""σ₂²/σ₁² below which rounding in the squares would show: the singular values are then taken from
the matrix itself, which takes longer.
"""


def spectrum(graph: Graph) -> dict[str, float]:
    """Return the two largest singular values of the 0/1 matrix, and two Ramanujan gaps.

    The eigenvalues of the bipartite graph between columns and rows are ±σ_i. With d̄_L, d̄_R the mean
    degrees of the columns and rows that have any edge:

    - ``delta_s`` = 2·√(σ₁ − 1) − σ₂;
    - ``delta_r`` = √(d̄_L − 1) + √(d̄_R − 1) − σ₂.

    A gap ≥ 0 means that the graph is as good an expander as such bounds allow. Both are NaN unless
    both mean degrees are at least 3. A recurrent graph is taken as the bipartite one between the
    states of one step and of the next.

    Source: Pal et al., ICML 2022 (PMLR 162:17240); Hoang et al., ICLR 2023.
    """
    links = graph.blocks[0].links
    links = links[links.any(1)][:, links.any(0)]
    if not links.size:
        return {"sigma_1": 0.0, "sigma_2": 0.0, "delta_s": math.nan, "delta_r": math.nan}
    first, second = largest_values(links)
    degrees = [float(links.sum(axis).mean()) for axis in (0, 1)]
    defined = min(degrees) >= LEAST_DEGREE
    by_degree = sum(math.sqrt(degree - 1) for degree in degrees) if defined else math.nan
    by_value = 2 * math.sqrt(first - 1) if defined else math.nan
    return {
        "sigma_1": first,
        "sigma_2": second,
        "delta_s": by_value - second,
        "delta_r": by_degree - second,
    }


def largest_values(links: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the two largest singular values; the second is 0 where there is but one."""
    fewer = min(links.shape)
    if fewer == 1:
        return math.sqrt(np.count_nonzero(links)), 0.0
    if fewer > MOST_DENSE:
        sparse, start = csr_array(links, dtype=np.float64), np.ones(fewer)
        second, first = sorted(svds(sparse, 2, v0=start, return_singular_vectors=False).tolist())
        return first, second
    B = links.astype(np.float64)
    squares = B @ B.T if len(B) == fewer else B.T @ B
    ends = [fewer - 2, fewer - 1]
    second, first = eigh(squares, eigvals_only=True, subset_by_index=ends).tolist()
    if second < LEAST_SQUARE * first:
        first, second = (value**2 for value in svdvals(B)[:2].tolist())
    return math.sqrt(first), math.sqrt(second)
