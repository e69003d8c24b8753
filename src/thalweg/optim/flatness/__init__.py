"""Methods that look for flat minima: gradients at perturbed weights."""

from thalweg.optim.flatness.asam import ASAM
from thalweg.optim.flatness.gradient_norm import GradientNorm
from thalweg.optim.flatness.gsam import GSAM
from thalweg.optim.flatness.sam import SAM
from thalweg.optim.method import Method
from thalweg.optim.rule import Rule

OWN: tuple[Rule | Method, ...] = (SAM(), ASAM(), GSAM(), GradientNorm())
