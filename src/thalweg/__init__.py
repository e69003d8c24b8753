"""Thalweg: how the optimizer, its step size and sparsity shape what a neural network learns."""

__version__ = "0.1.0"

from thalweg import data, measure, models, optim, sparsity
from thalweg.api import Report, Results, Study, load_study, recipe
from thalweg.errors import InputError, ThalwegError, TrustError
from thalweg.registry import trusting

__all__ = [
    "InputError",
    "Report",
    "Results",
    "Study",
    "ThalwegError",
    "TrustError",
    "data",
    "load_study",
    "measure",
    "models",
    "optim",
    "recipe",
    "sparsity",
    "trusting",
]
