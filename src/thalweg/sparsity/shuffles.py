"""Masks for controls: as sparse as another, but elsewhere.

A ticket that does no better than its shuffle owes its accuracy to its densities alone (Frankle et
al., arXiv:2009.08576). Each result differs from the mask it was made from, unless there is no other
of its kind: all of a layer kept, none, or a single weight.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from thalweg.randomness import generator
from thalweg.sparsity.masks import Masks


def shuffle_layerwise(masks: Mapping[str, Tensor], seed: int) -> Masks:
    """Return each parameter's mask with its entries permuted at random.

    Every parameter keeps its number of weights, and every mask that is not constant changes.
    """
    return {
        name: _another(mask, seed, f"shuffle/{name}", lambda flat, g: flat[_order(flat, g)])
        for name, mask in masks.items()
    }


def shuffle_global(masks: Mapping[str, Tensor], seed: int) -> Masks:
    """Return the masks with the entries of all of them permuted at random.

    The number of weights in all stays; that of each parameter does not.
    """
    flat = torch.cat([mask.flatten().cpu() for mask in masks.values()])
    permuted = _another(flat, seed, "shuffle", lambda flat, g: flat[_order(flat, g)])
    parts = permuted.split([mask.numel() for mask in masks.values()])
    return {
        name: part.view(mask.shape).to(mask.device)
        for (name, mask), part in zip(masks.items(), parts, strict=True)
    }


def random_like(masks: Mapping[str, Tensor], seed: int) -> Masks:
    """Return random masks with as many weights of each parameter.

    They depend on the shapes and numbers alone, so that masks of two methods with equal numbers
    get the same control; `shuffle_layerwise` has the same distribution.
    """

    def draw(flat: Tensor, stream: torch.Generator) -> Tensor:
        drawn = torch.zeros_like(flat)
        drawn[_order(flat, stream)[: int(flat.sum())]] = True
        return drawn

    return {name: _another(mask, seed, f"random/{name}", draw) for name, mask in masks.items()}


def _order(flat: Tensor, stream: torch.Generator) -> Tensor:
    return torch.randperm(len(flat), generator=stream)


def _another(
    mask: Tensor, seed: int, name: str, draw: Callable[[Tensor, torch.Generator], Tensor]
) -> Tensor:
    """Return what ``draw`` makes of a mask, drawn again until it is another."""
    flat = mask.flatten().cpu()
    constant = bool(flat.all()) or not bool(flat.any())
    drawn, attempt = flat, 0
    while not constant and torch.equal(drawn, flat):
        drawn = draw(flat, generator(seed, name, attempt))
        attempt += 1
    return drawn.view(mask.shape).to(mask.device, copy=True)
