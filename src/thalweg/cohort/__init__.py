"""The cohort engine: networks of one architecture trained together as the rows of a matrix."""

from thalweg.cohort.autograd import AutogradBackend
from thalweg.cohort.backend import Batch, Evaluation, GradientBackend
from thalweg.cohort.compiled import NativeBackend
from thalweg.cohort.cost import Cost, flops_per_example
from thalweg.cohort.layout import Layout
from thalweg.cohort.matrix import Cohort
from thalweg.cohort.optimizer import Closure, RowOptimizer
from thalweg.cohort.training import Listener, Settings, Training

__all__ = [
    "AutogradBackend",
    "Batch",
    "Closure",
    "Cohort",
    "Cost",
    "Evaluation",
    "GradientBackend",
    "Layout",
    "Listener",
    "NativeBackend",
    "RowOptimizer",
    "Settings",
    "Training",
    "flops_per_example",
]
