"""How long a plan will take, from a short measurement of each kind of cohort in it."""

from collections.abc import Hashable, Sequence

from thalweg.execute.execution import use_threads
from thalweg.execute.grouping import CohortPlan, cohort_key
from thalweg.execute.options import Resources
from thalweg.execute.prepare import prepare

START_SECONDS = 5.0
"""What starting the worker processes and loading the data costs."""


def estimate_seconds(cohorts: Sequence[CohortPlan], resources: Resources) -> float:
    """Return the wall time the cohorts will take on these resources, roughly.

    A few steps of every kind of cohort are taken for real and thrown away; the total is divided
    among the processes, but never below the longest cohort.
    """
    measured: dict[Hashable, float] = {}
    seconds = []
    for cohort in cohorts:
        kind = (cohort_key(cohort.specs[0]), len(cohort.specs))
        if kind not in measured:
            with use_threads(resources.threads):
                training, _ = prepare(cohort.specs, cohort.plan, resources)
                measured[kind] = training.seconds_per_epoch()
        seconds.append(measured[kind] * cohort.specs[0].train.epochs)
    if not seconds:
        return 0.0
    start = START_SECONDS if min(resources.jobs, len(cohorts)) > 1 else 0.0
    return start + max(sum(seconds) / resources.jobs, max(seconds))
