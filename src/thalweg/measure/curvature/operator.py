"""Curvature matrices as operators: known by their products with vectors."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.subject import Subject
from thalweg.sparsity.prunable import matching

Curvature = Literal["hessian", "gauss_newton", "empirical_fisher"]
"""Whose products: the Hessian of the mean loss; its Gauss-Newton part, which is the Fisher matrix
for cross-entropy; the mean outer product of the examples' own gradients."""

EXAMPLES = 500
"""Examples a product takes at a time: half those of a gradient, since the backward pass of a
backward pass keeps two to three times as much."""

ROWS = 32
"""Networks times directions that are computed together."""


class Operator(ABC):
    """A symmetric matrix for each of K networks, ``(D, D)``.

    Attributes:
        rows: K.
        size: D.
        like: A tensor of the precision and device of all vectors.
        products: Products with each network's matrix so far.
    """

    def __init__(self, rows: int, size: int, like: Tensor) -> None:
        self.rows = rows
        self.size = size
        self.like = like
        self.products = 0

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Rank the matrix can have at most: D, or the size of the support it is restricted to."""

    @abstractmethod
    def project(self, V: Tensor) -> Tensor:
        """Return directions ``(K, m, D)`` within the support."""

    @abstractmethod
    def multiply(self, V: Tensor) -> Tensor:
        """Return the products ``(K, m, D)`` with directions ``(K, m, D)``."""

    def __call__(self, V: Tensor) -> Tensor:
        """Return the products, of the shape of the directions.

        Args:
            V: One direction a network ``(K, D)``, or m of them ``(K, m, D)``.
        """
        block = V if V.ndim == 3 else V.unsqueeze(1)
        self.products += block.shape[1]
        found = self.multiply(block)
        return found if V.ndim == 3 else found.squeeze(1)


class CurvatureOperator(Operator):
    """The curvature of networks' mean losses, exact over all examples of the subject.

    (1/N)·Σ_b |b|·A_b·v over batches b: a ragged last batch counts by its examples. Restricted to a
    support S, the matrix is P·A·P with P the projection onto the weights of S.

    Args:
        subject: The networks and the examples.
        curvature: Which matrix.
        support: Which weights, boolean ``(D,)`` or ``(K, D)``; None for all.

    Raises:
        InputError: The support is empty.
    """

    def __init__(
        self, subject: Subject, curvature: Curvature = "hessian", support: Tensor | None = None
    ) -> None:
        W = subject.cohort.W
        super().__init__(len(W), W.shape[1], W)
        self.subject = subject
        self.support = None if support is None else support.to(W.device).expand_as(W)
        if self.support is not None and not self.support.any(1).all():
            raise InputError("the support: no weight is left to measure the curvature in")
        self.curvature = curvature
        backend = subject.backend
        self._multiply = {
            "hessian": backend.product,
            "gauss_newton": backend.gauss_newton,
            "empirical_fisher": backend.empirical_fisher,
        }[curvature]

    @property
    def dimension(self) -> int:
        return self.size if self.support is None else int(self.support.sum(1).min())

    def project(self, V: Tensor) -> Tensor:
        return V if self.support is None else V.masked_fill(~self.support.unsqueeze(1), 0)

    def multiply(self, V: Tensor) -> Tensor:
        total = torch.zeros_like(V)
        for batch_size, found in self.by_batch(V):
            total.add_(found, alpha=batch_size / self.subject.examples)
        return total

    def by_batch(self, V: Tensor, batches: int = 1) -> Sequence[tuple[int, Tensor]]:
        """Return the products over each batch of the examples alone, with its size.

        Args:
            V: Directions ``(K, m, D)``.
            batches: At least so many batches.
        """
        inside = self.project(V)
        at_once = max(1, ROWS // self.rows)
        size = min(-(-self.subject.examples // batches), EXAMPLES)
        found = []
        for batch in self.subject.batches(size):
            parts = []
            for part in inside.split(at_once, 1):
                cohort = self.subject.copies(part.shape[1])
                flat = part.reshape(-1, self.size).contiguous()
                parts.append(self._multiply(cohort, batch, flat).view_as(part))
            found.append((batch.size, self.project(torch.cat(parts, 1))))
        return found


class PreconditionedOperator(Operator):
    """P^(-1/2)·A·P^(-1/2) for a positive diagonal P: it has the eigenvalues of P⁻¹·A.

    The largest is what the edge of stability is about for an optimizer that divides its step by P
    (Cohen et al., arXiv:2207.14484).

    Args:
        operator: A.
        diagonal: P, ``(D,)`` or ``(K, D)``.

    Raises:
        InputError: An entry is not positive.
    """

    def __init__(self, operator: Operator, diagonal: Tensor) -> None:
        super().__init__(operator.rows, operator.size, operator.like)
        if not (diagonal > 0).all():
            raise InputError("the preconditioner: every entry must be positive")
        self._operator = operator
        self._root = diagonal.to(operator.like).expand(operator.rows, -1).rsqrt().unsqueeze(1)

    @property
    def dimension(self) -> int:
        return self._operator.dimension

    def project(self, V: Tensor) -> Tensor:
        return self._operator.project(V)

    def multiply(self, V: Tensor) -> Tensor:
        return self._operator(V * self._root) * self._root


def support_of(
    subject: Subject, parameters: Sequence[str] | None, masks: Sequence[Mapping[str, Tensor] | None]
) -> Tensor | None:
    """Return the support ``(K, D)`` that parameters and masks leave; None where it is everything.

    Args:
        subject: The networks.
        parameters: Shell-style patterns of the parameters that count; None for all.
        masks: Of each network, boolean by parameter name, those not named being whole; None for
            none.

    Raises:
        InputError: A pattern matches no parameter.
    """
    layout = subject.cohort.layout
    support = torch.ones_like(subject.cohort.W, dtype=torch.bool)
    for row, mask in zip(support, masks, strict=True):
        layout.write(row, mask or {})
    if parameters is not None:
        for name in set(layout.names) - matching(parameters, layout.names):
            support[:, layout.slices[name]] = False
    return None if support.all() else support
