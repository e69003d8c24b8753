"""The command that compares values of hyperparameters: sweep."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from thalweg import api
from thalweg.cli.budget import affordable_trials, planned_gradients
from thalweg.cli.halving import halve, plan_rungs, planned_rung
from thalweg.cli.output import prints_aside
from thalweg.cli.parameters import (
    Backend,
    Data,
    Device,
    DryRun,
    Jobs,
    Json,
    On,
    Out,
    Seeds,
    Set,
    Track,
    value,
)
from thalweg.cli.run import (
    BatchSize,
    Epochs,
    Model,
    Name,
    Optimizer,
    Schedule,
    Task,
    run_study,
    study_table,
)
from thalweg.errors import InputError
from thalweg.study import StudyPlan, build_study
from thalweg.study.ranges import parse_range
from thalweg.study.source import Table, effective, merge


def sweep(
    model: Model,
    task: Task,
    lr: Annotated[
        str,
        typer.Option(
            "--lr",
            metavar="LOW..HIGH:POINTS",
            help="Geometric grid, 1e-3..1:8, or for a search a range, 1e-4..1:log.",
        ),
    ],
    optimizer: Optimizer = "sgd",
    search: Annotated[
        str,
        typer.Option(
            "--search",
            help="grid; random: draws from LOW..HIGH:log ranges; optuna: by the results so far.",
        ),
    ] = "grid",
    trials: Annotated[
        Any,
        typer.Option(
            "--trials", parser=value, metavar="N", help="Trials of a search that is no grid."
        ),
    ] = None,
    budget: Annotated[
        Any,
        typer.Option(
            "--budget",
            parser=value,
            metavar="N",
            help="Bound on the gradient evaluations of all runs; sets the trials if absent.",
        ),
    ] = None,
    halving: Annotated[
        Any,
        typer.Option(
            "--halving",
            parser=value,
            metavar="ETA",
            help="Successive halving: one point of ETA goes on to ETA times the epochs.",
        ),
    ] = None,
    epochs: Epochs = 10,
    batch_size: BatchSize = 64,
    schedule: Schedule = "constant",
    seeds: Seeds = None,
    overrides: Set = None,
    name: Name = None,
    out: Out = api.DEFAULT_OUT,
    jobs: Jobs = None,
    on: On = None,
    track: Track = None,
    device: Device = "auto",
    backend: Backend = "auto",
    data: Data = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Sweep the learning rate, every point with the same seeds.

    Any other hyperparameter may be swept too: --set optimizer.weight_decay=1e-5..1e-2:log.
    """
    parse_range(lr, "--lr")
    table = study_table("sweep", name, model, task, optimizer, lr, epochs, batch_size, schedule)
    if search != "grid" or trials is not None:
        table["search"] = {"method": search} | ({} if trials is None else {"trials": trials})
    with prints_aside():
        table = effective(table, None, seeds, overrides or ())
        if budget is not None:
            table = _within(table, budget, halving, data)
        plan = build_study(table)
        rounds = [] if halving is None else plan_rungs(plan, halving)
    if len(rounds) > 1 and not dry_run:

        def train(study: api.Study) -> api.Results:
            with prints_aside():
                return study.run(out, jobs, device, data, backend=backend, on=on)

        table = halve(table, rounds, train, lambda text: print(text, file=sys.stderr))
        plan = build_study(table)
    elif len(rounds) > 1:
        for number, rung in enumerate(rounds, 1):
            print(f"round {number}: {rung.points} × {rung.epochs} epochs", file=sys.stderr)
        # Which points the later rounds train is not known before the first has been.
        plan = planned_rung(table, 0, rounds[0], list(range(rounds[0].points)))
    run_study(api.Study(plan), out, jobs, device, backend, data, dry_run, as_json, None, on, track)


def _within(table: Table, budget: Any, halving: Any, data: Path | None) -> Table:
    """Return the study with as many trials as the budget pays for, or as asked if they fit."""
    if not isinstance(budget, int) or isinstance(budget, bool) or budget < 1:
        raise InputError(f"--budget {budget}: must be a whole number of at least 1")

    def cost(plan: StudyPlan) -> int:
        if halving is None:
            return planned_gradients(plan.specs, data)
        return sum(
            planned_gradients(
                planned_rung(plan.table, i, rung, list(range(rung.points))).specs, data
            )
            for i, rung in enumerate(plan_rungs(plan, halving))
        )

    search = table.get("search", {})
    if search.get("method") in ("random", "optuna") and "trials" not in search:
        found = affordable_trials(
            budget, lambda n: cost(build_study(merge(table, {"search": {"trials": n}})))
        )
        return merge(table, {"search": {"trials": found}})
    needed = cost(build_study(table))
    if needed > budget:
        raise InputError(f"--budget {budget}: must be at least {needed}, which the sweep needs")
    return table
