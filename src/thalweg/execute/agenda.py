"""The cohorts that are still to be trained, those that did not end the first time among them."""

from collections import deque
from collections.abc import Hashable, Sequence

from thalweg.execute.grouping import CohortPlan, parts_of
from thalweg.execute.options import Resources
from thalweg.optim.registry import structure
from thalweg.spec import RunSpec

Fits = dict[Hashable, int]
"""The most runs of a cohort, for each kind of which a larger one did not fit into memory."""


class Agenda:
    """What is to be trained next, and in cohorts of what size.

    Args:
        cohorts: To be trained, in this order.
        resources: Where.
        fits: What has been found to fit so far; what is found out is added.
    """

    def __init__(self, cohorts: Sequence[CohortPlan], resources: Resources, fits: Fits) -> None:
        self._queue = deque(cohorts)
        self._resources = resources
        self._fits = fits
        self._died: set[tuple[str, ...]] = set()

    def __bool__(self) -> bool:
        return bool(self._queue)

    def take(self) -> CohortPlan:
        """Return the next cohort, of no more runs than fit."""
        cohort = self._queue.popleft()
        most = self._fits.get(_memory_kind(cohort.specs[0]), len(cohort.specs))
        first, *others = parts_of(cohort, most, self._resources)
        self._queue.extendleft(reversed(others))
        return first

    def too_large(self, cohort: CohortPlan) -> None:
        """Put back, in halves, a cohort that did not fit; those like it that follow are cut too."""
        half = -(-len(cohort.specs) // 2)
        kind = _memory_kind(cohort.specs[0])
        self._fits[kind] = min(half, self._fits.get(kind, half))
        self._queue.extendleft(reversed(parts_of(cohort, half, self._resources)))

    def died(self, cohort: CohortPlan) -> bool:
        """Put back a cohort that has ended its process, behind those that have done no harm yet:
        whole the first time, which may have been an accident, then in halves. Return False, and put
        back nothing, where it is a single run for the second time.
        """
        runs = tuple(cohort.ids)
        if runs not in self._died:
            self._died.add(runs)
            self._queue.append(cohort)
        elif len(runs) > 1:
            self._queue.extend(parts_of(cohort, -(-len(runs) // 2), self._resources))
        else:
            return False
        return True


def _memory_kind(spec: RunSpec) -> Hashable:
    """Return what decides about the memory that a row of a cohort takes."""
    optimizer = structure(spec.optimizer.name, spec.optimizer.options)
    return (spec.task, spec.model, spec.train.batch_size, optimizer)
