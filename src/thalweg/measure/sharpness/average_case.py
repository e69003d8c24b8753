"""How far the loss rises on average near a network, and how near it may be left."""

import torch
from torch import Tensor

from thalweg.measure.subject import Subject
from thalweg.randomness import generator


def average_rise(
    subject: Subject, radius: float, draws: int, adaptive: bool
) -> tuple[Tensor, Tensor]:
    """Return the mean of L(w + δ) − L(w) over normal δ and its standard error, ``(K,)`` each.

    δ_i has standard deviation ρ, or ρ·|w_i| if adaptive (Andriushchenko et al.,
    arXiv:2302.07011). Draws come in pairs ±δ, in whose mean the slope cancels; all networks see the
    same ones.
    """
    W = subject.cohort.W
    start = subject.loss()
    rises = []
    for index in range(draws):
        δ = radius * _normal(subject, index) * (W.abs() if adaptive else 1)
        rises.append((subject.loss(W + δ) + subject.loss(W - δ)) / 2 - start)
    found = torch.stack(rises)
    return found.mean(0), found.std(0) / draws**0.5


def pac_bayes_sigma(subject: Subject, rise: float, draws: int, tolerance: float = 0.02) -> Tensor:
    """Return the largest σ at which normal perturbations of that standard deviation raise the loss
    by no more than ``rise`` on average, float64 ``(K,)``: the flatter, the larger.

    By bisection in log σ to the relative ``tolerance``, with the same draws at every σ. Jiang et
    al. (arXiv:1912.02178) call 1/σ² a sharpness, there with a rise of 0.1 in the error.
    """
    W = subject.cohort.W
    start = subject.loss()
    draw = [_normal(subject, index) for index in range(draws)]

    def raised(sigma: Tensor) -> Tensor:
        scale = sigma.to(W).unsqueeze(1)
        mean = torch.stack([subject.loss(W + scale * each) for each in draw]).mean(0)
        return ~(mean - start <= rise)  # a loss that is not finite has risen

    low = torch.full_like(start, 1e-8)
    high = torch.full_like(start, 1e-4)
    for _ in range(60):
        over = raised(high)
        if over.all():
            break
        low = torch.where(over, low, high)
        high = torch.where(over, high, 2 * high)
    while (high / low > 1 + tolerance).any():
        middle = (low * high).sqrt()
        over = raised(middle)
        low, high = torch.where(over, low, middle), torch.where(over, middle, high)
    return low


def _normal(subject: Subject, index: int) -> Tensor:
    W = subject.cohort.W
    draw = generator(subject.seed, "probe", 3, index)
    return torch.randn(W.shape[1], generator=draw).to(W)
