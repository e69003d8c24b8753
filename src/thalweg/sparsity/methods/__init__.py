"""Methods that choose the nonzero weights while a network trains, one a file."""

from thalweg.sparsity.methods.acdc import Alternating
from thalweg.sparsity.methods.dpf import Feedback
from thalweg.sparsity.methods.gradual import Gradual
from thalweg.sparsity.methods.one_shot import OneShot
from thalweg.sparsity.methods.projection import Projection
from thalweg.sparsity.methods.proximal_l1 import ProximalL1
from thalweg.sparsity.methods.rigl import RigL
from thalweg.sparsity.methods.set import SET
from thalweg.sparsity.methods.ste import StraightThrough
from thalweg.sparsity.methods.top_kast import TopKast
from thalweg.sparsity.sparsifier import Sparsifier

METHODS: tuple[type[Sparsifier], ...] = (
    OneShot,
    Gradual,
    Projection,
    ProximalL1,
    SET,
    RigL,
    Alternating,
    StraightThrough,
    TopKast,
    Feedback,
)
