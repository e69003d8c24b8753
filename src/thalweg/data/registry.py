"""Tasks by name, and the way from a name to data in memory."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from thalweg.data import builtin, locate, sources
from thalweg.data.splits import Split
from thalweg.data.task import Task, carve_validation, draw_examples
from thalweg.errors import InputError
from thalweg.registry import Entry, Registry, check_keywords
from thalweg.validation import Options, validate

TaskBuilder = Callable[..., Task]


def adopt(reference: str, target: Any) -> Entry[TaskBuilder]:
    if not callable(target):
        raise InputError(f"task {reference!r}: must be a function that returns a thalweg.data.Task")
    summary = (target.__doc__ or "").strip().partition("\n")[0]
    return Entry(reference, summary, None, target)


TASKS: Registry[TaskBuilder] = Registry("task", adopt)


class IdxOptions(Options):
    """``validation``: training examples set aside for every selection, 0 for none; ``examples``:
    how many of the others are trained on, all of them if absent.
    """

    validation: int = Field(default=5000, ge=0)
    examples: int | None = Field(default=None, ge=1)


def idx_task(name: str, options: IdxOptions, data: Path | None = None) -> Task:
    """MNIST or Fashion-MNIST with its published 60,000 / 10,000 split."""
    source = sources.SOURCES[name]
    arrays = locate.load(name, data)

    def split(role: str) -> Split:
        return Split(
            torch.from_numpy(arrays[f"{role}_images"]).unsqueeze(1),
            torch.from_numpy(arrays[f"{role}_labels"]).long(),
            mean=source.mean,
            std=source.std,
        )

    train, validation = carve_validation(split("train"), options.validation)
    if options.examples is not None:
        train = draw_examples(train, options.examples)
    return Task(
        name=name,
        loss="cross_entropy",
        outputs=10,
        class_names=source.class_names,
        train=train,
        validation=validation,
        test=split("test"),
    )


TASKS.add("digits", "1,797 digits of 8×8 pixels, built in", builtin.DigitsOptions, builtin.digits)
TASKS.add("sine", "noisy sine on 100 points, regression", builtin.SineOptions, builtin.sine)
TASKS.add("mnist", "MNIST, 60,000 + 10,000", IdxOptions, partial(idx_task, "mnist"))
TASKS.add(
    "fashion-mnist",
    "Fashion-MNIST, 60,000 + 10,000",
    IdxOptions,
    partial(idx_task, "fashion-mnist"),
)


def load_task(name: str, options: dict[str, Any], data: Path | None = None) -> Task:
    """Load a task by name.

    Args:
        name: A registered name, or ``"package.module:function"`` for the user's own.
        options: Its options.
        data: Folder searched first for the downloadable sets.

    Raises:
        InputError: Unknown name or option, or the data cannot be had.
    """
    entry = TASKS[name]
    if entry.options is None:
        check_keywords(name, entry.target, options)
        task = entry.target(**options)
        if not isinstance(task, Task):
            raise InputError(
                f"task {name!r}: returned a {type(task).__name__}, not a thalweg.data.Task"
            )
        return task
    checked = validate(entry.options, options, "task")
    if isinstance(checked, IdxOptions):
        return entry.target(checked, data=data)
    return entry.target(checked)
