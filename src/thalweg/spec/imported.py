"""The spec of a run that another program trained: what its files are, and what they tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from thalweg.data import TASKS
from thalweg.models import MODELS
from thalweg.spec.named import Named
from thalweg.spec.run import FORMAT, IMPORTED, parse_named, spec_id


@dataclass(frozen=True)
class ImportedSpec:
    """One run that was imported. It cannot be trained again; what its files do not tell is None.

    Attributes:
        arm: Name of the arm that it was imported as, and the label of its point.
        files: SHA-256 of the content of each file that it rests on, by what the file is.
        round: Rounds of pruning before it; None for a run that is no part of such.
        task: Data and loss.
        model: Architecture; of a run without weights with the options that were told alone.
        optimizer: As the files name it.
        lr: Learning rate, as the files tell it first.
        seed: As the files, or whoever imported them, tell it.
        batch_size: As a tracker tells it.
        hyperparameters: Of the optimizer, beside the learning rate, likewise.
    """

    arm: tuple[str, str]
    files: Mapping[str, str]
    round: int | None
    task: Named | None
    model: Named | None
    optimizer: str | None
    lr: float | None
    seed: int
    batch_size: int | str | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    def canonical(self) -> dict[str, Any]:
        """Return the spec as plain values, in the form of `RunSpec.canonical` as far as it goes."""
        arm, point = self.arm
        origin = {"arm": arm, "point": point, "round": self.round, "files": dict(self.files)}
        rate = {} if self.lr is None else {"lr": self.lr}
        return {
            "format": FORMAT,
            IMPORTED: origin,
            "task": None if self.task is None else self.task.canonical(),
            "model": None if self.model is None else self.model.canonical(),
            "optimizer": {"name": self.optimizer, **rate, **self.hyperparameters},
            "train": {"batch_size": self.batch_size},
            "seed": self.seed,
        }

    @property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
        return spec_id(self.canonical())


def is_imported(spec: Mapping[str, Any]) -> bool:
    """Return whether the canonical form of a spec is that of an imported run."""
    return IMPORTED in spec


def network_of(spec: Mapping[str, Any]) -> tuple[Named | None, Named | None]:
    """Return the task and the model that the canonical form of an imported run's spec names.

    Raises:
        InputError: One of them is a user's own that cannot be imported here.
    """
    task, model = spec["task"], spec["model"]
    return (
        None if task is None else parse_named(TASKS, task, "task"),
        None if model is None else parse_named(MODELS, model, "model"),
    )
