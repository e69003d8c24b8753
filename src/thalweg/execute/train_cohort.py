"""Train one cohort from spec to store."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from math import isfinite
from traceback import format_exception
from typing import Any

import torch
from torch import Tensor

from thalweg.cohort import (
    AutogradBackend,
    Cohort,
    Constraint,
    GradientBackend,
    Listener,
    NativeBackend,
    RowOptimizer,
    Settings,
    Training,
)
from thalweg.cohort.planner import Plan
from thalweg.data import Task
from thalweg.data.augmentation import Augmented, augment
from thalweg.errors import ThalwegError
from thalweg.execute.grouping import build_spec_model, find_traits, load_named_task
from thalweg.execute.options import Resources
from thalweg.optim.as_torch import zero_warning
from thalweg.optim.averaging import average_iterates
from thalweg.optim.registry import OPTIMIZERS, bind_optimizer
from thalweg.optim.rule import Rule
from thalweg.optim.schedules import Horizon, build_schedule
from thalweg.sparsity import Setting, bind_sparsity
from thalweg.spec import RunSpec
from thalweg.store import RunDirectory, Store, common_checkpoint
from thalweg.store.provenance import machine, source_hash, versions
from thalweg.validation import brief

CHECKPOINT_SECONDS = 1.0
"""Epochs shorter than this share a checkpoint: what a kill can cost is an epoch or a second."""

Notify = Callable[[dict[str, Any]], None]
"""Receives events: {"event": "epoch", "epoch": …, "epochs": …, "loss": …}."""


@contextmanager
def claimed(specs: Sequence[RunSpec], store: Store) -> Iterator[list[RunSpec]]:
    """Lock the runs that no other process is training and that are not complete."""
    with ExitStack() as stack:
        mine = []
        for spec in specs:
            lock = store.run(spec.id).try_lock()
            if lock is None:
                continue
            stack.callback(lock.release)
            if not store.run(spec.id).is_complete():
                mine.append(spec)
        yield mine


def train_cohort(
    specs: Sequence[RunSpec], plan: Plan, store: Store, resources: Resources, notify: Notify
) -> None:
    """Train the runs of a cohort that are not complete and not in another process's hands.

    A failure of the work itself (a stranger's optimizer raising, say) is recorded with every run
    of the cohort and does not spread; a store that cannot be written raises.

    Raises:
        ThalwegError: The store cannot be written.
    """
    with claimed(specs, store) as mine:
        if not mine:
            return
        runs = [store.run(spec.id) for spec in mine]
        ids = [spec.id for spec in mine]
        for spec, run in zip(mine, runs, strict=True):
            run.begin(spec.canonical(), ids)
        try:
            training, warnings = prepare(mine, plan, resources)
            epoch = common_checkpoint(runs)
            if epoch is not None:
                for row, run in enumerate(runs):
                    training.load_row_state(row, run.load_checkpoint(epoch))
        except Exception as error:
            _fail(runs, error)
            return
        keeper = _Keeper(runs, notify)
        try:
            training.run(keeper)
        except _StoreError as error:
            raise ThalwegError(str(error)) from error
        except Exception as error:
            _fail(runs, error)
            return
        record = {
            "backend": plan.backend,
            "reason": plan.reason,
            "device": resources.device,
            "threads": resources.threads,
            "rows": len(runs),
            "source": source_hash(),
            "versions": versions(),
            "machine": machine(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "warnings": warnings,
        }
        _finish(training, runs, record)


class _StoreError(Exception):
    """A checkpoint could not be written: the study stops, the run is not to blame."""


class _Keeper(Listener):
    """Saves checkpoints and reports progress."""

    def __init__(self, runs: Sequence[RunDirectory], notify: Notify) -> None:
        self._runs = runs
        self._notify = notify
        self._saved = time.monotonic()

    def on_start(self, training: Training) -> None:
        self._tell(training)

    def on_epoch(self, training: Training) -> None:
        now = time.monotonic()
        if training.finished or now - self._saved >= CHECKPOINT_SECONDS:
            self._saved = now
            self._save(training)
            self._tell(training)

    def _save(self, training: Training) -> None:
        try:
            for row, run in enumerate(self._runs):
                run.save_checkpoint(training.epoch, training.row_state(row))
            for run in self._runs:
                run.drop_checkpoints(keep=training.epoch)
        except ThalwegError as error:
            raise _StoreError(str(error)) from error

    def _tell(self, training: Training) -> None:
        losses = [metrics[-1].get("test_loss") for metrics in training.metrics if metrics]
        best = min((loss for loss in losses if loss is not None), default=None)
        self._notify(
            {
                "event": "epoch",
                "epoch": training.epoch,
                "epochs": training.settings.epochs,
                "loss": best,
            }
        )


def prepare(
    specs: Sequence[RunSpec], plan: Plan, resources: Resources
) -> tuple[Training, list[str]]:
    """Build a cohort at its initial weights, ready to train, and what the user should be told."""
    device = torch.device(resources.device)
    first = specs[0]
    task = load_named_task(first.task, resources.data).to(device)
    modules = [build_spec_model(spec, task) for spec in specs]
    traits = find_traits(first.task, first.model, resources.data)
    cohort = Cohort(modules, [spec.seed for spec in specs], device)
    smoothing = first.train.label_smoothing or 0.0
    if plan.backend == "native" and traits.chain is not None:
        backend: GradientBackend = NativeBackend(task.loss, traits.chain, smoothing)
    else:
        backend = AutogradBackend(task.loss, plan.stacked, traits.stochastic, smoothing)
    options = [spec.optimizer.options for spec in specs]
    size = None if first.train.batch_size == "full" else int(first.train.batch_size)
    steps_per_epoch = -(-len(task.train) // (size or len(task.train)))
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
    return Training(cohort, task, backend, optimizer, settings), _warnings(first, cohort)


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
        spec.schedule: build_schedule(spec.schedule.name, spec.schedule.options, horizon)
        for spec in specs
    }
    if len(named) == 1:
        return next(iter(named.values()))
    scales = [named[spec.schedule] for spec in specs]
    return lambda step: torch.tensor(
        [scale(step) for scale in scales], dtype=like.dtype, device=like.device
    ).unsqueeze(1)


def _warnings(spec: RunSpec, cohort: Cohort) -> list[str]:
    rule = OPTIMIZERS[spec.optimizer.name].target
    if not (isinstance(rule, Rule) and rule.freezes_zeros):
        return []
    zeros = {
        name: int((view[0] == 0).sum()) for name, view in cohort.layout.views(cohort.W).items()
    }
    where = [name for name, count in zeros.items() if count]
    total = sum(zeros.values())
    return [zero_warning(rule, total, f" ({', '.join(where)})")] if total else []


def _fail(runs: Sequence[RunDirectory], error: Exception) -> None:
    text = brief(error)
    if not isinstance(error, ThalwegError):
        text = f"{type(error).__name__}: {text}"
    for run in runs:
        run.fail(text, "".join(format_exception(error)))


def _finish(training: Training, runs: Sequence[RunDirectory], record: dict[str, Any]) -> None:
    final = {name: training.evaluate(name) for name in training.task.splits}
    for row, run in enumerate(runs):
        losses = [evaluation.loss[row].item() for evaluation in final.values()]
        diverged = training.diverged_step[row] is not None or not all(map(isfinite, losses))
        figures: dict[str, Any] = {}
        confusion: list[dict[str, int]] = []
        if not diverged:
            for split, evaluation in final.items():
                figures[f"{split}_loss"] = evaluation.loss[row].item()
                if evaluation.accuracy is not None:
                    figures[f"{split}_accuracy"] = evaluation.accuracy[row].item()
            if (counts := final["test"].confusion) is not None:
                confusion = [
                    {"true": i, "predicted": j, "count": count}
                    for i, line in enumerate(counts[row].tolist())
                    for j, count in enumerate(line)
                ]
        cost = training.costs[row]
        status = {
            "status": "diverged" if diverged else "done",
            "diverged_step": training.diverged_step[row],
            "epochs": training.epoch,
            "steps": training.step,
            "parameters": training.cohort.layout.size,
            **cost.as_dict(),
            "task": training.task.name,
            "class_names": list(training.task.class_names),
            **figures,
            **record,
        }
        with training.judged():
            weights = training.cohort.state(row)
        run.finish(status, training.metrics[row], confusion, weights)
    for run in runs:
        run.drop_checkpoints()
