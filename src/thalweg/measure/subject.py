"""What is measured: networks of one architecture, and the examples they are measured on."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from thalweg.cohort import AutogradBackend, Cohort, GradientBackend, NativeBackend
from thalweg.cohort.backend import Batch
from thalweg.cohort.layout import constants, trainable
from thalweg.cohort.planner import examine
from thalweg.data import Split, Task
from thalweg.errors import InputError
from thalweg.measure.origin import Origin
from thalweg.randomness import generator

AT_ONCE = 64
"""Networks that are evaluated together."""

CHUNK = 1000
"""Examples a pass, which bounds the memory of activations."""


@dataclass(frozen=True)
class Losses:
    """Figures of R networks on the examples of a subject, float64.

    Attributes:
        loss: Mean loss, ``(R,)``.
        accuracy: ``(R,)``; NaN for regression.
        by_class: Mean loss of each class's examples, ``(R, C)``, NaN for a class that has none;
            None where it was not asked for, and for regression.
    """

    loss: Tensor
    accuracy: Tensor
    by_class: Tensor | None


@dataclass(frozen=True)
class Subject:
    """Networks at their weights, and examples of a task. Nothing here changes either.

    Attributes:
        cohort: The networks, a row each.
        task: What they have learnt.
        backend: Computes their losses, gradients and products with curvature matrices.
        split: Where the examples lie.
        index: Numbers of the examples in the split, ascending, ``(N,)``.
        seed: Root of what is drawn: the examples of a sample, and the solvers' start vectors.
        origins: Where each network comes from; empty where nothing is known.
    """

    cohort: Cohort
    task: Task
    backend: GradientBackend
    split: Split
    index: Tensor
    seed: int
    origins: Sequence[Origin] = ()
    _copies: dict[int, Cohort] = field(default_factory=dict, init=False, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        model: nn.Module | Sequence[nn.Module],
        task: Task,
        examples: int | None = None,
        split: str = "train",
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        origins: Sequence[Origin] = (),
    ) -> "Subject":
        """Take copies of networks as they are.

        The compiled kernels compute them where they can, else autograd. A network is measured in
        the mode it is in; in training mode it must neither draw random numbers nor change itself.

        Args:
            model: A network, or several of one architecture.
            task: The data and the loss: the mean over examples, without label smoothing or weight
                decay.
            examples: So many of the split, drawn without replacement; None for all.
            split: "train", "validation" or "test".
            seed: Root of what is drawn.
            dtype: Precision of all arithmetic.
            origins: Where each network comes from; none where nothing is known.

        Raises:
            InputError: The networks do not fit the task or each other, have weights that are not
                finite, or two passes over the same examples differ.
        """
        modules = [model] if isinstance(model, nn.Module) else list(model)
        if split not in task.splits:
            raise InputError(f"split = {split!r}: must be one of {', '.join(task.splits)}")
        device = next(modules[0].parameters()).device
        chosen = task.to(device, dtype)
        cohort = Cohort(modules, range(len(modules)), device, dtype)
        if not cohort.W.isfinite().all():
            raise InputError("the weights are not finite; nothing can be measured of them")
        data = chosen.splits[split]
        index = sample_of(len(data), examples, seed).to(device)
        backend = _backend(modules[0], chosen, modules[0].training)
        subject = cls(cohort, chosen, backend, data, index, seed, origins)
        subject._check_determinism()
        return subject

    @classmethod
    def watching(
        cls,
        cohort: Cohort,
        task: Task,
        examples: int | None = None,
        split: str = "train",
        seed: int = 0,
    ) -> "Subject":
        """Return a subject of networks in training, as evaluation has them; see `moved`.

        Raises:
            InputError: There are fewer examples than asked for.
        """
        data = task.splits[split]
        index = sample_of(len(data), examples, seed).to(cohort.W.device)
        backend = _backend(cohort.module, task, training=False)
        return cls(cohort, task, backend, data, index, seed).moved(cohort, cohort.W.clone())

    def moved(self, cohort: Cohort, W: Tensor) -> "Subject":
        """Return a subject of the same examples and of networks as they are now.

        Args:
            cohort: The networks, which may train on.
            W: Weights ``(K, D)`` to measure them at.
        """
        rows = torch.arange(len(W), device=W.device)
        return replace(self, cohort=cohort.elsewhere(W, rows))

    @property
    def examples(self) -> int:
        """N, how many examples are measured on."""
        return len(self.index)

    def origin(self, row: int) -> Origin:
        """Return where a network comes from."""
        return self.origins[row] if self.origins else Origin()

    @property
    def sampled(self) -> float:
        """The fraction of the split that these examples are."""
        return self.examples / len(self.split)

    def network(self, row: int) -> nn.Module:
        """Return a copy of one of the networks, in evaluation mode."""
        module = copy.deepcopy(self.cohort.module)
        # A state dict would lack buffers that are not saved, and name a tied parameter twice.
        own = {**trainable(module), **constants(module)}
        for name, tensor in self.cohort.state(row).items():
            own[name].data.copy_(tensor)
        return module.eval()

    def batches(self, size: int = CHUNK) -> list[Batch]:
        """Return the examples in batches; the last may be smaller."""
        return [Batch(self.split, part, 0) for part in self.index.split(size)]

    def copies(self, times: int) -> Cohort:
        """Return a cohort with each network so many times, for as many directions at once."""
        if times not in self._copies:
            self._copies.clear()
            self._copies[times] = self.cohort.repeated(times)
        return self._copies[times]

    def loss(self, W: Tensor | None = None) -> Tensor:
        """Return the mean loss of each network, float64 ``(K,)``.

        Args:
            W: Other weights ``(K, D)`` to take it at; None for the networks' own.
        """
        cohort = self.copies(1) if W is None else self.at(W)
        parts = [
            self.backend.losses(cohort, batch).double() * (batch.size / self.examples)
            for batch in self.batches()
        ]
        return torch.stack(parts).sum(0)

    def losses_at(self, parts: Iterable[Tensor], row: int = 0, by_class: bool = False) -> Losses:
        """Return loss and accuracy of one of the networks at other weights.

        Args:
            parts: Weights ``(R, D)``, some rows at a time: see `AT_ONCE`.
            row: Of the network whose buffers they go with.
            by_class: Take the loss of each class's examples too, in the same passes.
        """
        found = []
        for part in parts:
            rows = torch.full((len(part),), row, device=part.device)
            there = self.cohort.elsewhere(part.contiguous(), rows)
            found.append(self.backend.evaluate(there, self._whole, by_class))
        loss = torch.cat([each.loss for each in found])
        accuracies = [each.accuracy for each in found if each.accuracy is not None]
        classes = [each.class_loss for each in found if each.class_loss is not None]
        return Losses(
            loss,
            torch.cat(accuracies) if accuracies else torch.full_like(loss, torch.nan),
            torch.cat(classes) if classes else None,
        )

    @cached_property
    def _whole(self) -> Split:
        """The examples as a split of their own; one, since a backend keeps what it has seen."""
        return self.split.subset(self.index)

    def gradient(self, W: Tensor | None = None) -> Tensor:
        """Return the gradient of each network's mean loss, ``(K, D)``.

        Args:
            W: Other weights ``(K, D)`` to take it at; None for the networks' own.
        """
        cohort = self.copies(1) if W is None else self.at(W)
        total = torch.zeros_like(cohort.W)
        for batch in self.batches():
            self.backend.gradient(cohort, batch)
            total.add_(cohort.G, alpha=batch.size / self.examples)
        return total

    def at(self, W: Tensor) -> Cohort:
        """Return the networks at other weights ``(K, D)``."""
        rows = torch.arange(self.cohort.rows, device=W.device)
        return self.cohort.elsewhere(W, rows)

    def _check_determinism(self) -> None:
        batch = self.batches(min(CHUNK, 100))[0]
        first, second = (self.backend.losses(self.copies(1), batch) for _ in range(2))
        if not torch.equal(first, second):
            raise InputError(
                "the network's loss differs between two passes over the same examples; what is "
                "measured must be a function of the weights (eval() switches dropout off)"
            )


def sample_of(available: int, examples: int | None, seed: int) -> Tensor:
    """Return the numbers of examples drawn without replacement, ascending; None for all.

    Raises:
        InputError: There are fewer than asked for.
    """
    if examples is None or examples == available:
        return torch.arange(available)
    if not 1 <= examples <= available:
        raise InputError(f"examples = {examples}: must be from 1 to the {available} there are")
    order = torch.randperm(available, generator=generator(seed, "probe"))
    return order[:examples].sort().values


def _backend(module: nn.Module, task: Task, training: bool) -> GradientBackend:
    module = copy.deepcopy(module).cpu().float()
    try:
        traits = examine(module, task.shape)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"the network does not fit task {task.name!r}: {reason}") from None
    if training and (traits.stochastic or traits.changing):
        raise InputError(
            f"the network: {traits.unstackable}; call eval() on it, so that it is a function of "
            "its weights"
        )
    if traits.chain is not None and task.train.inputs.device.type == "cpu":
        return NativeBackend(task.loss, traits.chain)
    return AutogradBackend(task.loss, stacked=False, training=training)
