"""How far the loss rises at the worst place near a network."""

from collections.abc import Callable

import torch
from torch import Tensor

from thalweg.cohort import Cohort
from thalweg.cohort.backend import Batch
from thalweg.measure.subject import Subject

Ascent = Callable[[Tensor, Tensor], Tensor]
"""``(w, g)`` → the step δ that a linear loss of gradient g would rise most by, ``(K, D)`` each."""


def sphere(radius: float) -> Ascent:
    """‖δ‖₂ ≤ ρ: δ = ρ·g/‖g‖ (SAM; Foret et al., arXiv:2010.01412)."""
    return lambda w, g: radius * g / g.norm(dim=1, keepdim=True).clamp_min(_tiny(g))


def adaptive_sphere(radius: float) -> Ascent:
    """‖δ/|w|‖₂ ≤ ρ: δ = ρ·w²·g/‖w·g‖ (ASAM; Kwon et al., arXiv:2102.11600)."""

    def step(w: Tensor, g: Tensor) -> Tensor:
        scaled = w * g
        norm: Tensor = scaled.norm(dim=1, keepdim=True).clamp_min(_tiny(g))
        return radius * w * scaled / norm

    return step


def adaptive_box(radius: float) -> Ascent:
    """|δ_i| ≤ ρ·|w_i|: δ = ρ·|w|·sign(g) (Andriushchenko et al., arXiv:2302.07011)."""
    return lambda w, g: radius * w.abs() * g.sign()


def keskar_box(radius: float) -> Ascent:
    """|δ_i| ≤ ε·(|w_i| + 1) (Keskar et al., arXiv:1609.04836)."""
    return lambda w, g: radius * (w.abs() + 1) * g.sign()


def m_sharpness(subject: Subject, m: int, ascent: Ascent) -> Tensor:
    """Return the mean over batches of m examples of L_B(w + δ_B) − L_B(w), float64 ``(K,)``.

    Every batch has a step of its own, to first order, as in a step of SAM; a smaller m makes the
    measure sharper (Foret et al., arXiv:2010.01412, section 4.1). The last batch counts by its
    examples.
    """
    total = torch.zeros(subject.cohort.rows, dtype=torch.float64, device=subject.cohort.W.device)
    own = subject.copies(1)
    for batch in subject.batches(m):
        subject.backend.gradient(own, batch)
        there = subject.at(own.W + ascent(own.W, own.G))
        rise = _losses(subject, there, batch) - _losses(subject, own, batch)
        total += rise * (batch.size / subject.examples)
    return total


def largest_rise(subject: Subject, ascent: Ascent, steps: int) -> Tensor:
    """Return max over the region of L(w + δ) − L(w), as found by ``steps`` steps, ``(K,)``.

    Conditional-gradient ascent: δ ← δ + 2/(t + 2)·(s_t − δ) with s_t the region's best point for
    the gradient at w + δ, which keeps δ within it (Jaggi, 2013); the largest loss on the way
    counts, so more steps never find less.
    """
    W = subject.cohort.W
    start = subject.loss()
    δ = torch.zeros_like(W)
    best = start
    for t in range(steps):
        target = ascent(W, subject.gradient(W + δ))
        δ = δ + 2 / (t + 2) * (target - δ)
        best = best.maximum(subject.loss(W + δ))
    return best - start


def _losses(subject: Subject, cohort: Cohort, batch: Batch) -> Tensor:
    return subject.backend.losses(cohort, batch).double()


def _tiny(g: Tensor) -> float:
    return torch.finfo(g.dtype).tiny
