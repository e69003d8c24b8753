"""The Python face of curvature: a matrix of a network, and what can be asked of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from thalweg.data import Task
from thalweg.measure.curvature.density import STARTS, STEPS, Density, density
from thalweg.measure.curvature.eigenpairs import MOST_PRODUCTS, Eigenpairs, End, eigenpairs
from thalweg.measure.curvature.gap import Gap, spectral_gap
from thalweg.measure.curvature.operator import (
    Curvature,
    CurvatureOperator,
    support_of,
)
from thalweg.measure.curvature.trace import PRODUCTS, Trace, trace
from thalweg.measure.origin import Origin
from thalweg.measure.subject import Subject
from thalweg.sparsity.masks import Masks, check_masks

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator


class CurvatureMatrix:
    """A curvature matrix of one network, or of several of one architecture at once.

    Args:
        subject: The networks and the examples.
        operator: The matrix.
        start: Where `top` begins, ``(K, D)``: for networks in training what it found a few steps
            before. None for a random vector.

    Attributes:
        subject: The networks and the examples.
        operator: The matrix as an operator on ``(K, D)`` and ``(K, m, D)``.
        found: What `top` has found last.
    """

    def __init__(
        self, subject: Subject, operator: CurvatureOperator, start: Tensor | None = None
    ) -> None:
        self.subject = subject
        self.operator = operator
        self.found: Eigenpairs | None = None
        self._start = start

    def top(
        self,
        k: int = 1,
        end: End = "largest",
        tolerance: float = 1e-3,
        products: int = MOST_PRODUCTS,
    ) -> Eigenpairs:
        """Return k eigenpairs from one end of the spectrum; see `eigenpairs`."""
        seed = self.subject.seed
        self.found = eigenpairs(self.operator, k, end, tolerance, products, seed, self._start)
        return self.found

    def gap(self, found: Eigenpairs) -> Gap:
        """Return the spectral gap of what `top` has found; see `spectral_gap`."""
        return spectral_gap(self.operator, found)

    def within(self, support: Tensor) -> "CurvatureMatrix":
        """Return the matrix restricted to a support ``(K, D)``, which lies in its own."""
        operator = CurvatureOperator(self.subject, self.operator.curvature, support)
        return CurvatureMatrix(self.subject, operator)

    def trace(self, products: int = PRODUCTS) -> Trace:
        """Return the trace; see `thalweg.measure.curvature.trace.trace`."""
        return trace(self.operator, products, self.subject.seed)

    def density(self, starts: int = STARTS, steps: int = STEPS) -> Density:
        """Return the spectral density; see `thalweg.measure.curvature.density.density`."""
        return density(self.operator, starts, steps, self.subject.seed)

    def matvec(self, v: Tensor) -> Tensor:
        """Return the product with ``(D,)`` of one network, or with ``(K, D)`` or ``(K, m, D)``."""
        if v.ndim == 1:
            return self.operator(v.to(self.operator.like).unsqueeze(0))[0]
        return self.operator(v.to(self.operator.like))

    def linear_operator(self, row: int = 0) -> "LinearOperator":
        """Return one network's matrix for SciPy's solvers."""
        from scipy.sparse.linalg import LinearOperator  # takes long to import

        like, rows, size = self.operator.like, self.operator.rows, self.operator.size

        def matvec(x: NDArray[np.generic]) -> NDArray[np.generic]:
            v = torch.zeros(rows, size, dtype=like.dtype, device=like.device)
            v[row] = torch.as_tensor(np.ascontiguousarray(x).reshape(-1)).to(like)
            return self.operator(v)[row].cpu().numpy()

        dtype = np.float64 if like.dtype == torch.float64 else np.float32
        return LinearOperator((size, size), matvec=matvec, rmatvec=matvec, dtype=dtype)


def curvature_of(
    model: nn.Module | Sequence[nn.Module],
    task: Task,
    curvature: Curvature = "hessian",
    examples: int | None = None,
    split: str = "train",
    parameters: Sequence[str] | None = None,
    mask: Masks | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    origins: Sequence[Origin] = (),
) -> CurvatureMatrix:
    """Return a curvature matrix of the mean loss at a network's weights, which stay as they are.

    Args:
        model: A network, or several of one architecture.
        task: Data and loss.
        curvature: "hessian", "gauss_newton" or "empirical_fisher".
        examples: So many of the split, drawn without replacement; None for all.
        split: "train", "validation" or "test".
        parameters: Shell-style patterns of the parameters whose block is meant; None for all.
        mask: Weights to whose support the matrix is restricted, boolean by parameter name;
            parameters it does not name are whole.
        seed: Of the sample and of the solvers' random vectors.
        dtype: Precision.
        origins: Where each network comes from; none where nothing is known.

    Raises:
        InputError: See `Subject.of`; a pattern or mask that matches nothing.
    """
    subject = Subject.of(model, task, examples, split, seed, dtype, origins)
    if mask is not None:
        check_masks(subject.cohort.module, mask)
    support = support_of(subject, parameters, [mask] * subject.cohort.rows)
    return CurvatureMatrix(subject, CurvatureOperator(subject, curvature, support))


def hessian(model: nn.Module | Sequence[nn.Module], task: Task, **options: Any) -> CurvatureMatrix:
    """Return the Hessian of the mean loss; see `curvature_of` for the options."""
    return curvature_of(model, task, "hessian", **options)
