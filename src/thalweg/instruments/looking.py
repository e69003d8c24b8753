"""Looks at a step that is taken elsewhere, by the instruments of a training of our own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from thalweg.cohort import Oracle, Settings, Training
from thalweg.data import Split, Task
from thalweg.errors import InputError
from thalweg.instruments.backend import OwnLossBackend
from thalweg.instruments.examples import Examples, Library, Loss, examples_of
from thalweg.instruments.needs import COSTS, NEEDS, TOLD, left_out
from thalweg.instruments.network import WatchedNetwork
from thalweg.instruments.stability import ElsewhereStepped
from thalweg.measure.dynamics.options import DynamicsOptions
from thalweg.measure.dynamics.watch import EXAMPLES, DynamicsWatcher
from thalweg.measure.subject import Subject, sample_of
from thalweg.measure.watcher import Values

TRAIN, HELD_OUT, BATCHES = range(3)
"""Places in the library; the batches of a step are from the last on."""


@dataclass(frozen=True)
class Batch:
    """What a loop tells of one backward pass.

    Attributes:
        examples: Of the batch; None if they were not given.
        loss: Mean over them; None if it was not given.
    """

    examples: Examples | None
    loss: Tensor | None


@dataclass(frozen=True)
class Clipping:
    """How a gradient was clipped.

    Attributes:
        norm: Before it was.
        limit: To which it was cut.
    """

    norm: Tensor
    limit: float


class Looking:
    """A network trained elsewhere, put before the instruments as a cohort of one.

    Args:
        model: The network.
        optimizer: What steps.
        options: Which instruments.
        sample: How many training examples they look at, at most; None for `EXAMPLES`.
        loss: Of outputs and targets.
        train: Training examples; see `examples_of`.
        validation: Held-out examples whose targets are classes, likewise.

    Raises:
        InputError: Something of these is wrong.

    Attributes:
        network: The network's copy.
        lacking: Instruments that are not read, each with what they lack, as far as is known.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        options: DynamicsOptions,
        sample: int | None,
        loss: Loss | None,
        train: Any,
        validation: Any,
    ) -> None:
        self._options = options
        self._library = Library(loss)
        self.network = WatchedNetwork(model, optimizer, self._library)
        self._optimizer = ElsewhereStepped(optimizer, self.network)
        needed = {need for name in options.names for need in NEEDS[name]}
        self._subject: Subject | None = None
        self._held_out: Split | None = None
        wanted = sample or EXAMPLES
        if train is not None and "train" in needed:
            own = examples_of(train, wanted, self.network.device, "train")
            index = sample_of(len(own), sample or min(EXAMPLES, len(own)), 0)
            self._subject = self._subject_of(self._library.put(TRAIN, own), index)
        if validation is not None and "validation" in needed:
            every = examples_of(validation, 1 << 62, self.network.device, "validation")
            classes = every.targets
            if not isinstance(classes, Tensor) or classes.ndim != 1 or classes.is_floating_point():
                raise InputError("validation: must have targets that are classes, one an example")
            self._held_out = self._library.put(HELD_OUT, every, classes)
        given = {"loss": loss, "train": self._subject, "validation": self._held_out}
        self._given = frozenset(key for key, found in given.items() if found is not None)
        self.lacking = left_out(options.names, self._given | {"batch", "value"})
        self._training: Training | None = None
        self._watcher: DynamicsWatcher | None = None

    @property
    def begun(self) -> bool:
        """Whether a step was seen, so that `lacking` is final."""
        return self._watcher is not None

    @property
    def prepares(self) -> bool:
        """Whether the step before a look must be seen too."""
        return self._watcher is None or self._watcher.prepares

    @property
    def calls(self) -> bool:
        """Whether it matters how the network is called in training."""
        return bool({"noise", "alpha"} & (set(self._options.names) - set(self.lacking)))

    @property
    def gradients(self) -> float:
        """What looks have cost, in gradients of a minibatch."""
        return 0.0 if self._watcher is None else self._watcher.gradients

    def expected_gradients(self, batch_size: int) -> float:
        """Return what a look will cost, in gradients of a minibatch of a size."""
        n = 0 if self._subject is None else self._subject.examples
        m = 0 if self._held_out is None else len(self._held_out)
        read = (name for name in self._options.names if name not in self.lacking)
        return sum(COSTS[name](batch_size, n, m) for name in read if name in COSTS)

    def before(
        self,
        step: int,
        due: bool,
        batches: Sequence[Batch],
        clipping: Clipping | None,
        scale: Tensor | None,
    ) -> None:
        """Look before a step: the gradient is known, the weights it was taken at still stand.

        Args:
            step: Its number.
            due: It is looked at; otherwise the one after is.
            batches: Whose gradients were accumulated.
            clipping: None where the gradient was not clipped.
            scale: By which a ``GradScaler`` has multiplied the gradient; None for nothing.

        Raises:
            InputError: What was told before the first step was not told before this one.
        """
        told = self._told(batches)
        if self._watcher is None or self._watcher.moves:
            self.network.read()
        if self._watcher is None:
            self._begin(told, batches)
        assert self._training is not None and self._watcher is not None
        training = self._training
        training.step = step
        if due:
            self._check_told(step, told)
            self.network.read_gradient(scale)
            training.backend.modes[:] = self.network.modes  # type: ignore[attr-defined]
            training.oracle = self._oracle(training, batches, clipping)
            limit = None if clipping is None else clipping.limit
            training.settings = replace(training.settings, clip_norm=limit)
        self._watcher.before(training, due)

    def after(self, due: bool) -> Values:
        """Look after the step; return the figures of a look that is due."""
        assert self._training is not None and self._watcher is not None
        if self._watcher.moves:
            self.network.read()
        self._training.step += 1
        return self._watcher.after(self._training, due)

    def _begin(self, told: frozenset[str], batches: Sequence[Batch]) -> None:
        """Make the watcher, of the instruments that can be read with what the first step tells."""
        self.lacking = left_out(self._options.names, self._given | told)
        names = [name for name in self._options.names if name not in self.lacking]
        self._read = {need for name in names for need in NEEDS[name]}
        sizes = [len(batch.examples) for batch in batches if batch.examples is not None]
        self._library.at_once = max(sizes, default=1)
        numbers = torch.zeros(0, dtype=torch.int64)
        nothing = Split(numbers, numbers, dtype=torch.int64)
        task = Task("", "cross_entropy", 0, (), nothing, self._held_out, nothing)
        settings = Settings(1, None, False, 1, None, [None], lambda step: 1.0, 0.0)
        backend = OwnLossBackend(self._library, training=True)
        self._training = Training(self.network.cohort, task, backend, self._optimizer, settings)
        subject = self._subject or self._subject_of(nothing, numbers)
        options = DynamicsOptions(instruments=names, groups=self._options.groups)
        self._watcher = DynamicsWatcher(options, subject, self._training)

    def _subject_of(self, split: Split, index: Tensor) -> Subject:
        task = Task("", "cross_entropy", 0, (), split, None, split)
        backend = OwnLossBackend(self._library, training=False)
        return Subject(self.network.cohort, task, backend, split, index, 0)

    def _told(self, batches: Sequence[Batch]) -> frozenset[str]:
        examples = bool(batches) and all(each.examples is not None for each in batches)
        value = bool(batches) and all(each.loss is not None for each in batches)
        return frozenset(key for key, found in (("batch", examples), ("value", value)) if found)

    def _check_told(self, step: int, told: frozenset[str]) -> None:
        for need in sorted(self._read - self._given - told):
            raise InputError(
                f"step {step}: {TOLD[need]} was given before the first step and is not now; must "
                "be before every step that is looked at"
            )

    def _oracle(
        self, training: Training, batches: Sequence[Batch], clipping: Clipping | None
    ) -> Oracle:
        """Return an oracle that has the step's batch: all that were accumulated, end to end."""
        W = self.network.cohort.W
        numbers = [
            self._library.put(BATCHES + place, each.examples).inputs
            for place, each in enumerate(batches)
            if each.examples is not None
        ]
        whole = torch.cat(numbers) if numbers else torch.zeros(0, dtype=torch.int64)
        split = Split(whole, whole, dtype=torch.int64)
        oracle = Oracle(training.cohort, training.backend, split, len(whole))
        oracle.index = torch.arange(len(whole))
        weights = [1 if each.examples is None else len(each.examples) for each in batches]
        losses = [each.loss for each in batches if each.loss is not None]
        oracle.losses = torch.full_like(W[:, 0], torch.nan)
        if batches and len(losses) == len(batches):
            parts = [w * loss.to(W) for w, loss in zip(weights, losses, strict=True)]
            oracle.losses = (torch.stack(parts).sum() / sum(weights)).reshape(1)
        oracle.unclipped = None if clipping is None else clipping.norm.to(W).reshape(1)
        return oracle
