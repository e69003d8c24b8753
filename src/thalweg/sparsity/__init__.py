"""Sparsity: which weights may be nonzero, and how they are chosen."""

from thalweg.sparsity.registry import SPARSITIES, bind_sparsity, structure

__all__ = ["SPARSITIES", "bind_sparsity", "structure"]
