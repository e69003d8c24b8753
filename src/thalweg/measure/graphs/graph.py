"""A graph of units and the nonzero weights between them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

if TYPE_CHECKING:
    import igraph

Kind = Literal["bipartite", "recurrent", "network"]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """The edges that one weight matrix makes: from its sources, the columns, to its targets, the
    rows.

    Attributes:
        links: Boolean ``(targets, sources)``.
        first_target: Number, among the units of the graph, of the target in row 0.
        first_source: Number of the source in column 0.
    """

    links: NDArray[np.bool_]
    first_target: int = 0
    first_source: int = 0


@dataclass(frozen=True)
class Graph:
    """Units, numbered from 0, and edges that lead from one to another; at most one each way.

    Attributes:
        name: Of the weights, or "network".
        kind: ``bipartite``: one layer, whose sources and targets are different units; sources come
            first. ``recurrent``: weights between the states of a layer, self-loops included.
            ``network``: several layers joined.
        units: How many.
        blocks: The edges, one block a weight matrix; no two overlap.
    """

    name: str
    kind: Kind
    units: int
    blocks: tuple[Block, ...]

    @classmethod
    def bipartite(cls, name: str, links: NDArray[np.bool_]) -> "Graph":
        """Return the graph of a layer, ``(targets, sources)``."""
        targets, sources = links.shape
        return cls(name, "bipartite", sources + targets, (Block(links, first_target=sources),))

    @classmethod
    def recurrent(cls, name: str, links: NDArray[np.bool_]) -> "Graph":
        """Return the graph of a state's weights, ``(to, from)``."""
        return cls(name, "recurrent", len(links), (Block(links),))

    def rewired(self, links: Sequence[NDArray[np.bool_]]) -> "Graph":
        """Return the same units with other edges, one matrix a block."""
        blocks = zip(self.blocks, links, strict=True)
        return replace(self, blocks=tuple(replace(block, links=new) for block, new in blocks))

    @cached_property
    def edges(self) -> tuple[Integers, Integers]:
        """Numbers of the targets and of the sources of all edges, ``(E,)`` each."""
        found = [np.nonzero(block.links) for block in self.blocks]
        parts = list(zip(self.blocks, found, strict=True))
        targets = [rows + block.first_target for block, (rows, _) in parts]
        sources = [columns + block.first_source for block, (_, columns) in parts]
        return np.concatenate(targets), np.concatenate(sources)

    @cached_property
    def in_degrees(self) -> Integers:
        """How many edges lead to each unit, ``(units,)``."""
        found = np.zeros(self.units, np.int64)
        for block in self.blocks:
            first, count = block.first_target, block.links.shape[0]
            found[first : first + count] += np.count_nonzero(block.links, axis=1)
        return found

    @cached_property
    def out_degrees(self) -> Integers:
        """How many edges lead from each unit, ``(units,)``."""
        found = np.zeros(self.units, np.int64)
        for block in self.blocks:
            first, count = block.first_source, block.links.shape[1]
            found[first : first + count] += np.count_nonzero(block.links, axis=0)
        return found

    @property
    def receivers(self) -> NDArray[np.bool_]:
        """Which units edges can lead to at all: all but the network's inputs."""
        return self._within((b.first_target, b.links.shape[0]) for b in self.blocks)

    @property
    def senders(self) -> NDArray[np.bool_]:
        """Which units edges can lead from at all: all but the network's outputs."""
        return self._within((b.first_source, b.links.shape[1]) for b in self.blocks)

    @cached_property
    def adjacency(self) -> csr_array:
        """1 where an edge leads from column to row, float32 ``(units, units)``."""
        targets, sources = self.edges
        ones = np.ones(len(targets), np.float32)
        return csr_array((ones, (targets, sources)), shape=(self.units, self.units))

    @cached_property
    def shared(self) -> tuple[Floats, Floats]:
        """How many sources each two targets share, ``(targets, targets)``, and how many targets
        each two sources, ``(sources, sources)``, of a graph of one weight matrix. Degrees are on
        the diagonals.
        """
        B = self.blocks[0].links.astype(np.float32)  # counts below 2²⁴ are exact
        return (B @ B.T).astype(np.float64), (B.T @ B).astype(np.float64)

    @cached_property
    def library(self) -> "igraph.Graph":
        """The same, directed, for igraph."""
        import igraph  # takes Matplotlib with it: half a second

        targets, sources = self.edges
        edges = np.column_stack((sources, targets))
        return igraph.Graph(self.units, edges, directed=True)

    def _within(self, ranges: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
        found = np.zeros(self.units, dtype=np.bool_)
        for first, count in ranges:
            found[first : first + count] = True
        return found
