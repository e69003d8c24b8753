"""All checks."""

from thalweg.audit.check import Check
from thalweg.audit.checks import (
    carried_network,
    claims,
    commands,
    curvature_sample,
    eigenvalues,
    frozen_parameters,
    gradients,
    graphs,
    grid_edge,
    landscape,
    mask_not_held,
    provenance,
    ranking,
    rerun,
    selection,
    shuffle,
    single_seed,
    sparsity_claim,
    unequal_arms,
    untrained_ticket,
)

CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        untrained_ticket.CHECK,
        mask_not_held.CHECK,
        sparsity_claim.CHECK,
        shuffle.CHECK,
        frozen_parameters.CHECK,
        carried_network.CHECK,
        gradients.CLIPPING,
        gradients.LEFTOVER,
        selection.CHECK,
        unequal_arms.SEEDS,
        unequal_arms.TUNING,
        single_seed.SEED_CHECK,
        single_seed.CHAIN,
        grid_edge.CHECK,
        ranking.CHECK,
        claims.CHECK,
        eigenvalues.CONVERGENCE,
        eigenvalues.ORDER,
        eigenvalues.NOISE,
        curvature_sample.CHECK,
        landscape.DIRECTIONS,
        landscape.CENTRE,
        graphs.COMPONENTS,
        graphs.CLUSTERING,
        commands.CHECK,
        provenance.CHECK,
        rerun.CHECK,
    )
}
"""By name, in the order in which they are told."""
