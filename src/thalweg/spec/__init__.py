"""The spec of a run: validated, canonical, hashed."""

from thalweg.spec.named import Named
from thalweg.spec.run import RunSpec, TrainOptions

__all__ = ["Named", "RunSpec", "TrainOptions"]
