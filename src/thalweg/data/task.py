"""A task: data, splits and loss, in memory on the training device."""

from dataclasses import dataclass, replace
from typing import Literal

import torch

from thalweg.data.splits import Split
from thalweg.errors import InputError
from thalweg.randomness import generator

LossName = Literal["cross_entropy", "mse"]


@dataclass(frozen=True)
class Task:
    """What is to be learnt.

    Attributes:
        name: The name a study uses.
        loss: "cross_entropy" (classes) or "mse" (mean over examples and outputs).
        outputs: Number of classes, or of regression targets.
        class_names: One name a class; empty for regression.
        train: Examples the gradient sees.
        validation: Examples every selection is made on; None if none were set aside.
        test: Examples of the published test split; reported, never selected on.
    """

    name: str
    loss: LossName
    outputs: int
    class_names: tuple[str, ...]
    train: Split
    validation: Split | None
    test: Split

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def splits(self) -> dict[str, Split]:
        """The splits that exist, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    def to(self, device: torch.device, dtype: torch.dtype = torch.float32) -> "Task":
        """Return the task with its data on ``device`` and its batches of type ``dtype``."""
        return replace(
            self,
            train=self.train.to(device, dtype),
            validation=self.validation.to(device, dtype) if self.validation else None,
            test=self.test.to(device, dtype),
        )


def draw_examples(train: Split, size: int) -> Split:
    """Return so many of the training examples: for every run of every study the same.

    Raises:
        InputError: There are fewer.
    """
    if size > len(train):
        raise InputError(
            f"task.examples = {size}: must be at most {len(train)}, the examples that the "
            "validation split leaves"
        )
    order = torch.randperm(len(train), generator=generator(0, "examples"))
    return train.subset(order[:size].sort().values)


def carve_validation(train: Split, size: int) -> tuple[Split, Split | None]:
    """Set ``size`` examples of the training split aside for validation.

    The choice depends on nothing but the sizes (a fixed seed), so every run of every study
    selects on the same examples. The test split is never touched.

    Raises:
        InputError: Nothing would be left to train on.
    """
    if size == 0:
        return train, None
    if size >= len(train):
        raise InputError(
            f"task.validation = {size}: must be less than the {len(train)} training examples"
        )
    order = torch.randperm(len(train), generator=generator(0, "validation"))
    return train.subset(order[size:].sort().values), train.subset(order[:size].sort().values)
