"""Sparsity: which weights may be nonzero, and how they are chosen."""

from thalweg.sparsity.registry import ROUNDS, SPARSITIES, bind_sparsity, structure
from thalweg.sparsity.rounds import RoundsOptions
from thalweg.sparsity.sparsifier import Setting

__all__ = ["ROUNDS", "SPARSITIES", "RoundsOptions", "Setting", "bind_sparsity", "structure"]
