"""The cohort engine: networks of one architecture trained together as the rows of a matrix."""

from thalweg.cohort.autograd import AutogradBackend
from thalweg.cohort.backend import Batch, Evaluation, GradientBackend
from thalweg.cohort.compiled import NativeBackend
from thalweg.cohort.constraint import Constraint
from thalweg.cohort.cost import Cost, flops_per_example
from thalweg.cohort.layout import Layout
from thalweg.cohort.matrix import Cohort
from thalweg.cohort.optimizer import RowOptimizer
from thalweg.cohort.oracle import Oracle
from thalweg.cohort.training import Listener, Settings, Training

__all__ = [
    "AutogradBackend",
    "Batch",
    "Cohort",
    "Constraint",
    "Cost",
    "Evaluation",
    "GradientBackend",
    "Layout",
    "Listener",
    "NativeBackend",
    "Oracle",
    "RowOptimizer",
    "Settings",
    "Training",
    "flops_per_example",
]
