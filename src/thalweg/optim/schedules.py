"""Learning-rate schedules: a factor on the base learning rate at every step.

``scale(step)`` is the factor for the step numbered from 0; it depends on nothing but the step and
the sizes below, so a resumed run needs no saved schedule.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from thalweg.registry import Registry
from thalweg.validation import Options, validate

Scale = Callable[[int], float]


@dataclass(frozen=True)
class Horizon:
    """How long a training is.

    Attributes:
        steps: Steps in all.
        steps_per_epoch: Steps an epoch.
    """

    steps: int
    steps_per_epoch: int


class ScheduleOptions(Options):
    """``warmup_epochs``: the factor first rises linearly from 1/n to 1 over the n warm-up steps;
    the schedule proper runs over the steps that are left.
    """

    warmup_epochs: float = Field(default=0.0, ge=0)


class StepOptions(ScheduleOptions):
    """A fall from time to time.

    Attributes:
        every_epochs: Epochs from one fall of the learning rate to the next.
        gamma: What it is multiplied by.
    """

    every_epochs: int = Field(ge=1)
    gamma: float = Field(default=0.1, gt=0, le=1)


class CosineOptions(ScheduleOptions):
    """Fall to ``final`` (a fraction of the base learning rate) along half a cosine."""

    final: float = Field(default=0.0, ge=0, le=1)


class OneCycleOptions(Options):
    """Rise from 1/div_factor to 1, then fall to 1/(div_factor·final_div_factor), both along half a
    cosine.

    Attributes:
        rise: Fraction of all steps in which the learning rate rises.
        div_factor: How many times less than its peak it is at first.
        final_div_factor: How many times less than at first it is at last.
    """

    rise: float = Field(default=0.3, gt=0, lt=1)
    div_factor: float = Field(default=25.0, ge=1)
    final_div_factor: float = Field(default=1e4, ge=1)


def constant(options: ScheduleOptions, horizon: Horizon) -> Scale:
    return lambda step: 1.0


def step_decay(options: StepOptions, horizon: Horizon) -> Scale:
    """γ^⌊epoch / every⌋, as ``torch.optim.lr_scheduler.StepLR`` stepped once an epoch."""
    every = options.every_epochs * horizon.steps_per_epoch
    return lambda step: options.gamma ** (step // every)


def cosine(options: CosineOptions, horizon: Horizon) -> Scale:
    """Final + (1 − final)·(1 + cos(π·step/steps))/2, as ``CosineAnnealingLR`` stepped each step."""
    low, steps = options.final, max(horizon.steps, 1)
    return lambda step: low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))


def one_cycle(options: OneCycleOptions, horizon: Horizon) -> Scale:
    """Smith & Topin's policy with cosine annealing, as ``torch.optim.lr_scheduler.OneCycleLR``."""
    top = options.rise * horizon.steps - 1
    last = horizon.steps - 1
    first = 1 / options.div_factor
    final = first / options.final_div_factor

    def anneal(start: float, end: float, fraction: float) -> float:
        return end + (start - end) / 2 * (1 + math.cos(math.pi * fraction))

    def scale(step: int) -> float:
        if step <= top and top > 0:
            return anneal(first, 1.0, step / top)
        return anneal(1.0, final, (step - top) / (last - top) if last > top else 1.0)

    return scale


ScheduleBuilder = Callable[..., Scale]


SCHEDULES: Registry[ScheduleBuilder] = Registry("schedule")
SCHEDULES.add("constant", "the base learning rate throughout", ScheduleOptions, constant)
SCHEDULES.add("step", "times gamma every so many epochs", StepOptions, step_decay)
SCHEDULES.add("cosine", "half a cosine down to a final fraction", CosineOptions, cosine)
SCHEDULES.add("one_cycle", "up and down again within the run", OneCycleOptions, one_cycle)


def build_schedule(name: str, options: Mapping[str, Any], horizon: Horizon) -> Scale:
    """Return the factor as a function of the step, the warm-up included."""
    entry = SCHEDULES[name]
    assert entry.options is not None
    checked = validate(entry.options, options, "train.schedule")
    warmup = 0
    if isinstance(checked, ScheduleOptions):
        warmup = min(round(checked.warmup_epochs * horizon.steps_per_epoch), horizon.steps)
    rest = Horizon(horizon.steps - warmup, horizon.steps_per_epoch)
    main = entry.target(checked, rest)
    return lambda step: (step + 1) / warmup if step < warmup else main(step - warmup)
