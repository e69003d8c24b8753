"""The instruments at work."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.cohort import Training
from thalweg.measure.dynamics.instruments import INSTRUMENTS
from thalweg.measure.dynamics.look import Look, Shared, row_norm
from thalweg.measure.dynamics.options import DynamicsOptions
from thalweg.measure.subject import Subject
from thalweg.measure.watcher import Values, Watcher

EXAMPLES = 1000
"""Training examples of the instruments that look at more than the batch, if nothing is said."""


class DynamicsWatcher(Watcher):
    """Instruments that read figures off the steps of a training.

    Args:
        options: Which instruments.
        subject: Training examples of the instruments that look at more than the batch.
        training: The cohort, at the start of its training.

    Attributes:
        moves: It reads the weights.
    """

    def __init__(self, options: DynamicsOptions, subject: Subject, training: Training) -> None:
        super().__init__()
        self._instruments = [INSTRUMENTS[name] for name in options.names]
        self.prepares = any(each.follows for each in self._instruments)
        self.moves = any(each.moves for each in self._instruments)
        self._keeps = any(each.keeps for each in self._instruments)
        cohort = training.cohort
        self._shared = Shared(training, options.groups, subject, cohort.W.clone())
        self._iterate = torch.empty_like(cohort.W)
        constraint = training.settings.constraint
        self._latent = constraint is not None and constraint.latent
        self._view: Tensor | None = None
        self._update = torch.zeros_like(cohort.W)
        self._previous = torch.zeros_like(cohort.W)
        self._updated = -1
        self._seen: Sequence[Tensor] = ()

    @classmethod
    def of(
        cls, options: DynamicsOptions, examples: int | None, seed: int, training: Training
    ) -> "DynamicsWatcher":
        """Return a watcher that draws its training examples.

        Args:
            options: Which instruments.
            examples: How many training examples; None for `EXAMPLES`, or all if they are fewer.
            seed: Of the draw.
            training: The cohort, at the start of its training.

        Raises:
            InputError: There are fewer examples than asked for.
        """
        cohort, task = training.cohort, training.task
        wanted = examples or min(EXAMPLES, len(task.train))
        return cls(options, Subject.watching(cohort, task, wanted, "train", seed), training)

    def row_state(self, row: int) -> dict[str, Any]:
        memory = {name: kept[row].clone() for name, kept in self._shared.memory.items()}
        return {"update": self._update[row].clone(), "updated": self._updated, "memory": memory}

    def load_row_state(self, row: int, state: dict[str, Any]) -> None:
        self._update[row] = state["update"]
        self._updated = state["updated"]
        for name, kept in state["memory"].items():
            whole = self._shared.memory.setdefault(name, torch.ones_like(self._update))
            whole[row] = kept

    def before(self, training: Training, due: bool) -> None:
        cohort, oracle = training.cohort, training.oracle
        if self.moves:
            self._iterate.copy_(cohort.W)
        if due:
            if self._latent:
                self._view = oracle.viewed()
            norm = row_norm(cohort.G) if oracle.unclipped is None else oracle.unclipped
            gradient = cohort.G.clone() if self._keeps else cohort.G
            self._seen = (oracle.losses, gradient, norm)

    def after(self, training: Training, due: bool) -> Values:
        known = self.moves and self._move(training)
        if not due:
            return {}
        losses, gradient, norm = self._seen
        look = Look(
            shared=self._shared,
            W=self._iterate if self._view is None else self._view,
            losses=losses,
            gradient=gradient,
            gradient_norm=norm,
            update=self._update,
            previous=self._previous if known else None,
        )
        found: dict[str, Tensor] = {}
        for instrument in self._instruments:
            found.update(instrument.read(look))
        self.gradients += look.gradients
        return found

    def _move(self, training: Training) -> bool:
        """Take the step's update; return whether that of the step before is known."""
        step, last = training.step - 1, self._updated
        self._update, self._previous = self._previous, self._update
        torch.sub(training.cohort.W, self._iterate, out=self._update)
        self._updated = step
        return last == step - 1 and step > 0
