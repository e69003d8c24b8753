"""Allocation: how the weights that stay are shared out over layers."""

from thalweg.sparsity.allocation.scope import Scope, Scores
from thalweg.sparsity.allocation.select import SCOPES, select

__all__ = ["SCOPES", "Scope", "Scores", "select"]
