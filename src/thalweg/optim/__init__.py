"""Optimizers: rules that act on a cohort's rows, and the same as PyTorch optimizers."""

from thalweg.optim.as_torch import SGD, SGDEG, Adam, AdamW
from thalweg.optim.registry import OPTIMIZERS

__all__ = ["OPTIMIZERS", "SGD", "SGDEG", "Adam", "AdamW"]
