"""The command that prunes: prune."""

from typing import Annotated, Any

import typer

from thalweg import api
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
from thalweg.sparsity import ROUNDS
from thalweg.study import build_study
from thalweg.study.source import effective


def prune(
    model: Model,
    task: Task,
    target: Annotated[
        Any,
        typer.Option(
            "--target", parser=value, metavar="X", help="Fraction of the weights to remove."
        ),
    ],
    optimizer: Optimizer = "sgd",
    lr: Annotated[
        Any, typer.Option("--lr", parser=value, metavar="X", help="Learning rate.")
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="See `thalweg list sparsities`.")
    ] = ROUNDS,
    rounds: Annotated[
        Any,
        typer.Option("--rounds", parser=value, metavar="N", help="Rounds of pruning (imp)."),
    ] = None,
    rewind: Annotated[
        str | None,
        typer.Option(
            "--rewind",
            help="Where a round begins (imp): init, epoch:K, step:K, lr:K or none.",
        ),
    ] = None,
    criterion: Annotated[
        str | None, typer.Option("--criterion", help="See `thalweg list criteria`.")
    ] = None,
    scope: Annotated[str | None, typer.Option("--scope", help="See `thalweg list scopes`.")] = None,
    controls: Annotated[
        str | None,
        typer.Option(
            "--controls",
            help="Run beside the ticket (imp), separated by commas: reinitialised, "
            "shuffled_layerwise, shuffled_globally, random, dense.",
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
    """Train a network dense and sparse, and compare the two.

    Other options of a method: --set arms.METHOD.sparsity.KEY=VALUE.
    """
    table = study_table("prune", name, model, task, optimizer, lr, epochs, batch_size, schedule)
    given = {
        "rounds": rounds,
        "rewind": rewind,
        "criterion": criterion,
        "scope": scope,
        "controls": None if controls is None else [each.strip() for each in controls.split(",")],
    }
    options = {key: given_value for key, given_value in given.items() if given_value is not None}
    if type(target) not in (int, float) or not 0 < target < 1:
        raise InputError(f"--target {target}: must be a number greater than 0 and less than 1")
    fraction = {"target": target} if method == ROUNDS else {"keep": round(1 - target, 10)}
    sparsity = {"name": method, **fraction, **options}
    table["arms"] = {"dense": {}, method: {"sparsity": sparsity}}
    with prints_aside():
        study = build_study(effective(table, None, seeds, overrides or ()))
    run_study(api.Study(study), out, jobs, device, backend, data, dry_run, as_json, None, on, track)
