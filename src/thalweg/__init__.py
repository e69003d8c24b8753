"""Thalweg: how the optimizer, its step size and sparsity shape what a neural network learns."""

__version__ = "0.1.0"
