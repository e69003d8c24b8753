"""The command that looks for faults: audit."""

from collections import Counter
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any

import typer

from thalweg.audit import Finding, audit_folder, audit_plan, audit_study
from thalweg.cli.output import print_json, prints_aside
from thalweg.cli.parameters import Data, Json, Trust, value
from thalweg.errors import InputError
from thalweg.store import Store
from thalweg.store.place import local_folder
from thalweg.study import load_study
from thalweg.study.source import recipes

WIDTH = 96


def _folder(out: str | None) -> Path | None:
    return None if out is None else local_folder(out)


def audit(
    what: Annotated[
        str,
        typer.Argument(
            help="A study file or recipe, a results folder or its URL, a study's folder in it, or "
            "any folder of checkpoints, masks, CSVs and scripts."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            *("--out",),
            parser=str,
            callback=_folder,
            metavar="FOLDER|URL",
            help="Results folder or URL: audit the results of the study named.",
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="Of a study that is audited before it is run.")
    ] = None,
    rerun: Annotated[
        Any,
        typer.Option(
            *("--rerun",),
            parser=value,
            metavar="N",
            help="Train so many runs of each study again and compare.",
        ),
    ] = 0,
    data: Data = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Look for faults: in a study, its results, or files of someone else.

    Exit status 1 if a finding is severe.
    """
    if not isinstance(rerun, int) or isinstance(rerun, bool) or rerun < 0:
        raise InputError(f"--rerun {rerun}: must be a whole number of at least 0")
    with prints_aside():
        found = _findings(what, out, preset, rerun, data)
    if as_json:
        print_json({name: [each.as_dict() for each in own] for name, own in found.items()})
    else:
        for name, own in found.items():
            _print(name, own)
    if any(each.severity == "severe" for own in found.values() for each in own):
        raise typer.Exit(1)


def _findings(
    what: str, out: Path | None, preset: str | None, rerun: int, data: Path | None
) -> dict[str, list[Finding]]:
    """Return the findings by what they are about."""
    path = local_folder(what)
    store: Store | None = None
    names: list[str] = []
    if out is not None:
        store, names = Store(out), [what]
    elif (path / "store.json").exists():
        store = Store(path)
        names = list(store.records())
        if not names:
            raise InputError(f"{path}: holds no study to audit")
    elif (path / "study.json").exists() and (path / "../../store.json").exists():
        store, names = Store(path.parent.parent), [path.name]
    if store is not None:
        _refuse(preset is not None, f"--preset {preset}", "a study that is not yet run")
        return {name: audit_study(store, name, rerun, data=data) for name in names}
    _refuse(rerun > 0, f"--rerun {rerun}", "results of thalweg")
    if path.is_dir():
        _refuse(preset is not None, f"--preset {preset}", "a study that is not yet run")
        return {what: audit_folder(path)}
    if path.suffix == ".toml" or what in recipes():
        plan = load_study(what, preset)
        return {plan.name: audit_plan(plan)}
    raise InputError(
        f"{what}: is neither a study file (.toml), nor a recipe ({', '.join(recipes())}), nor a "
        "folder"
    )


def _refuse(given: bool, option: str, only: str) -> None:
    if given:
        raise InputError(f"{option}: must be left out for anything but {only}")


def _print(name: str, findings: list[Finding]) -> None:
    """Print a finding a paragraph, and how many of each severity there are."""
    for finding in findings:
        print(f"\n{finding.severity.upper()}  {finding.check}  {finding.where}")
        for label, text in (
            ("fault", finding.fault),
            ("evidence", finding.evidence),
            ("consequence", finding.consequence),
            ("remedy", finding.remedy),
        ):
            print(fill(text, WIDTH, initial_indent=f"  {label:12}", subsequent_indent=" " * 14))
    counts = Counter(finding.severity for finding in findings)
    words = [f"{counts['severe']} severe"]
    words += [
        f"{n} {word}{'' if n == 1 else 's'}" for word in ("warning", "note") if (n := counts[word])
    ]
    print(f"\n{name}: {', '.join(words)}" if findings else f"\n{name}: nothing found")
