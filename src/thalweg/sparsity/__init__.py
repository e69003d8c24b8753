"""Sparsity: which weights may be nonzero, and how they are chosen."""

from thalweg.sparsity.allocation import SCOPES, select
from thalweg.sparsity.criteria import CRITERIA, score
from thalweg.sparsity.holding import Hold, hold
from thalweg.sparsity.mask_files import load_masks, save_masks
from thalweg.sparsity.masks import Masks, apply_masks, check_masks, densities, density
from thalweg.sparsity.one_call import prune
from thalweg.sparsity.prunable import prunable
from thalweg.sparsity.registry import ROUNDS, SPARSITIES, bind_sparsity, structure
from thalweg.sparsity.rounds import RoundsOptions
from thalweg.sparsity.shuffles import random_like, shuffle_global, shuffle_layerwise
from thalweg.sparsity.sparsifier import Setting
from thalweg.sparsity.torch_prune import from_torch, to_torch

__all__ = [
    "CRITERIA",
    "ROUNDS",
    "SCOPES",
    "SPARSITIES",
    "Hold",
    "Masks",
    "RoundsOptions",
    "Setting",
    "apply_masks",
    "bind_sparsity",
    "check_masks",
    "densities",
    "density",
    "from_torch",
    "hold",
    "load_masks",
    "prunable",
    "prune",
    "random_like",
    "save_masks",
    "score",
    "select",
    "shuffle_global",
    "shuffle_layerwise",
    "structure",
    "to_torch",
]
