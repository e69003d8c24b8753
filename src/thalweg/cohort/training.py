"""The training loop of a cohort."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from thalweg.cohort.backend import Evaluation, GradientBackend
from thalweg.cohort.capture import Capturable, CapturedStep
from thalweg.cohort.constraint import Constraint
from thalweg.cohort.cost import Cost
from thalweg.cohort.matrix import Cohort
from thalweg.cohort.optimizer import RowOptimizer
from thalweg.cohort.oracle import Asked, Oracle
from thalweg.cohort.order import epoch_order
from thalweg.data import Task
from thalweg.data.augmentation import Augmented

CUDA_CHECK_STEPS = 64
"""On CUDA a look at the losses waits for the device, so divergence is looked for this rarely."""


@dataclass(frozen=True)
class Settings:
    """How a cohort is trained.

    Attributes:
        epochs: Passes over the training split.
        batch_size: Examples a step; None for the whole split. The last batch of an epoch may be
            smaller.
        shared_order: All seeds see the order of seed 0, so that only initialisations differ.
        evaluate_every: Epochs between evaluations; the last epoch is always evaluated.
        clip_norm: Bound on each run's gradient norm, one or a column ``(K, 1)``; None for none.
        lr: Base learning rate of each run; None for an optimizer that has none.
        lr_scale: The schedule's factor at a step (from 0), one or a column ``(K, 1)``.
        flops_per_example: Operations of one example's gradient.
        augmented: The training examples with their variants, of which every epoch draws one an
            example; None for none.
        constraint: What the weights must satisfy as they train; None for none.
    """

    epochs: int
    batch_size: int | None
    shared_order: bool
    evaluate_every: int
    clip_norm: float | Tensor | None
    lr: Sequence[float | None]
    lr_scale: Callable[[int], float | Tensor]
    flops_per_example: float
    augmented: Augmented | None = None
    constraint: Constraint | None = None


class Listener:
    """Base of those that follow a training: progress, checkpoints, probes; override at will."""

    def on_start(self, training: "Training") -> None:
        """Training is about to begin, or to go on from a checkpoint."""

    def watches(self, step: int) -> bool:
        """Return whether `on_gradient` is wanted at a step, from 0."""
        return False

    def on_gradient(self, training: "Training") -> None:
        """The gradient of the current batch is known; the weights it was taken at still stand."""

    def on_step(self, training: "Training") -> None:
        """A step was taken."""

    def on_epoch(self, training: "Training") -> None:
        """An epoch has ended and, where due, was evaluated."""


class Training:
    """A cohort in training: the loop and all of its state.

    A run whose loss turns non-finite is frozen at the weights that produced it (on CUDA, where it
    is looked for only every 64 steps, at those it is found with) and keeps its ``diverged_step``;
    the other rows cannot be touched by it and go on.

    Attributes:
        cohort: The networks.
        task: What they learn, on the cohort's device.
        epoch: Epochs completed.
        step: Steps completed.
        costs: Cost of each run so far.
        metrics: Figures of each run, one dict an evaluated epoch (see
            `thalweg.store.results.METRICS`).
        diverged_step: Step at which each run's loss was first found non-finite, or None.
        diverged_loss: That loss, "nan", "inf" or "-inf", or None.
        oracle: The objective, with the current batch and its gradient.
    """

    def __init__(
        self,
        cohort: Cohort,
        task: Task,
        backend: GradientBackend,
        optimizer: RowOptimizer,
        settings: Settings,
    ) -> None:
        self.cohort = cohort
        self.task = task
        self.settings = settings
        self.epoch = 0
        self.step = 0
        self.costs = [Cost() for _ in range(cohort.rows)]
        self.metrics: list[list[dict[str, Any]]] = [[] for _ in range(cohort.rows)]
        self.diverged_step: list[int | None] = [None] * cohort.rows
        self.diverged_loss: list[str | None] = [None] * cohort.rows
        self._backend = backend
        self._optimizer = optimizer
        self._frozen: dict[int, Tensor] = {}
        self._stopped = False
        self._captured: dict[tuple[int, ...], CapturedStep] = {}
        self._clock = time.perf_counter()
        augmented = settings.augmented
        split = task.train if augmented is None else augmented.split
        constraint = settings.constraint
        view = constraint.view if constraint is not None and constraint.latent else None
        self.oracle = Oracle(cohort, backend, split, len(task.train), settings.clip_norm, view)
        self._listeners: Sequence[Listener] = ()

    @property
    def steps_per_epoch(self) -> int:
        size = self.settings.batch_size or len(self.task.train)
        return math.ceil(len(self.task.train) / size)

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.settings.epochs * self.steps_per_epoch

    @property
    def backend(self) -> GradientBackend:
        return self._backend

    @property
    def optimizer(self) -> RowOptimizer:
        return self._optimizer

    @property
    def finished(self) -> bool:
        """All epochs are done, no run is left to train, or no more is wanted."""
        everyone = len(self._frozen) == self.cohort.rows
        return self.epoch >= self.settings.epochs or everyone or self._stopped

    def stop(self) -> None:
        """End the training after the epoch under way."""
        self._stopped = True

    def start_at(self, step: int) -> None:
        """Let the training begin at a later step: schedule, data order and number of epochs are
        those of a training that has come so far.
        """
        self.step = step
        self.epoch = step // self.steps_per_epoch

    def run(self, *listeners: Listener) -> None:
        """Train to the end from wherever the state stands."""
        self._listeners = listeners
        for listener in listeners:
            listener.on_start(self)
        self._clock = time.perf_counter()
        if not self.metrics[0]:
            self._begin()
            self._record([])
        while not self.finished:
            train_loss = self._train_epoch(listeners)
            self.epoch += 1
            due = self.epoch % self.settings.evaluate_every == 0
            if due or self.epoch == self.settings.epochs:
                self._record(train_loss)
            self._charge_time()
            for listener in listeners:
                listener.on_epoch(self)

    def evaluate(self, split: str) -> Evaluation:
        """Evaluate every run, as it stands, on the named split."""
        with self.judged():
            return self._backend.evaluate(self.cohort, self.task.splits[split])

    def excuse(self, seconds: float) -> None:
        """Charge the runs nothing for so many of the last seconds: to be looked at is free."""
        self._clock += seconds

    @contextmanager
    def judged(self) -> Iterator[None]:
        """Let ``cohort.W`` hold the weights at which the runs are judged, such as an average of the
        iterates, for the time of the context. Rows that have diverged keep theirs.
        """
        judged, constraint = self._optimizer.evaluated(), self.settings.constraint
        latent = constraint is not None and constraint.latent
        if judged is None and not latent:
            yield
            return
        W = self.cohort.W
        iterate = W.clone()
        if judged is not None:
            W.copy_(judged)
            for row in self._frozen:
                W[row] = iterate[row]
        self._hold()
        if constraint is not None and latent:
            W.copy_(constraint.view(W))
        try:
            yield
        finally:
            W.copy_(iterate)

    def seconds_per_epoch(self, steps: int = 4) -> float:
        """Measure how long an epoch takes, by a few steps and one evaluation.

        The weights are changed by it: for a training that is thrown away.
        """
        order = self._order().to(self.cohort.W.device)
        size = self.settings.batch_size or len(self.task.train)
        self._take_step(order[..., :size])  # the first step allocates
        clock = time.perf_counter()
        for _ in range(steps):
            self._take_step(order[..., :size])
        step = (time.perf_counter() - clock) / steps
        clock = time.perf_counter()
        self.evaluate("test")
        share = (time.perf_counter() - clock) / len(self.task.test)
        held_out = sum(len(split) for split in self.task.splits.values()) - len(self.task.train)
        return step * self.steps_per_epoch + share * held_out / self.settings.evaluate_every

    def row_state(self, row: int) -> dict[str, Any]:
        """Return all that one run needs to go on from here, as a tree (see `checkpoint`)."""
        constraint = self.settings.constraint
        return {
            "weights": self.cohort.state(row),
            "mask": None if self.cohort.mask is None else self.cohort.mask[row].clone(),
            "optimizer": self._optimizer.row_state(row),
            "epoch": self.epoch,
            "step": self.step,
            "cost": self.costs[row].as_dict(),
            "metrics": copy.deepcopy(self.metrics[row]),
            "diverged_step": self.diverged_step[row],
            "diverged_loss": self.diverged_loss[row],
            "constraint": constraint and constraint.row_state(row),
        }

    def load_row_state(self, row: int, state: dict[str, Any]) -> None:
        """Take up the state that `row_state` returned; every row must come from the same epoch."""
        self.cohort.load_state(row, state["weights"])
        if state.get("mask") is not None:
            mask = self.cohort.open_mask()
            mask[row] = state["mask"]
            self.cohort.mask = mask
        if self.settings.constraint is not None:
            self.settings.constraint.load_row_state(row, state["constraint"])
        self._optimizer.load_row_state(row, state["optimizer"])
        self.epoch, self.step = state["epoch"], state["step"]
        self.costs[row] = Cost(**state["cost"])
        self.metrics[row] = copy.deepcopy(state["metrics"])
        self.diverged_step[row] = state["diverged_step"]
        self.diverged_loss[row] = state.get("diverged_loss")  # older checkpoints have none
        if state["diverged_step"] is not None:
            self._frozen[row] = self.cohort.W[row].clone()
            self.oracle.frozen.add(row)

    def _train_epoch(self, listeners: Sequence[Listener]) -> list[float]:
        """Take one epoch's steps; return each run's mean loss over its minibatches."""
        N, device = len(self.task.train), self.cohort.W.device
        size = self.settings.batch_size or N
        order = self._order().to(device)
        total = torch.zeros(self.cohort.rows, dtype=torch.float64, device=device)
        first = (self.step - self.epoch * self.steps_per_epoch) * size
        for start in range(first, N, size):
            index = order[..., start : start + size]
            losses = self._take_step(index)
            total += losses * index.shape[-1]
            self.step += 1
            last = start + size >= N
            if device.type == "cuda" and (last or self.step % CUDA_CHECK_STEPS == 0):
                self._freeze(total)
            for listener in listeners:
                listener.on_step(self)
            if len(self._frozen) == self.cohort.rows:
                break
        return (total / (N - first)).tolist()

    def _order(self) -> Tensor:
        N = len(self.task.train)
        seeds = (0,) if self.settings.shared_order else self.cohort.seeds
        if self.settings.batch_size is None or self.settings.batch_size >= N:
            order = torch.arange(N)  # a mean over the whole split has no order
        else:
            order = epoch_order(seeds, self.epoch, N)
        if self.settings.augmented is None:
            return order
        drawn = self.settings.augmented.draw(seeds, self.epoch)
        return order + (
            drawn[order] if drawn.ndim == 1 else drawn.gather(1, order.expand_as(drawn))
        )

    def _take_step(self, index: Tensor) -> Tensor:
        scale = self.settings.lr_scale(self.step)
        optimizer, constraint = self._optimizer, self.settings.constraint
        watched = [each for each in self._listeners if each.watches(self.step)]
        capturable = index.is_cuda and self._backend.capturable and constraint is None
        capturable = capturable and not watched
        if capturable and isinstance(optimizer, Capturable) and optimizer.capturable:
            losses = self._take_captured_step(optimizer, index, scale)
        else:
            losses = self.oracle.draw(index, self.step)
            if not index.is_cuda:
                self._freeze(losses)
            for listener in watched:
                listener.on_gradient(self)
            mask = self.cohort.mask
            if constraint is not None:
                constraint.before_step(self.cohort, self.oracle, self.step)
                mask = self._renew(mask)
            optimizer.step(scale, self.oracle)
            if constraint is not None:
                constraint.after_step(self.cohort, self.step + 1, self._lr(scale))
                self._renew(mask)
            self._hold()
        for row, weights in self._frozen.items():
            self.cohort.W[row] = weights
        asked, size = self.oracle.asked, index.shape[-1]
        for row, cost in enumerate(self.costs):
            if row not in self._frozen:
                cost.add(asked[row], size, self.settings.flops_per_example)
        return losses

    def _take_captured_step(
        self, optimizer: Capturable, index: Tensor, scale: float | Tensor
    ) -> Tensor:
        optimizer.advance(scale)
        shape = tuple(index.shape)
        if shape not in self._captured:

            def body(static_index: Tensor) -> Tensor:
                losses = self.oracle.draw(static_index, self.step)
                optimizer.apply()
                self.cohort.hold_mask()
                return losses

            changed = [self.cohort.W, *optimizer.tensors(), *self.cohort.buffers.values()]
            self._captured[shape] = CapturedStep(body, index, changed)
        losses = self._captured[shape](index)
        # A replay counts nothing.
        self.oracle.asked = [Asked(index.shape[-1], 1)] * self.cohort.rows
        return losses

    def _hold(self) -> None:
        """Hold the weights to the mask and the constraint."""
        self.cohort.hold_mask()
        if self.settings.constraint is not None:
            self.settings.constraint.hold(self.cohort.W)

    def _begin(self) -> None:
        """Let the constraint act on the initial weights."""
        if self.settings.constraint is not None:
            mask = self.cohort.mask
            self.settings.constraint.begin(self.cohort, self.oracle)
            self._renew(mask)
        self._hold()

    def _renew(self, before: Tensor | None) -> Tensor | None:
        """Start the optimizer's state anew where the mask has changed; return the mask."""
        mask = self.cohort.mask
        if mask is not None and mask is not before:
            self._optimizer.renew(~mask if before is None else mask ^ before)
        return mask

    def _lr(self, scale: float | Tensor) -> float | Tensor:
        """Return the runs' learning rates, 1 for an optimizer that has none."""
        base = [1.0 if lr is None else lr for lr in self.settings.lr]
        if len(set(base)) == 1:
            return base[0] * scale
        return self.cohort.W.new_tensor(base).unsqueeze(1) * scale

    def _freeze(self, losses: Tensor) -> None:
        """Freeze the runs whose loss is not finite, at the weights they have now."""
        finite = torch.isfinite(losses)
        if bool(finite.all()):
            return
        for row in (~finite).nonzero().flatten().tolist():
            if row not in self._frozen:
                self._frozen[row] = self.cohort.W[row].clone()
                self.diverged_step[row] = self.step
                self.diverged_loss[row] = str(losses[row].item())
                self.oracle.frozen.add(row)
                self.cohort.G[row] = 0

    def _charge_time(self) -> None:
        """Charge every run its share of the time since it was last charged."""
        now = time.perf_counter()
        for cost in self.costs:
            cost.seconds += (now - self._clock) / self.cohort.rows
        self._clock = now

    def _record(self, train_loss: list[float]) -> None:
        """Evaluate all runs and note their figures; one that is no longer finite is frozen."""
        held_out = {name: self.evaluate(name) for name in self.task.splits if name != "train"}
        self._charge_time()
        for evaluation in held_out.values():
            self._freeze(evaluation.loss)
        scale = self.settings.lr_scale(max(self.step - 1, 0))
        scales = scale.flatten().tolist() if isinstance(scale, Tensor) else [scale]
        for row, figures in enumerate(self.metrics):
            if row in self._frozen:
                continue
            lr = self.settings.lr[row]
            entry: dict[str, Any] = {
                "epoch": self.epoch,
                "step": self.step,
                "lr": None if lr is None else lr * scales[row % len(scales)],
                "train_loss": train_loss[row] if train_loss else None,
                **self.costs[row].as_dict(),
            }
            for split, evaluation in held_out.items():
                entry[f"{split}_loss"] = evaluation.loss[row].item()
                if evaluation.accuracy is not None:
                    entry[f"{split}_accuracy"] = evaluation.accuracy[row].item()
            figures.append(entry)
