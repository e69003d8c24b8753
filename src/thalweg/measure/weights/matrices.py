"""The weights of a network as matrices."""

import torch
from torch import Tensor

from thalweg.cohort.layout import Layout


def matrix_names(layout: Layout) -> list[str]:
    """Return the parameters that are matrices and kernels: those of two and more dimensions, and so
    neither biases nor the scales of norms.
    """
    return [name for name, shape in zip(layout.names, layout.shapes, strict=True) if len(shape) > 1]


def spectral(weight: Tensor) -> tuple[float, float]:
    """Return the largest singular value σ₁ of a weight, and its stable rank ‖W‖_F²/σ₁² (Rudelson &
    Vershynin, Journal of the ACM 54, 2007), from 1 to the rank; NaN for zeros.

    Args:
        weight: ``(out, ...)``; a kernel is the matrix ``(out, in · kh · kw)``.
    """
    matrix = weight.flatten(1)
    largest = torch.linalg.matrix_norm(matrix, 2)
    return float(largest), float(matrix.square().sum() / largest.square())
