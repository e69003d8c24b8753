"""The spec of a run: validated, canonical, hashed."""

from thalweg.spec.imported import ImportedSpec
from thalweg.spec.named import Named
from thalweg.spec.run import RunSpec, TrainOptions

__all__ = ["ImportedSpec", "Named", "RunSpec", "TrainOptions"]
