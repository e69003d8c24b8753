"""Weights: how they are distributed, what their matrices are like, how far they have come."""
