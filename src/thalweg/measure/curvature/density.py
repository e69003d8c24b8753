"""The density of a spectrum by stochastic Lanczos quadrature."""

from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor

from thalweg.measure.curvature.lanczos import lanczos, random_start
from thalweg.measure.curvature.operator import Operator

STARTS = 4
STEPS = 60


@dataclass(frozen=True)
class Density:
    """What m starts of j steps have found of each of K spectra.

    Attributes:
        nodes: Ritz values, ``(K, m, j)``, float64.
        weights: Their weights; those of a start sum to 1.
        products: Products with each matrix.
    """

    nodes: Tensor
    weights: Tensor
    products: int

    def curve(self, points: int = 1000, width: float = 0.01) -> tuple[Tensor, Tensor]:
        """Return places ``(K, points)`` and the density there: every node a normal distribution.

        Args:
            points: Of the grid, which reaches five standard deviations beyond the outermost nodes.
            width: Standard deviation as a fraction of the distance between those.
        """
        low, high = self.nodes.amin((1, 2)), self.nodes.amax((1, 2))
        deviation = width * (high - low).clamp_min(torch.finfo(self.nodes.dtype).tiny)
        share = torch.linspace(0, 1, points, dtype=self.nodes.dtype, device=self.nodes.device)
        start, end = low - 5 * deviation, high + 5 * deviation
        places = start[:, None] + (end - start)[:, None] * share
        return places, self.at(places, deviation)

    def at(self, places: Tensor, deviation: Tensor) -> Tensor:
        """Return the density at places ``(K, P)``, every node a normal distribution of a standard
        deviation ``(K,)``.
        """
        nodes, weights = self.nodes.flatten(1), self.weights.flatten(1) / self.nodes.shape[1]
        z = (places[:, :, None] - nodes[:, None]) / deviation[:, None, None]
        normal = torch.exp(-z.square() / 2) / (2 * torch.pi) ** 0.5
        found: Tensor = (normal @ weights[:, :, None]).squeeze(2) / deviation[:, None]
        return found

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the eigenvalues, ``(K,)`` each."""
        mean = (self.nodes * self.weights).sum(2).mean(1)
        square = (self.nodes.square() * self.weights).sum(2).mean(1)
        return mean, (square - mean.square()).clamp_min(0).sqrt()


def density(operator: Operator, starts: int = STARTS, steps: int = STEPS, seed: int = 0) -> Density:
    """Estimate the spectral density (1/n)·Σ_i δ(t − λ_i).

    From a random unit vector v, Lanczos gives the nodes θ and weights (first entry of the
    eigenvector of T)² of the quadrature of vᵀ·f(A)·v; the mean over v is that of f over the
    spectrum (Ghorbani et al., arXiv:1901.10159; Lin, Saad & Yang, arXiv:1308.5467). All starts are
    computed together.

    Args:
        operator: The matrices.
        starts: Random vectors a matrix.
        steps: Products a start.
        seed: Of the vectors.
    """
    before = operator.products
    found = deque(lanczos(operator, random_start(operator, seed, starts), steps, seed), 1).pop()
    nodes, vectors, _ = found.eigen()
    shape = (operator.rows, starts, found.steps)
    weights = vectors[:, 0].square().view(shape)
    return Density(nodes.view(shape), weights, operator.products - before)
