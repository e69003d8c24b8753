"""Hutchinson's estimate of the diagonal of the Hessian."""

import torch
from torch import Tensor

from thalweg.cohort import Cohort, Oracle
from thalweg.randomness import generator


def hessian_diagonal(
    cohort: Cohort, oracle: Oracle, step: int, active: Tensor | None = None
) -> Tensor:
    """Return z ∘ (H·z) for each run, ``(K, D)``, z being ±1 with equal chances.

    Its mean over z is the diagonal of H; of a diagonal H it is that at every z. The z of a run is a
    function of the run's seed and the step, and 0 outside the mask. The product is
    counted for the ``active`` runs alone.
    """
    W = cohort.W
    draws = [
        torch.randint(0, 2, W.shape[1:], generator=generator(seed, "hutchinson", step))
        for seed in cohort.seeds
    ]
    z = torch.stack(draws).to(W).mul_(2).sub_(1)
    cohort.mask_(z)
    return oracle.product(z, active).mul_(z)
