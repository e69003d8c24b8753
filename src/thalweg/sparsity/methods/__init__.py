"""Methods that choose the nonzero weights while a network trains, one a file."""

from thalweg.sparsity.methods.one_shot import OneShot
from thalweg.sparsity.methods.projection import Projection
from thalweg.sparsity.sparsifier import Sparsifier

METHODS: tuple[type[Sparsifier], ...] = (OneShot, Projection)
