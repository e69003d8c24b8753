"""Compiled kernels for chains of known layers, on the CPU.

PyTorch's operators leave most of a core idle on networks this small. Here a block of sixteen
samples goes through the whole network, forward and backward, while it lies in the second-level
cache; see ``kernels/`` for how, and docs/performance.md for how fast.
"""

from thalweg.native.chain import Chain, Unsupported, recognize
from thalweg.native.library import Kernel, SampleTensors, available, variants

__all__ = ["Chain", "Kernel", "SampleTensors", "Unsupported", "available", "recognize", "variants"]
