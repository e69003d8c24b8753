"""A cohort from its runs' specs, ready to train."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from thalweg.cohort import (
    AutogradBackend,
    Cohort,
    Constraint,
    GradientBackend,
    NativeBackend,
    RowOptimizer,
    Settings,
    Training,
)
from thalweg.cohort.planner import Plan
from thalweg.data import Task
from thalweg.data.augmentation import Augmented, augment
from thalweg.execute.models import build_spec_model, find_traits, load_named_task
from thalweg.execute.options import Resources
from thalweg.execute.rounds import begin_round
from thalweg.optim.as_torch import zero_warning
from thalweg.optim.averaging import average_iterates
from thalweg.optim.registry import OPTIMIZERS, bind_optimizer
from thalweg.optim.rule import Rule
from thalweg.optim.schedules import Horizon, Scale, build_schedule
from thalweg.sparsity import Setting, bind_sparsity
from thalweg.spec import RunSpec
from thalweg.store import Store


def prepare(
    specs: Sequence[RunSpec], plan: Plan, resources: Resources, store: Store | None = None
) -> tuple[Training, list[str]]:
    """Build a cohort ready to train, and what the user should be told.

    It stands at its initial weights or, for a round of pruning, where the round begins; without a
    store, which has the runs it was pruned from, a round stands at its initial weights too.
    """
    device = torch.device(resources.device)
    first = specs[0]
    task = load_named_task(first.task, resources.data).to(device)
    modules = [build_spec_model(spec, task) for spec in specs]
    traits = find_traits(first.task, first.model, resources.data)
    cohort = Cohort(modules, [spec.seed for spec in specs], device)
    rounds = first.rounds
    begun = None if rounds is None or store is None else begin_round(cohort, task, specs, store)
    smoothing = first.train.label_smoothing or 0.0
    if plan.backend == "native" and traits.chain is not None:
        backend: GradientBackend = NativeBackend(task.loss, traits.chain, smoothing)
    else:
        backend = AutogradBackend(task.loss, plan.stacked, traits.stochastic, smoothing)
    options = [spec.optimizer.options for spec in specs]
    size = None if first.train.batch_size == "full" else int(first.train.batch_size)
    steps_per_epoch = first.train.steps_per_epoch(len(task.train))
    optimizer = _optimizer(specs, cohort, steps_per_epoch)
    horizon = Horizon(first.train.epochs * steps_per_epoch, steps_per_epoch)
    settings = Settings(
        epochs=first.train.epochs,
        batch_size=size,
        shared_order=first.train.order == "shared",
        evaluate_every=first.train.evaluate_every,
        clip_norm=_clip_norm(specs, cohort.W),
        lr=[o.get("lr") for o in options],
        lr_scale=_lr_scale(specs, horizon, cohort.W),
        flops_per_example=traits.flops,
        augmented=_augmented(first, task),
        constraint=_constraint(specs, Setting(cohort, task, horizon.steps, steps_per_epoch)),
    )
    training = Training(cohort, task, backend, optimizer, settings)
    if rounds is not None and begun is not None:
        training.start_at(rounds.start.first_step(steps_per_epoch))
        for row, state in enumerate(begun):
            if state is not None:
                optimizer.load_row_state(row, state)
    return training, _warnings(first, cohort)


def _optimizer(specs: Sequence[RunSpec], cohort: Cohort, steps_per_epoch: int) -> RowOptimizer:
    options = [spec.optimizer.options for spec in specs]
    optimizer = bind_optimizer(specs[0].optimizer.name, cohort, options)
    averages = [spec.average for spec in specs if spec.average is not None]
    if not averages:
        return optimizer
    chosen = [average.options for average in averages]
    return average_iterates(averages[0].name, optimizer, cohort, chosen, steps_per_epoch)


def _augmented(spec: RunSpec, task: Task) -> Augmented | None:
    if spec.augment is None:
        return None
    return augment(task.train, spec.augment.name, spec.augment.options)


def _constraint(specs: Sequence[RunSpec], setting: Setting) -> Constraint | None:
    named = [spec.sparsity for spec in specs if spec.sparsity is not None]
    if not named:
        return None
    return bind_sparsity(named[0].name, setting, [each.options for each in named])


def _clip_norm(specs: Sequence[RunSpec], like: Tensor) -> float | Tensor | None:
    limits = [spec.train.clip_norm for spec in specs]
    if len(set(limits)) == 1:
        return limits[0]
    column = [float("inf") if limit is None else limit for limit in limits]
    return torch.tensor(column, dtype=like.dtype, device=like.device).unsqueeze(1)


def _lr_scale(
    specs: Sequence[RunSpec], horizon: Horizon, like: Tensor
) -> Callable[[int], float | Tensor]:
    """Return the schedule's factor: a number where all runs share it, else a column."""
    named = {
        schedule: build_schedule(schedule.name, schedule.options, horizon)
        for schedule in {spec.lr_schedule for spec in specs}
    }
    rounds = specs[0].rounds
    if rounds is not None and rounds.start.schedule == "last":
        named = {key: _constant(scale(horizon.steps - 1)) for key, scale in named.items()}
    if len(named) == 1:
        return next(iter(named.values()))
    scales = [named[spec.lr_schedule] for spec in specs]
    return lambda step: torch.tensor(
        [scale(step) for scale in scales], dtype=like.dtype, device=like.device
    ).unsqueeze(1)


def _constant(factor: float) -> Scale:
    return lambda step: factor


def _warnings(spec: RunSpec, cohort: Cohort) -> list[str]:
    rule = OPTIMIZERS[spec.optimizer.name].target
    if not isinstance(rule, Rule):
        return []
    if not rule.freezes_zeros(rule.options(**spec.optimizer.options)):
        return []
    zeros = {
        name: int((view[0] == 0).sum()) for name, view in cohort.layout.views(cohort.W).items()
    }
    where = [name for name, count in zeros.items() if count]
    total = sum(zeros.values())
    return [zero_warning(rule, total, f" ({', '.join(where)})")] if total else []
