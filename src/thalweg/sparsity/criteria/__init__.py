"""Criteria: how much each weight matters."""

from thalweg.sparsity.criteria.criterion import Criterion
from thalweg.sparsity.criteria.score import CRITERIA, score

__all__ = ["CRITERIA", "Criterion", "score"]
