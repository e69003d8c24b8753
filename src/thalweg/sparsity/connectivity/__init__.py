"""What a mask does to a network: paths, dead units, and the smaller network that is left."""

from thalweg.sparsity.connectivity.network import read_architecture
from thalweg.sparsity.connectivity.shrink import shrink
from thalweg.sparsity.connectivity.smaller import Smaller
from thalweg.sparsity.connectivity.summary import (
    Connectivity,
    Figures,
    connectivity,
    count,
    effective_masks,
)

__all__ = [
    "Connectivity",
    "Figures",
    "Smaller",
    "connectivity",
    "count",
    "effective_masks",
    "read_architecture",
    "shrink",
]
