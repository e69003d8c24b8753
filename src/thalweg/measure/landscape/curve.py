"""A Bézier curve between two networks along which the loss stays low."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from thalweg.cohort.backend import Batch
from thalweg.errors import InputError
from thalweg.measure.landscape.interpolation import Interpolation, evaluate_path, interpolate
from thalweg.measure.subject import Subject
from thalweg.randomness import generator

PLACES = 4
"""Networks on the curve whose gradients make up a step's."""

BATCH = 128
"""Examples of a step."""


@dataclass(frozen=True)
class Curve:
    """A quadratic Bézier curve between two networks, and the straight line between them.

    Attributes:
        control: θ, ``(D,)``.
        path: Loss and accuracy along the curve; its barrier is the curve's.
        line: The same along the straight line, at the same places.
    """

    control: Tensor
    path: Interpolation
    line: Interpolation


def connect(
    subject: Subject,
    first: int = 0,
    second: int = 1,
    points: int = 25,
    steps: int = 1000,
    lr: float = 0.003,
) -> Curve:
    """Find a curve φ(t) = (1 − t)²·w₀ + 2t(1 − t)·θ + t²·w₁ of low loss between two networks.

    θ starts halfway between them and minimises E[L(φ(t))] over t uniform in [0, 1] (Garipov et al.,
    arXiv:1802.10026) by `steps` steps of Adam, whose step size falls to 0 along half a cosine. Each
    takes the mean of 2t(1 − t)·∇L(φ(t)) over four t, one of each quarter, on 128 examples of the
    training split: L is the loss the subject has, without weight decay. A weight of θ is 0 where it
    is 0 in both networks, so the curve keeps to the union of two masks.

    What is found is an upper bound: another curve may have a lower barrier.

    Args:
        subject: The networks, and the examples the curve is evaluated on. Its seed draws t and the
            examples of the steps.
        first: Row of the network at t = 0.
        second: Row of that at t = 1.
        points: Places it is evaluated at, the ends among them.
        steps: Of Adam; 0 for a θ that stays halfway, which is the straight line.
        lr: Adam's step size at the start.

    Raises:
        InputError: Fewer than three places, a number of steps below 0, a step size that is not
            positive, or networks whose buffers differ.
    """
    if steps < 0:
        raise InputError(f"steps = {steps}: must be at least 0")
    if not 0 < lr < math.inf:
        raise InputError(f"lr = {lr}: must be a number greater than 0")
    line = interpolate(subject, first, second, points)
    W = subject.cohort.W
    θ = find_control(subject, first, second, steps, lr)
    on_curve = bezier(W[first], θ, W[second], line.places.to(W))
    return Curve(θ, evaluate_path(subject, line.places, on_curve, first), line)


def find_control(subject: Subject, first: int, second: int, steps: int, lr: float) -> Tensor:
    """Return the θ ``(D,)`` that `connect` describes."""
    w0, w1 = subject.cohort.W[first], subject.cohort.W[second]
    support = (w0 != 0) | (w1 != 0)
    θ = torch.lerp(w0, w1, 0.5)
    adam = torch.optim.Adam([θ], lr)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(steps, 1))
    rows = torch.full((PLACES,), first, device=w0.device)
    # One matrix for all steps: what backends keep for a cohort goes with its memory.
    there = subject.cohort.elsewhere(w0.repeat(PLACES, 1), rows)
    split, draw = subject.task.train, generator(subject.seed, "curve")
    for step in range(steps):
        t = ((torch.arange(PLACES) + torch.rand(PLACES, generator=draw)) / PLACES).to(w0)
        index = torch.randint(len(split), (min(BATCH, len(split)),), generator=draw)
        there.W.copy_(bezier(w0, θ, w1, t))
        subject.backend.gradient(there, Batch(split, index.to(w0.device), step))
        θ.grad = torch.where(support, control_gradient(there.G, t), 0.0)
        adam.step()
        fall.step()
    return θ


def bezier(w0: Tensor, control: Tensor, w1: Tensor, t: Tensor) -> Tensor:
    """Return the points ``(T, D)`` of a quadratic Bézier curve at ``t`` ``(T,)``.

    By de Casteljau's scheme, of which both ends come out to the bit.
    """
    t = t.unsqueeze(1)
    return torch.lerp(torch.lerp(w0, control, t), torch.lerp(control, w1, t), t)


def control_gradient(gradients: Tensor, t: Tensor) -> Tensor:
    """Return the gradient in θ of the mean loss over places, the mean of 2t(1 − t)·∇L(φ(t)).

    Args:
        gradients: ∇L(φ(t)), ``(T, D)``.
        t: ``(T,)``.
    """
    return (2 * t * (1 - t)) @ gradients / len(t)
