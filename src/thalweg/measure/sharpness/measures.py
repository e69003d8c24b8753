"""Measures of sharpness by name, with what each is invariant to."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from thalweg.measure.curvature import CurvatureOperator, eigenpairs, trace
from thalweg.measure.sharpness.average_case import average_rise, pac_bayes_sigma
from thalweg.measure.sharpness.worst_case import (
    adaptive_box,
    adaptive_sphere,
    keskar_box,
    largest_rise,
    m_sharpness,
    sphere,
)
from thalweg.measure.subject import Subject
from thalweg.validation import Options


class SharpnessOptions(Options):
    """What the measures are taken with.

    Attributes:
        rho: Radius of SAM's sphere, and standard deviation of the average case.
        adaptive_rho: Radius of ASAM's sphere.
        relative_rho: Radius of the adaptive box and average case, as a fraction of each weight.
        epsilon: Radius of Keskar's box.
        m: Examples a batch of m-sharpness.
        steps: Steps of the ascents in a box.
        draws: Draws of the average cases.
        rise: Rise of the loss that PAC-Bayes' σ allows.
    """

    rho: float = Field(default=0.05, gt=0)
    adaptive_rho: float = Field(default=0.5, gt=0)
    relative_rho: float = Field(default=0.05, gt=0)
    epsilon: float = Field(default=1e-3, gt=0)
    m: int = Field(default=128, ge=1)
    steps: int = Field(default=10, ge=1)
    draws: int = Field(default=10, ge=2)
    rise: float = Field(default=0.1, gt=0)


@dataclass(frozen=True)
class Sharpness:
    """A measure.

    Attributes:
        name: In figures and tables.
        summary: A line of help with the formula.
        invariant: It stays the same where the weights into a ReLU unit are multiplied by a positive
            number and those out of it divided by it, which changes no output (Dinh et al.,
            arXiv:1703.04933).
        source: Where it was published.
        measure: ``(subject, options)`` → float64 ``(K,)``.
    """

    name: str
    summary: str
    invariant: bool
    source: str
    measure: Callable[[Subject, SharpnessOptions], Tensor]


def _largest_eigenvalue(subject: Subject, options: SharpnessOptions) -> Tensor:
    found = eigenpairs(CurvatureOperator(subject), 1, seed=subject.seed)
    return torch.where(found.converged[:, 0], found.values[:, 0], torch.nan)


def _trace(subject: Subject, options: SharpnessOptions) -> Tensor:
    return trace(CurvatureOperator(subject), seed=subject.seed).values


def _keskar(subject: Subject, options: SharpnessOptions) -> Tensor:
    rise = largest_rise(subject, keskar_box(options.epsilon), options.steps)
    return 100 * rise / (1 + subject.loss())


def _fisher_rao(subject: Subject, options: SharpnessOptions) -> Tensor:
    W = subject.cohort.W
    F = CurvatureOperator(subject, "empirical_fisher")
    return (W.double() * F(W).double()).sum(1)


MEASURES = (
    Sharpness(
        "lambda_max", "λ₁ of the Hessian; NaN if not converged", False, "", _largest_eigenvalue
    ),
    Sharpness("trace", "tr H, by Hutch++", False, "", _trace),
    Sharpness(
        "sam",
        "mean over batches of m of L(w + δ) − L(w), δ = ρ·g/‖g‖",
        False,
        "Foret et al., arXiv:2010.01412",
        lambda subject, o: m_sharpness(subject, o.m, sphere(o.rho)),
    ),
    Sharpness(
        "asam",
        "the same with δ = ρ·w²·g/‖w·g‖",
        True,
        "Kwon et al., arXiv:2102.11600",
        lambda subject, o: m_sharpness(subject, o.m, adaptive_sphere(o.adaptive_rho)),
    ),
    Sharpness(
        "adaptive",
        "max of L(w + δ) − L(w) over |δ_i| ≤ ρ·|w_i|, by ascent",
        True,
        "Andriushchenko et al., arXiv:2302.07011",
        lambda subject, o: largest_rise(subject, adaptive_box(o.relative_rho), o.steps),
    ),
    Sharpness(
        "keskar",
        "100·(max of L over |δ_i| ≤ ε·(|w_i| + 1) − L)/(1 + L), by ascent",
        False,
        "Keskar et al., arXiv:1609.04836",
        _keskar,
    ),
    Sharpness(
        "average",
        "mean of L(w + δ) − L(w) over δ normal with deviation ρ",
        False,
        "Andriushchenko et al., arXiv:2302.07011",
        lambda subject, o: average_rise(subject, o.rho, o.draws, adaptive=False)[0],
    ),
    Sharpness(
        "adaptive_average",
        "the same with deviation ρ·|w_i|",
        True,
        "Andriushchenko et al., arXiv:2302.07011",
        lambda subject, o: average_rise(subject, o.relative_rho, o.draws, adaptive=True)[0],
    ),
    Sharpness(
        "fisher_rao",
        "wᵀFw with the empirical Fisher matrix: mean of (w·g)² over the examples",
        True,
        "Liang et al., arXiv:1711.01530",
        _fisher_rao,
    ),
    Sharpness(
        "pac_bayes_sigma",
        "largest σ at which normal noise raises L by no more than rise; the flatter the larger",
        False,
        "Jiang et al., arXiv:1912.02178",
        lambda subject, o: pac_bayes_sigma(subject, o.rise, o.draws),
    ),
)
