"""Train one cohort from spec to store."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from thalweg.execute.models import build_spec_model, find_traits, load_named_task
from thalweg.execute.options import Resources
from thalweg.execute.rounds import END, Wanted, begin_round, lacking, snapshot_step
from thalweg.optim.as_torch import zero_warning
from thalweg.optim.averaging import average_iterates
from thalweg.optim.registry import OPTIMIZERS, bind_optimizer
from thalweg.optim.rule import Rule
from thalweg.optim.schedules import Horizon, Scale, build_schedule
from thalweg.sparsity import Setting, bind_sparsity
from thalweg.sparsity.outcome import describe
from thalweg.spec import RunSpec
from thalweg.store import RunDirectory, Store, common_checkpoint
from thalweg.store.provenance import machine, source_hash, versions
from thalweg.validation import brief

CHECKPOINT_SECONDS = 1.0
"""Epochs shorter than this share a checkpoint: what a kill can cost is an epoch or a second."""

Notify = Callable[[dict[str, Any]], None]
"""Receives events: {"event": "epoch", "epoch": …, "epochs": …, "loss": …}."""


@contextmanager
def claimed(specs: Sequence[RunSpec], store: Store, wanted: Wanted) -> Iterator[list[RunSpec]]:
    """Lock the runs that no other process is training and that are not complete, or lack a snapshot
    that is wanted of them.
    """
    with ExitStack() as stack:
        mine = []
        for spec in specs:
            lock = store.run(spec.id).try_lock()
            if lock is None:
                continue
            stack.callback(lock.release)
            run = store.run(spec.id)
            if not run.is_complete() or lacking(run, wanted):
                mine.append(spec)
        yield mine


def train_cohort(
    specs: Sequence[RunSpec],
    plan: Plan,
    store: Store,
    resources: Resources,
    notify: Notify,
    wanted: Wanted | None = None,
) -> None:
    """Train the runs of a cohort that are not complete and not in another process's hands.

    A failure of the work itself (a stranger's optimizer raising, say) is recorded with every run
    of the cohort and does not spread; a store that cannot be written raises.

    Args:
        specs: The runs, all of one `cohort_key`; complete ones, if of them alone, only lack
            snapshots and are trained again as far as these need.
        plan: How they are computed.
        store: Where they lie.
        resources: Where to compute.
        notify: Told of every epoch.
        wanted: Snapshots that runs must leave for others.

    Raises:
        ThalwegError: The store cannot be written.
    """
    wanted = wanted or {}
    with claimed(specs, store, wanted) as mine:
        if not mine:
            return
        if all(store.run(spec.id).is_complete() for spec in mine):
            _train_again(mine, plan, store, resources, notify, wanted)
            return
        runs = [store.run(spec.id) for spec in mine]
        ids = [spec.id for spec in mine]
        for spec, run in zip(mine, runs, strict=True):
            run.begin(spec.canonical(), ids)
        try:
            training, warnings = prepare(mine, plan, resources, store)
            epoch = common_checkpoint(runs)
            if epoch is not None:
                for row, run in enumerate(runs):
                    training.load_row_state(row, run.load_checkpoint(epoch))
        except Exception as error:
            _fail(runs, error)
            return
        keeper = _Keeper(runs, notify, wanted)
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
        _finish(training, mine, runs, record)


def _train_again(
    specs: Sequence[RunSpec],
    plan: Plan,
    store: Store,
    resources: Resources,
    notify: Notify,
    wanted: Wanted,
) -> None:
    """Train complete runs again for the snapshots they lack, which were wanted after they ended."""
    training, _ = prepare(specs, plan, resources, store)
    keeper = _Keeper([store.run(spec.id) for spec in specs], notify, wanted, checkpoints=False)
    training.run(keeper)


class _StoreError(Exception):
    """A checkpoint could not be written: the study stops, the run is not to blame."""


@contextmanager
def _stops_the_study() -> Iterator[None]:
    try:
        yield
    except ThalwegError as error:
        raise _StoreError(str(error)) from error


class _Keeper(Listener):
    """Saves checkpoints and the snapshots wanted by other runs, and reports progress.

    Args:
        runs: The cohort's.
        notify: Told of every epoch.
        wanted: Snapshots by run.
        checkpoints: Save checkpoints; without, the training ends with the last snapshot.
    """

    def __init__(
        self,
        runs: Sequence[RunDirectory],
        notify: Notify,
        wanted: Wanted,
        checkpoints: bool = True,
    ) -> None:
        self._runs = runs
        self._notify = notify
        self._lacking = [lacking(run, wanted) for run in runs]
        self._checkpoints = checkpoints
        self._saved = time.monotonic()

    def on_start(self, training: Training) -> None:
        self._tell(training)

    def on_step(self, training: Training) -> None:
        if any(self._lacking):
            self._save_snapshots(training)

    def on_epoch(self, training: Training) -> None:
        now = time.monotonic()
        if training.finished or now - self._saved >= CHECKPOINT_SECONDS:
            self._saved = now
            if self._checkpoints:
                self._save(training)
            self._tell(training)

    def _save_snapshots(self, training: Training) -> None:
        last = training.step == training.settings.epochs * training.steps_per_epoch
        for row, (run, names) in enumerate(zip(self._runs, self._lacking, strict=True)):
            for name in list(names):
                if last if name == END else training.step == snapshot_step(name, training):
                    names.remove(name)
                    state = training.row_state(row)
                    with _stops_the_study():
                        run.save_snapshot(name, {k: state[k] for k in ("weights", "optimizer")})
        if not self._checkpoints and not any(self._lacking):
            training.stop()

    def _save(self, training: Training) -> None:
        with _stops_the_study():
            for row, run in enumerate(self._runs):
                run.save_checkpoint(training.epoch, training.row_state(row))
            for run in self._runs:
                run.drop_checkpoints(keep=training.epoch)

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
        spec.schedule: build_schedule(spec.schedule.name, spec.schedule.options, horizon)
        for spec in specs
    }
    rounds = specs[0].rounds
    if rounds is not None and rounds.start.schedule == "last":
        named = {key: _constant(scale(horizon.steps - 1)) for key, scale in named.items()}
    if len(named) == 1:
        return next(iter(named.values()))
    scales = [named[spec.schedule] for spec in specs]
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


def _fail(runs: Sequence[RunDirectory], error: Exception) -> None:
    text = brief(error)
    if not isinstance(error, ThalwegError):
        text = f"{type(error).__name__}: {text}"
    for run in runs:
        run.fail(text, "".join(format_exception(error)))


def _finish(
    training: Training,
    specs: Sequence[RunSpec],
    runs: Sequence[RunDirectory],
    record: dict[str, Any],
) -> None:
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
        with training.judged():
            weights = training.cohort.state(row)
            sparsity = _sparsity(training, specs[row], row)
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
            **sparsity,
            **record,
        }
        masks = _masks(training, specs[row], row, weights)
        run.finish(status, training.metrics[row], confusion, weights, masks)
    for run in runs:
        run.drop_checkpoints()


def _sparsity(training: Training, spec: RunSpec, row: int) -> dict[str, Any]:
    """Return what is recorded of a run's sparsity; nothing for a run without one."""
    if spec.sparsity is None:
        return {}
    names = spec.sparsity_options.names(training.cohort.module)
    found = describe(training.cohort, row, names, training.task.shape)
    constraint = training.settings.constraint
    extra = {} if constraint is None else constraint.figures(row)
    return {"sparsity": {"round": spec.round, **found, **extra}}


def _masks(
    training: Training, spec: RunSpec, row: int, weights: Mapping[str, Tensor]
) -> dict[str, Tensor] | None:
    """Return the mask that a run ends with, of the parameters that its sparsity is about; where
    none was held, it is that of the weights that are not 0.
    """
    if spec.sparsity is None:
        return None
    names = spec.sparsity_options.names(training.cohort.module)
    mask = training.cohort.mask
    if mask is None:
        return {name: weights[name] != 0 for name in names}
    views = training.cohort.layout.views(mask[row])
    return {name: views[name] for name in names}
