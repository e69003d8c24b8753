"""The command that guesses a learning rate: lr-find."""

import shlex
from collections.abc import Sequence
from itertools import zip_longest
from typing import Annotated, Any

import numpy as np
import typer

from thalweg.cli.output import print_json, prints_aside
from thalweg.cli.parameters import Data, Device, Json, Seeds, Set
from thalweg.cli.run import BatchSize, Model, Optimizer, Task, study_table
from thalweg.errors import InputError
from thalweg.execute import Resources
from thalweg.execute.ramp import ramp_losses
from thalweg.spec import RunSpec
from thalweg.study import build_study
from thalweg.study.lr_find import RampGuess, guess
from thalweg.study.ranges import Range, parse_range, range_text
from thalweg.study.source import effective

RAMP = "1e-6..10:140"

RAMPED = ("task", "model", "optimizer")
"""Sections that a ramp follows; it has no schedule, no clipping and no mask."""


def lr_find(
    model: Model,
    task: Task,
    optimizer: Optimizer = "sgd",
    lr: Annotated[
        str, typer.Option("--lr", metavar="LOW..HIGH:STEPS", help="The ramp, one value a step.")
    ] = RAMP,
    batch_size: BatchSize = 64,
    seeds: Seeds = None,
    overrides: Set = None,
    device: Device = "auto",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Guess a learning rate from one ramp of it, and print the grid to sweep.

    The learning rate rises geometrically from step to step (Smith, arXiv:1506.01186). What comes
    out is a starting point for `thalweg sweep` and no result.
    """
    ramp = parse_range(lr, "--lr")
    if ramp.points is None:
        raise InputError(f"--lr {lr!r}: must be LOW..HIGH:STEPS, as in 1e-6..10:140")
    for override in overrides or ():
        if override.partition(".")[0] not in RAMPED:
            raise InputError(f"--set {override!r}: must set a key of {', '.join(RAMPED)}")
    table = study_table(
        "lr-find", None, model, task, optimizer, ramp.high, 1, batch_size, "constant"
    )
    with prints_aside():
        plan = build_study(effective(table, None, seeds, overrides or ()))
        if len(plan.points) > 1:
            raise InputError("lr-find: must be given one value of every hyperparameter")
        found, losses = ramp_guess(plan.specs, ramp, Resources.choose(device, 1, data))
    rates = ramp.grid()
    sweep = [model, task, "--optimizer", optimizer]
    sweep += [part for override in overrides or () for part in ("--set", override)]
    if as_json:
        print_json(_as_json(found, rates, losses, sweep))
    elif found is None:
        print(f"No guess: the loss does not fall between {rates[0]:g} and {rates[-1]:g}.")
    else:
        print(f"{_words(found)}\nNext: {_command(sweep, found.grid)}")


def ramp_guess(
    specs: Sequence[RunSpec], ramp: Range, resources: Resources
) -> tuple[RampGuess | None, list[float]]:
    """Return what a ramp suggests, and the mean losses at its steps, which may end early.

    Args:
        specs: Runs that differ in their seeds alone, with the ramp's highest learning rate.
        ramp: The learning rates.
        resources: Where to compute.
    """
    rates = ramp.grid()
    losses = _mean(ramp_losses(specs, [rate / ramp.high for rate in rates], resources))
    return guess(rates[: len(losses)], losses), losses


def _mean(runs: Sequence[Sequence[float]]) -> list[float]:
    """Mean over the seeds at each step, infinite from where one has ended."""
    with np.errstate(invalid="ignore"):
        return [float(np.mean(step)) for step in zip_longest(*runs, fillvalue=float("inf"))]


def _words(found: RampGuess) -> str:
    end = "" if found.blown_up is None else f", and blows up at {found.blown_up:.2g}"
    return f"A guess, not a result: the loss falls steepest at learning rate {found.lr:g}{end}."


def _command(sweep: Sequence[str], grid: Range) -> str:
    return shlex.join(["thalweg", "sweep", *sweep, "--lr", range_text(grid)])


def _as_json(
    found: RampGuess | None, rates: list[float], losses: list[float], sweep: Sequence[str]
) -> dict[str, Any]:
    return {
        "guess": None if found is None else found.lr,
        "blown_up": None if found is None else found.blown_up,
        "next": None if found is None else _command(sweep, found.grid),
        "ramp": [{"lr": lr, "loss": loss} for lr, loss in zip(rates, losses, strict=False)],
    }
