"""Watching a training as it goes on."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.cohort import Training
from thalweg.errors import InputError
from thalweg.measure.curvature import CurvatureMatrix, CurvatureOperator, support_of
from thalweg.measure.dynamics.options import DynamicsOptions
from thalweg.measure.dynamics.watch import DynamicsWatcher
from thalweg.measure.figures import Figures
from thalweg.measure.probes import run_probe
from thalweg.measure.requests import Request
from thalweg.measure.subject import Subject
from thalweg.measure.watcher import Values, Watcher, without_diverged

CONSTANT = ("examples", "seed")
"""Figures of a probe at rest that are the same at every look."""


def watcher_of(request: Request, training: Training) -> Watcher:
    """Return what takes a measurement of a training while it runs.

    Raises:
        InputError: It cannot be taken: there are fewer examples than asked for, say.
    """
    if isinstance(request.options, DynamicsOptions):
        return DynamicsWatcher.of(
            request.options, request.sample.examples, request.sample.seed, training
        )
    return ProbeWatcher(request, training)


class ProbeWatcher(Watcher):
    """A probe of networks at rest, taken before a step: at the weights at which the gradient is
    taken, in evaluation mode. Eigenvalues are sought from where the look before found them.

    Args:
        request: What to measure.
        training: The cohort.
    """

    def __init__(self, request: Request, training: Training) -> None:
        super().__init__()
        sample = request.sample
        self._request = request
        self._subject = Subject.watching(
            training.cohort, training.task, sample.examples, sample.split, sample.seed
        )
        self._initial = training.cohort.W.clone()
        self._start: Tensor | None = None
        self._values: Values = {}

    def row_state(self, row: int) -> dict[str, Any]:
        return {} if self._start is None else {"start": self._start[row].clone()}

    def load_row_state(self, row: int, state: dict[str, Any]) -> None:
        if "start" in state:
            if self._start is None:
                self._start = torch.ones_like(self._subject.cohort.W)
            self._start[row] = state["start"]

    def before(self, training: Training, due: bool) -> None:
        if not due:
            return
        cohort, request = training.cohort, self._request
        W = without_diverged(training, training.oracle.viewed(), self._initial)
        subject = self._subject.moved(cohort, W)
        masks: list[Mapping[str, Tensor] | None] = [None] * cohort.rows
        if request.sample.masked and cohort.mask is not None:
            masks = [cohort.layout.views(mask) for mask in cohort.mask]
        support = support_of(subject, request.sample.parameters or None, masks)
        operator = CurvatureOperator(subject, request.sample.matrix, support)
        matrix = CurvatureMatrix(subject, operator, self._start)
        try:
            self._values = _stacked(run_probe(matrix, request.name, request.options))
        except InputError:  # a product that is not finite, of a run that is about to diverge
            self._values = {}
            return
        if matrix.found is not None:
            self._start = matrix.found.vectors.sum(1)
        self.gradients += 2 * operator.products * subject.examples / training.oracle.batch_size

    def after(self, training: Training, due: bool) -> Values:
        return self._values if due else {}


def _stacked(found: Sequence[Figures]) -> dict[str, Tensor]:
    """Return the figures of all networks by name.

    Nested lists, such as those of a quadrature or a plane, and names are left out.
    """
    return {
        name: torch.tensor([figures[name] for figures in found], dtype=torch.float64)
        for name, sample in found[0].items()
        if name not in CONSTANT and not (isinstance(sample, list) and any(map(_no_figure, sample)))
    }


def _no_figure(value: Any) -> bool:
    return isinstance(value, list | str)
