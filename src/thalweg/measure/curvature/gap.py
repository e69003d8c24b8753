"""The spectral gap, with what is known of its error."""

from dataclasses import dataclass

import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.curvature.eigenpairs import Eigenpairs
from thalweg.measure.curvature.operator import CurvatureOperator

BATCHES = 10
"""Parts of a sample whose differences tell how the eigenvalues would differ on another one."""


@dataclass(frozen=True)
class Gap:
    """λ₁ − λ₂ and λ₁/λ₂ of each of K networks: the field calls both the spectral gap.

    A figure that its error does not tell from rounding is undefined: NaN.

    Attributes:
        difference: λ₁ − λ₂, ``(K,)``.
        ratio: λ₁/λ₂, ``(K,)``.
        difference_error: One standard error, solver and sample together, ``(K,)``.
        ratio_error: The same of the ratio.
        value_errors: The same of each eigenvalue, ``(K, k)``.
    """

    difference: Tensor
    ratio: Tensor
    difference_error: Tensor
    ratio_error: Tensor
    value_errors: Tensor


def spectral_gap(operator: CurvatureOperator, found: Eigenpairs) -> Gap:
    """Return the gap with its error.

    Two errors add up in squares. The solver's: an eigenvalue is within its residual, or what
    rounding leaves of the largest. The sample's, where the examples are a part of the split only:
    to first order an eigenvalue on other examples is vᵀ·A'·v, so the spread of vᵀ·A_b·v over
    batches b gives its standard error, times √(1 − N/split) for a sample without replacement. The
    batches are the same for both eigenvalues, which makes the error of the difference a paired one.
    Costs one product for each eigenvector.

    The difference is undefined where it is not above its error, and the ratio where λ₂ is not
    above its own.

    Raises:
        InputError: There are fewer than two eigenpairs.
    """
    if found.values.shape[1] < 2:
        raise InputError("top = 1: a spectral gap takes two eigenvalues")
    rounding = 10 * torch.finfo(found.vectors.dtype).eps * found.values[:, :1].abs()
    solver = found.residuals.maximum(rounding)
    first, second = found.values[:, 0], found.values[:, 1]
    sample, paired, relative = _sample_errors(operator, found)
    value_errors = (solver.square() + sample.square()).sqrt()
    difference_error = (solver[:, :2].square().sum(1) + paired.square()).sqrt()
    ratio = first / second
    spread = (solver[:, 0] / first).square() + (solver[:, 1] / second).square()
    ratio_error = ratio.abs() * (spread + relative.square()).sqrt()
    difference = torch.where(first - second > difference_error, first - second, torch.nan)
    above = (second > value_errors[:, 1]) & found.converged[:, :2].all(1)
    return Gap(
        difference=torch.where(found.converged[:, :2].all(1), difference, torch.nan),
        ratio=torch.where(above, ratio, torch.nan),
        difference_error=difference_error,
        ratio_error=ratio_error,
        value_errors=value_errors,
    )


def _sample_errors(operator: CurvatureOperator, found: Eigenpairs) -> tuple[Tensor, Tensor, Tensor]:
    """Return standard errors of the eigenvalues ``(K, k)``, of λ₁ − λ₂ and, relative, of λ₁/λ₂."""
    values = found.values
    subject = operator.subject
    missing = 1 - subject.sampled
    if missing == 0 or subject.examples < 2 * BATCHES:
        zero = torch.zeros_like(values)
        blind = zero if missing == 0 else zero + torch.nan
        return blind, blind[:, 0], blind[:, 0]
    sizes, rows = [], []
    for size, product in operator.by_batch(found.vectors, BATCHES):
        sizes.append(float(size))
        rows.append((found.vectors * product).double().sum(2))
    batches, weights = torch.stack(rows), values.new_tensor(sizes)

    def error(each: Tensor) -> Tensor:
        """Return the standard error of the weighted mean over the first dimension."""
        share = (weights / weights.sum()).view(-1, *[1] * (each.ndim - 1))
        mean = (share * each).sum(0)
        n = len(each)
        variance = (share.square() * (each - mean).square()).sum(0) * n / (n - 1)
        return (missing * variance).sqrt()

    relative = batches[..., 0] / values[:, 0] - batches[..., 1] / values[:, 1]
    return error(batches), error(batches[..., 0] - batches[..., 1]), error(relative)
