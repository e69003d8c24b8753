"""From runs to cohorts: which runs train together, and how."""

from collections import defaultdict
from collections.abc import Container, Hashable, Sequence
from dataclasses import dataclass

import torch

from thalweg import sparsity
from thalweg.cohort.planner import Plan, plan
from thalweg.errors import InputError
from thalweg.execute.models import check_sparsity, find_traits, load_named_task
from thalweg.execute.options import Resources
from thalweg.optim import averaging
from thalweg.optim.registry import needs_own_cohort, structure
from thalweg.spec import RunSpec
from thalweg.store.store import Store


@dataclass(frozen=True)
class CohortPlan:
    """Runs that train together, and how they are computed."""

    specs: tuple[RunSpec, ...]
    plan: Plan

    @property
    def ids(self) -> list[str]:
        return [spec.id for spec in self.specs]


def cohort_key(spec: RunSpec) -> Hashable:
    """Return what must agree for two runs to train together: all but seed, floats of the
    optimizer, schedule, clipping and initialisation.
    """
    return (
        spec.task,
        spec.model,
        spec.train.epochs,
        spec.train.batch_size,
        spec.train.label_smoothing,
        spec.augment,
        spec.average and averaging.structure(spec.average.name, spec.average.options),
        spec.sparsity and sparsity.structure(spec.sparsity.name, spec.sparsity.options),
        spec.train.order,
        spec.train.evaluate_every,
        structure(spec.optimizer.name, spec.optimizer.options),
    )


def plan_cohorts(
    specs: Sequence[RunSpec],
    store: Store | None,
    resources: Resources,
    missing: Container[str] | None = None,
) -> list[CohortPlan]:
    """Group runs into cohorts, each kind spread over the processes.

    Who trains with whom is decided over all runs of the study, those that are complete among
    them, and runs that were interrupted are put back with those they trained with: a study that
    is killed and started again repeats the very arithmetic of an uninterrupted one.

    Args:
        specs: All runs of the study, each once.
        store: Where interrupted runs may lie; None plans all anew.
        resources: Processes and device.
        missing: Ids of the runs to be trained; None for all.
    """
    by_id = {spec.id: spec for spec in specs if missing is None or spec.id in missing}
    groups: dict[Hashable, list[RunSpec]] = defaultdict(list)
    for spec in specs:
        groups[cohort_key(spec)].append(spec)
    cohorts = []
    for members in groups.values():
        for spec in members:
            if spec.id not in by_id:
                continue  # complete, or already put back with an interrupted cohort
            mates = [by_id[i] for i in _interrupted_with(spec.id, store) if i in by_id]
            again = _cohort(mates, resources) if mates else None
            if again and len(mates) <= again.plan.rows:
                cohorts.append(again)
                for mate in mates:
                    del by_id[mate.id]
        chosen = _decide(members[0], len(members), resources)
        for start in range(0, len(members), chosen.rows):
            fresh = [spec for spec in members[start : start + chosen.rows] if spec.id in by_id]
            if fresh:
                cohorts.append(_cohort(fresh, resources))
    return sorted(cohorts, key=lambda cohort: -_work(cohort, resources))


def parts_of(cohort: CohortPlan, most: int, resources: Resources) -> list[CohortPlan]:
    """Return a cohort in parts of at most so many runs; the cohort itself where it is no larger."""
    if len(cohort.specs) <= most:
        return [cohort]
    parts = [cohort.specs[start : start + most] for start in range(0, len(cohort.specs), most)]
    return [_cohort(part, resources) for part in parts]


def _cohort(runs: Sequence[RunSpec], resources: Resources) -> CohortPlan:
    """Return runs as a cohort. How it is computed depends on their number and on nothing else, so
    one that is interrupted and put back is computed as it was.
    """
    # They go to one process, and as many to every other.
    return CohortPlan(tuple(runs), _decide(runs[0], len(runs) * resources.jobs, resources))


def _decide(spec: RunSpec, runs: int, resources: Resources) -> Plan:
    """Decide how so many runs like this one are computed, spread over the processes.

    Raises:
        InputError: The training does not fit the task.
    """
    task = load_named_task(spec.task, resources.data)
    if spec.train.label_smoothing is not None and task.loss != "cross_entropy":
        raise InputError(
            f"train.label_smoothing = {spec.train.label_smoothing}: must be left out for task "
            f"{spec.task.name!r}, which has no classes"
        )
    _check_rewind(spec, len(task.train))
    if spec.sparsity is not None:
        check_sparsity(spec.task, spec.model, spec.sparsity, resources.data)
    return plan(
        find_traits(spec.task, spec.model, resources.data),
        spec.train.examples_per_step(len(task.train)),
        runs,
        resources.jobs,
        torch.device(resources.device),
        needs_own_cohort(spec.optimizer.name),
        resources.backend,
    )


def _check_rewind(spec: RunSpec, examples: int) -> None:
    """Refuse a rewind to a step that the training never takes."""
    if spec.rounds is None or spec.rounds.start.unit != "step":
        return
    steps = spec.train.steps_per_epoch(examples) * spec.train.epochs
    if spec.rounds.start.count >= steps:
        raise InputError(
            f"sparsity.rewind = {spec.rounds.rewind!r}: must be less than the {steps} steps of "
            "training, some of which must follow the pruning"
        )


def _interrupted_with(run_id: str, store: Store | None) -> list[str]:
    """Return the runs an interrupted run was training with, itself among them; [] for none."""
    if store is None:
        return []
    status = store.run(run_id).status()
    return list(status["cohort"]) if status["status"] == "running" else []


def _work(cohort: CohortPlan, resources: Resources) -> float:
    """Estimate a cohort's work; the longest start first, so that no core is idle at the end."""
    first = cohort.specs[0]
    flops = find_traits(first.task, first.model, resources.data).flops
    return flops * first.train.epochs * len(cohort.specs)
