"""Random graphs that a graph is compared with."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from thalweg.measure.graphs.graph import Graph

TRADES = 20
"""Rounds in which every row trades once. Of what a matrix shares with the one it began as, beyond
what two independent draws share, each takes a quarter (at a density of 5 %) to a half.
"""

Links = NDArray[np.bool_]
Null = Callable[[Graph, np.random.Generator], Graph]
"""Draws a random graph."""


def same_degrees(graph: Graph, random: np.random.Generator) -> Graph:
    """Draw a graph in which every unit has as many edges to and from it, within each weight matrix,
    as in this one; among all such graphs uniformly, but for the finite number of trades.

    Two rows of a matrix keep what they share and deal out anew, at random, what only one of them
    has; rows are paired anew 20 times (the curveball algorithm, all pairs of a round at once).
    Self-loops are edges like any other.

    Source: Strona et al., Nat. Commun. 5 (2014); Carstens, Berger and Strona, MethodsX 5 (2018).
    """
    return graph.rewired([_traded(block.links, random) for block in graph.blocks])


def same_number(graph: Graph, random: np.random.Generator) -> Graph:
    """Draw a graph with as many edges in each weight matrix as this one has, at places drawn
    uniformly (Erdős–Rényi).
    """
    return graph.rewired([_placed(block.links, random) for block in graph.blocks])


NULLS: dict[str, Null] = {"degrees": same_degrees, "edges": same_number}
"""By what a null keeps."""


def _placed(links: Links, random: np.random.Generator) -> Links:
    found = np.zeros(links.size, dtype=np.bool_)
    found[random.choice(links.size, np.count_nonzero(links), replace=False, shuffle=False)] = True
    return found.reshape(links.shape)


def _traded(links: Links, random: np.random.Generator) -> Links:
    if links.shape[0] > links.shape[1]:  # few long rows trade more at a time than many short ones
        return _traded(links.T, random).T
    found = links.copy()
    half = len(found) // 2
    for _ in range(TRADES):
        order = random.permutation(len(found))
        _trade(found, order[:half], order[half : 2 * half], random)
    return found


def _trade(
    links: Links, ones: NDArray[np.int64], others: NDArray[np.int64], random: np.random.Generator
) -> None:
    """Let each of some rows trade with its partner, in place."""
    first, second = links[ones], links[others]
    both = first & second
    pair, column = np.nonzero(first ^ second)
    counts = np.bincount(pair, minlength=len(ones))
    dealt = first.sum(1) - both.sum(1)
    # Within each pair a random order: the first so many go to the one row, the rest to the other.
    key = (pair << 32) + random.integers(1 << 32, size=len(pair))
    column = column[key.argsort()]
    rank = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    to_first = rank < dealt[pair]
    links[ones] = links[others] = both
    links[ones[pair[to_first]], column[to_first]] = True
    links[others[pair[~to_first]], column[~to_first]] = True
