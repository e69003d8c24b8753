"""Masks of networks in training: chosen by a criterion, and the controls that stand in for them."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from thalweg.cohort import Cohort
from thalweg.data import Task
from thalweg.randomness import generator
from thalweg.sparsity.allocation import select
from thalweg.sparsity.criteria import CRITERIA, score
from thalweg.sparsity.masks import Masks, apply_masks, density
from thalweg.sparsity.named import resolve
from thalweg.sparsity.shuffles import random_like, shuffle_global, shuffle_layerwise

EXAMPLES = 1000
"""Training examples that a criterion which needs data sees."""

SHUFFLES = {
    "shuffled_layerwise": shuffle_layerwise,
    "shuffled_globally": shuffle_global,
    "random": random_like,
}


def choose_mask(
    cohort: Cohort,
    state: Mapping[str, Tensor],
    task: Task,
    options: Any,
    keep: float,
    seed: int,
    within: Mapping[str, Tensor] | None = None,
) -> Masks:
    """Return the masks of a network's parameters that are to be pruned.

    Args:
        cohort: Gives the architecture.
        state: The network's parameters and buffers by state-dict name.
        task: What it learns; criteria that need data see `EXAMPLES` of the training split.
        options: Criterion, scope and choice of parameters; see `thalweg.sparsity.options`.
        keep: Fraction that is kept.
        seed: Of the run, for what is drawn.
        within: Masks of the weights that may be kept; None if all may.
    """
    module = copy.deepcopy(cohort.module)
    module.load_state_dict(dict(state), strict=False)
    names = options.names(module)
    data = None
    if {"data", "examples", "shape"} & set(resolve(CRITERIA, options.criterion)[0].needs):
        order = torch.randperm(len(task.train), generator=generator(seed, "mask"))
        data = task.train.batch(order[:EXAMPLES].to(task.train.inputs.device))
    masks = None if within is None else {name: within[name] for name in names}
    rounds = resolve(CRITERIA, options.criterion)[0].rounds
    begun = 1.0 if masks is None else density(masks)
    for k in range(1, rounds + 1):
        if masks is not None:
            apply_masks(module, masks)
        scores = score(module, names, options.criterion, data, seed=seed)
        left = keep if k == rounds else begun * (keep / begun) ** (k / rounds)
        masks = select(scores, left, options.scope, masks)
    assert masks is not None
    return masks


def control_mask(masks: Mapping[str, Tensor], control: str | None, seed: int) -> Masks:
    """Return the masks of a control beside a ticket; the ticket's own for one that keeps them."""
    return SHUFFLES[control](masks, seed) if control in SHUFFLES else dict(masks)
