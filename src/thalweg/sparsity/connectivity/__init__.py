"""What a mask does to a network: paths, dead units, and the smaller network that is left."""

from thalweg.sparsity.connectivity.shrink import shrink
from thalweg.sparsity.connectivity.smaller import Smaller
from thalweg.sparsity.connectivity.summary import (
    Connectivity,
    Figures,
    connectivity,
    effective_masks,
)

__all__ = ["Connectivity", "Figures", "Smaller", "connectivity", "effective_masks", "shrink"]
