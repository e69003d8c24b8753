"""Which edges lie on a way from the network's inputs to its outputs."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from thalweg.measure.graphs.graph import Graph


def routes(graph: Graph) -> dict[str, float]:
    """Return what of a network lies on a path from an input to an output.

    - ``effective_edges``: share of the edges that do;
    - ``effective_units``: share of the units that do, of those neither inputs nor outputs;
    - ``log10_paths``: decimal logarithm of the number of such paths that use no edge from a state
      to the next step's; NaN where there is none.

    A share is NaN where there is no edge, or no such unit.

    Source: Vysogorets and Kempe, JMLR 24 (2023); Pham et al., NeurIPS 2023.
    """
    first, last = graph.blocks[0], graph.blocks[-1]
    inputs, outputs = np.zeros((2, graph.units), dtype=np.bool_)
    inputs[first.first_source :][: first.links.shape[1]] = True
    outputs[last.first_target :][: last.links.shape[0]] = True
    forth, back = graph.adjacency, csr_array(graph.adjacency.T)
    useful = _reached(forth, inputs) & _reached(back, outputs)
    targets, sources = graph.edges
    paths = inputs.astype(np.float64)
    for block in graph.blocks:
        if block.first_source != block.first_target:
            rows, columns = block.links.shape
            read = paths[block.first_source :][:columns]
            paths[block.first_target :][:rows] = block.links @ read
    total = float(paths[outputs].sum())
    return {
        "effective_edges": _share(useful[targets] & useful[sources]),
        "effective_units": _share(useful[~inputs & ~outputs]),
        "log10_paths": math.log10(total) if total else math.nan,
    }


def _share(chosen: NDArray[np.bool_]) -> float:
    return float(chosen.mean()) if len(chosen) else math.nan


def _reached(links: csr_array, starts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which units a path leads to from one of some, themselves included; ``links`` are to
    and from.
    """
    found = starts
    while True:
        further = found | (links @ found.astype(np.float32) > 0)
        if (further == found).all():
            return found
        found = further
