"""N:M sparsity: N of every M consecutive inputs."""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from thalweg.errors import InputError
from thalweg.sparsity.allocation.scope import Scope
from thalweg.sparsity.masks import Masks
from thalweg.validation import Options


class NMOptions(Options):
    """``m``: inputs of a group, M."""

    m: int = Field(default=4, ge=1)


def n_of_m(scores: Mapping[str, Tensor], keep: float, options: NMOptions) -> Masks:
    """Return masks of the N = keep · M largest scores of every M consecutive inputs.

    Inputs are the second dimension of a weight: the features of a linear layer, the channels of a
    convolution, each at its kernel position, as sparse tensor cores read them. Of equal scores the
    first are kept. Mishra et al., arXiv:2104.08378.

    Raises:
        InputError: keep · M is no whole number, or a layer's inputs are no multiple of M.
    """
    m = options.m
    n = round(keep * m)
    if abs(keep * m - n) > 1e-6:
        raise InputError(
            f"scope 'nm': keep = {keep:g} must be a whole number of {m}ths, since m = {m}"
        )
    return {name: _groups(name, values, n, m) for name, values in scores.items()}


def _groups(name: str, scores: Tensor, n: int, m: int) -> Tensor:
    inputs = scores.shape[1] if scores.dim() > 1 else 0
    if inputs == 0 or inputs % m:
        raise InputError(
            f"scope 'nm': {name!r} of shape {tuple(scores.shape)} has {inputs} inputs, "
            f"but their number must be a multiple of m = {m}"
        )
    last = scores.movedim(1, -1)
    groups = last.reshape(-1, m)
    chosen = groups.argsort(dim=1, descending=True, stable=True)[:, :n]
    mask = torch.zeros_like(groups, dtype=torch.bool).scatter_(1, chosen, True)
    return mask.view(last.shape).movedim(-1, 1).contiguous()


NM = Scope(
    "nm",
    "N of every M consecutive inputs, N = keep · M",
    "Mishra et al., Accelerating Sparse Deep Neural Networks, arXiv:2104.08378",
    NMOptions,
    n_of_m,
)
