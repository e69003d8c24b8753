"""The command that checks what lies on disk: verify."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from thalweg import api
from thalweg.cli.output import print_json
from thalweg.cli.parameters import Json, Out
from thalweg.store import Store
from thalweg.store.place import mirror_of
from thalweg.store.verify import Fault, set_aside
from thalweg.store.verify import verify as check


def verify(
    out: Out = api.DEFAULT_OUT,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Move what is damaged to OUT/quarantine, so that the next run trains it again.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that every file of a results folder is as it was written.

    Exit status 1 if a damaged file is left in its place.
    """
    store = Store(out)
    found = check(store)
    moved: dict[Fault, Path | None] = dict.fromkeys(found.faults)
    if repair:
        moved |= set_aside(store, found.faults)
    mirror = mirror_of(out)
    there = mirror.check(repair) if mirror else {}
    if as_json:
        print_json(
            {
                "out": str(out.resolve()),
                "runs": found.runs,
                "studies": found.studies,
                "files": found.files,
                "damaged": [{**asdict(fault), "moved_to": to} for fault, to in moved.items()],
            }
            | ({"url": mirror.url, "damaged_there": there} if mirror else {})
        )
    else:
        for damaged, to in moved.items():
            print(f"{damaged.path}: {damaged.fault}{_fate(to, repair)}")
        for name, fault in there.items():
            print(f"{name}: {fault}{'; removed' if repair else ''}")
        counts = f"{found.runs} runs, {found.studies} studies, {found.files} files"
        print(f"{counts}: {len(moved) or 'none'} damaged")
    if None in moved.values() or (there and not repair):
        raise typer.Exit(1)


def _fate(to: Path | None, repair: bool) -> str:
    """Return what has become of a damaged file."""
    if to is not None:
        return f"; moved to {to}"
    return "; left in place, for another process trains the run" if repair else ""
