"""The command that takes files of other programs into the store: import."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from thalweg import api
from thalweg.cli.output import print_json, print_table, prints_aside
from thalweg.cli.parameters import Json, Out, value
from thalweg.imports import Imported, import_files


def import_(
    what: Annotated[
        list[Path],
        typer.Argument(
            help="A folder that a public study has left, or the files of one training: tables of "
            "figures by epoch, weights, masks; or what MLflow or W&B has kept.",
            metavar="FOLDER|FILE...",
        ),
    ],
    study: Annotated[str, typer.Option("--study", help="Name of the study; begun or added to.")],
    task: Annotated[
        Any,
        typer.Option(
            "--task", parser=value, metavar="NAME", help="What they were trained on: name or table."
        ),
    ] = None,
    model: Annotated[
        Any,
        typer.Option(
            *("--model",),
            parser=value,
            metavar="NAME",
            help='Name or table such as {name="mlp", widths=[300]}; rnn and LeNet-5 are recognised '
            "by their weights.",
        ),
    ] = None,
    arm: Annotated[
        str | None, typer.Option("--arm", help="Arm of the files; by default what names tell.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of the files that tell none.")
    ] = None,
    out: Out = api.DEFAULT_OUT,
    as_json: Json = False,
) -> None:
    """Import files of another program as runs of a study, to be measured, audited and compared.

    Nothing in them is run or unpickled.
    """
    with prints_aside():  # a model of the user's own may print
        found = import_files(what, study, out, api.command_line(), task, model, arm, seed)
    if as_json:
        print_json(
            {
                "study": found.study,
                "out": str(out.resolve()),
                "runs": _rows(found),
                "replaced": found.replaced,
                "aside": found.aside,
                "notes": found.notes,
            }
        )
        return
    print_table(_rows(found))
    for note in found.notes:
        print(note)
    if found.aside:
        kinds = Counter(Path(name).suffix or "without suffix" for name in found.aside)
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        print(f"left aside: {listed} (all by name with --json)")
    counts = f"{len(found.added)} runs are new"
    print(f"study {found.study}: {counts}, {len(found.replaced)} were replaced")


def _rows(found: Imported) -> list[dict[str, Any]]:
    """Return a row a run, the one that stands for its arm marked."""
    return [
        {
            "arm": run.spec.arm[0],
            "point": run.spec.arm[1],
            "seed": run.spec.seed,
            "round": run.spec.round,
            "run": run.spec.id,
            "stands for arm": run is lineage.answer,
            "epochs": run.status["own_epochs"],
            "kept": run.status.get("sparsity", {}).get("kept"),
            "test_loss": run.status.get("test_loss"),
            "test_accuracy": run.status.get("test_accuracy"),
            "weights": run.weights is not None,
            "new": run.spec.id in found.added,
        }
        for lineage in found.lineages
        for run in lineage.runs
    ]
