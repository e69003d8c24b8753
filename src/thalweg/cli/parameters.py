"""Options that several commands share."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from thalweg.registry import trust_from_here_on
from thalweg.store.place import local_folder


def value(text: str) -> Any:
    """Return a value as a study file would read it: TOML, or else a string.

    The study's own checks then judge it, so a wrong value gets the same sentence here and there.
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        pass
    try:
        return float(text)  # ".1" and "1." are numbers on a command line, though not in TOML
    except ValueError:
        return text


Out = Annotated[
    Path,
    typer.Option(
        *("--out",),
        envvar="THALWEG_OUT",
        parser=str,  # a Path would make s3:/ of s3://
        callback=local_folder,
        metavar="FOLDER|URL",
        help="Results folder, or a URL such as s3://bucket/prefix.",
        show_default=True,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Folder searched first for downloadable data (or set THALWEG_DATA)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Jobs = Annotated[
    Any, typer.Option("--jobs", parser=value, metavar="N", help="Processes; by default one a core.")
]
On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="ADDRESS",
        help="Train on a Ray cluster: ray joins this machine's or starts one; ray://HOST:PORT.",
    ),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        metavar="KIND[:WHERE]",
        help="Tell a tracker of the runs as they train: mlflow\\[:URI], tensorboard\\[:FOLDER], "
        "wandb\\[:PROJECT], trackio\\[:PROJECT]; may be given several times.",
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Backend = Annotated[
    str,
    typer.Option("--backend", help="auto, native (compiled kernels) or autograd."),
]
Seeds = Annotated[
    Any,
    typer.Option("--seeds", parser=value, metavar="N", help="Number of seeds, counted from 0."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a key of the study, e.g. train.epochs=2."
    ),
]


def _trust(wanted: bool) -> bool:
    if wanted:
        trust_from_here_on()
    return wanted


Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        callback=_trust,
        help="Import the code that a study names, package.module:Name: for authors you trust.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan and an estimate of time; train nothing.")
]
