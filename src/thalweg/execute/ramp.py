"""Train a few steps with a rising learning rate and note the losses."""

from collections.abc import Sequence

import torch
from torch import Tensor

from thalweg.cohort import AutogradBackend, Cohort
from thalweg.cohort.oracle import Oracle
from thalweg.cohort.order import epoch_order
from thalweg.execute.grouping import CohortPlan, plan_cohorts
from thalweg.execute.models import build_spec_model, find_traits, load_named_task
from thalweg.execute.options import Resources
from thalweg.optim.registry import bind_optimizer
from thalweg.spec import RunSpec


def ramp_losses(
    specs: Sequence[RunSpec], scales: Sequence[float], resources: Resources
) -> list[list[float]]:
    """Return the minibatch loss of each run before each step; the runs themselves are thrown away.

    Args:
        specs: Runs that differ in their seeds.
        scales: Factor on the learning rate at each step. Epochs follow each other as in training,
            in the seed's own order.
        resources: Where to compute.

    Returns:
        Runs × steps. The steps end early where no run's loss is finite.
    """
    return [
        row
        for cohort in plan_cohorts(specs, None, resources)
        for row in _ramp(cohort, scales, resources)
    ]


def _ramp(plan: CohortPlan, scales: Sequence[float], resources: Resources) -> list[list[float]]:
    first = plan.specs[0]
    device = torch.device(resources.device)
    task = load_named_task(first.task, resources.data).to(device)
    traits = find_traits(first.task, first.model, resources.data)
    seeds = [spec.seed for spec in plan.specs]
    cohort = Cohort([build_spec_model(spec, task) for spec in plan.specs], seeds, device)
    backend = AutogradBackend(task.loss, plan.plan.stacked, traits.stochastic, 0.0)
    N = len(task.train)
    oracle = Oracle(cohort, backend, task.train, N)
    options = [spec.optimizer.options for spec in plan.specs]
    optimizer = bind_optimizer(first.optimizer.name, cohort, options)
    size, steps_per_epoch = first.train.examples_per_step(N), first.train.steps_per_epoch(N)
    history: list[Tensor] = []
    order = torch.empty(0)
    for step, scale in enumerate(scales):
        epoch, position = divmod(step, steps_per_epoch)
        if position == 0:
            order = epoch_order(seeds, epoch, N).to(device)
        losses = oracle.draw(order[..., position * size : (position + 1) * size], step)
        history.append(losses.detach().double().cpu())
        if not bool(torch.isfinite(losses).any()):
            break
        optimizer.step(scale, oracle)
    return [list(row) for row in torch.stack(history, 1).tolist()]
