"""The sharpness against the step size: the edge of stability."""

import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.curvature import CurvatureOperator
from thalweg.measure.curvature.eigenpairs import eigenpairs
from thalweg.measure.curvature.operator import Operator, PreconditionedOperator
from thalweg.measure.dynamics.instrument import Instrument
from thalweg.measure.dynamics.look import Look

TOLERANCE = 1e-2
MOST_PRODUCTS = 60

SMALLEST = 1e-12
"""Keeps a preconditioner of weights that were never moved positive."""


def _edge(look: Look) -> dict[str, Tensor]:
    """λ_max(P⁻¹·H) of the training loss, P being what the optimizer divides its step by; the
    ``threshold`` beyond which it is unstable on a quadratic (2/η for gradient descent); and
    ``edge``, the one over the other.

    Cohen et al., arXiv:2103.00065, and for adaptive methods arXiv:2207.14484. The threshold is NaN
    for an optimizer that has none that is known, and P the identity. λ_max is NaN where it has not
    converged to 1 % in 60 products.
    """
    cohort = look.training.cohort
    stability = look.training.optimizer.stability()
    nothing = torch.full_like(look.losses, torch.nan, dtype=torch.float64)
    threshold = nothing if stability is None else stability.threshold.double()
    operator: Operator = CurvatureOperator(look.subject, "hessian", cohort.mask)
    if stability is not None and stability.preconditioner is not None:
        operator = PreconditionedOperator(operator, stability.preconditioner.clamp(min=SMALLEST))
    start = look.shared.memory.get("edge")
    try:
        found = eigenpairs(operator, 1, "largest", TOLERANCE, MOST_PRODUCTS, 0, start)
    except InputError:  # a run that is about to diverge
        return {"lambda_max": nothing, "threshold": threshold, "edge": nothing}
    look.shared.memory["edge"] = found.vectors[:, 0]
    look.gradients += 2 * look.pass_cost * found.products
    sharpness = torch.where(found.converged[:, 0], found.values[:, 0], torch.nan)
    return {"lambda_max": sharpness, "threshold": threshold, "edge": sharpness / threshold}


EDGE = Instrument(
    "edge",
    "largest (preconditioned) Hessian eigenvalue against the threshold of stability",
    "2·n/B for each of about 10 products",
    _edge,
)
