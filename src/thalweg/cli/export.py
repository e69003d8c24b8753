"""The command that writes a network or a study for other programs: export."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from thalweg import api
from thalweg.cli.output import print_json, print_table, prints_aside
from thalweg.cli.parameters import Data, Json, Out, Trust
from thalweg.errors import InputError
from thalweg.export import export_run
from thalweg.store import Store
from thalweg.store.find import find_run


def export(
    run: Annotated[
        str | None, typer.Argument(help="A run's id, its beginning, or STUDY/ARM\\[/POINT]/SEED.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FOLDER|URI",
            help="Folder to write to; with --study, the study's exports/ if absent. With --as "
            "mlflow also a tracking URI.",
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            "--study", help="Write the trainings and rounds of pruning of this study, no run."
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="TRACKER",
            help="With --study, log all runs that have ended to a tracker, mlflow, tensorboard, "
            "wandb or trackio; what is there already is left.",
        ),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(
            "--prefix", help="With --study, what names of files begin with instead of the arm."
        ),
    ] = None,
    analysis: Annotated[
        bool,
        typer.Option(
            "--analysis",
            help="With --study, also tables and pictures of the graphs and weights of its pruned "
            "recurrent networks.",
        ),
    ] = False,
    sparse: Annotated[
        bool,
        typer.Option("--sparse", help="Also write the network without its useless units."),
    ] = False,
    out: Out = api.DEFAULT_OUT,
    data: Data = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Write a trained network as PyTorch, safetensors and ONNX files, or with --study the metrics
    of all trainings and the weights, masks and logs of all rounds of pruning. With --study and
    --as, log its runs to a tracker.
    """
    if study is not None:
        if run is not None or sparse:
            raise InputError(f"--study {study}: must be given without a run and without --sparse")
        if kind is not None:
            if to is None or prefix is not None or analysis:
                raise InputError(
                    f"--as {kind}: must be given with --to and without --prefix and --analysis"
                )
            _track_study(study, kind, to, out, as_json)
            return
        _export_study(study, to, out, data, prefix, analysis, as_json)
        return
    for option, given in (("--as", kind), ("--prefix", prefix), ("--analysis", analysis)):
        if given:
            raise InputError(f"{option}: must be given with --study")
    if run is None or to is None:
        raise InputError("export: needs a run and --to FOLDER, or --study NAME")
    found = find_run(Store(out), run)
    with prints_aside():
        exported = export_run(found, Path(to), sparse, data)
    files = [str(path.resolve()) for path in exported.files]
    if as_json:
        print_json({"run": found.id, "files": files, "comparison": exported.comparison})
        return
    for path in files:
        print(path)
    if exported.comparison is not None:
        print_table([_row(*item) for item in exported.comparison["networks"].items()])
        print(_words(exported.comparison["agreement"]))


def _export_study(
    study: str,
    to: str | None,
    out: Path,
    data: Path | None,
    prefix: str | None,
    analysis: bool,
    as_json: bool,
) -> None:
    with prints_aside():
        results = api.Results(study, Store(out), {})
        files = results.export(to, data, prefix=prefix, analysis=analysis)
    if as_json:
        print_json({"study": study, "files": [str(path.resolve()) for path in files]})
    else:
        print("\n".join(map(str, files)))


def _track_study(study: str, kind: str, to: str, out: Path, as_json: bool) -> None:
    with prints_aside():
        added = api.Results(study, Store(out), {}).track(kind, to)
    if as_json:
        print_json({"study": study, "as": kind, "to": to, "added": added})
        return
    counts = Counter(added.values())
    told = ", ".join(f"{count} {status}" for status, count in counts.items())
    print(f"{to}: {len(added)} runs are new{f' ({told})' if told else ''}")


def _row(name: str, figures: dict[str, Any]) -> dict[str, Any]:
    speeds = figures["examples_per_second"]
    shown = {f"examples/s at {batch}": round(speed) for batch, speed in speeds.items()}
    sizes = {key: figures[key] for key in ("parameters", "nonzero", "bytes", "flops")}
    return {"network": name, **sizes, **shown}


def _words(agreement: dict[str, Any]) -> str:
    text = (
        f"On {agreement['examples']:,} test examples the outputs of the masked and the smaller "
        f"network differ by at most {agreement['largest_difference']:.2g}"
    )
    if "equal_predictions" in agreement:
        text += f"; {agreement['equal_predictions']:,} predictions are equal"
    return text + "."
