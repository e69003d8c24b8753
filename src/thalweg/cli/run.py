"""Commands that train one study: run, train, demo."""

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from thalweg import api
from thalweg.cli.output import print_json, print_table, prints_aside
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
    Trust,
    value,
)
from thalweg.errors import InputError
from thalweg.execute import Resources, plan_cohorts
from thalweg.execute.estimate import estimate_seconds
from thalweg.spec import RunSpec
from thalweg.store import Store
from thalweg.store.results import StudyResults
from thalweg.study import StudyPlan, build_study
from thalweg.study.further_looks import FurtherLooks, further_looks
from thalweg.study.record import check_not_imported
from thalweg.study.source import Table, effective
from thalweg.study.statistics import mean_interval
from thalweg.study.until_resolved import check_rule

Model = Annotated[str, typer.Argument(help="A model's name, or package.module:Name.")]
Task = Annotated[str, typer.Argument(help="A task's name, or package.module:function.")]
Optimizer = Annotated[str, typer.Option("--optimizer", help="See `thalweg list optimizers`.")]
Epochs = Annotated[
    Any, typer.Option("--epochs", parser=value, metavar="N", help="Passes over the training split.")
]
BatchSize = Annotated[
    Any,
    typer.Option("--batch-size", parser=value, metavar="N", help='Examples a step, or "full".'),
]
Schedule = Annotated[str, typer.Option("--schedule", help="See `thalweg list schedules`.")]
Name = Annotated[str | None, typer.Option("--name", help="Name of the study; made up if absent.")]

MAX_SEEDS = 40
"""The most seeds of an arm, where none is said."""

Until = tuple[int, str | None]
"""The most seeds of an arm to which seeds are added, and what is compared."""


def run(
    study: Annotated[str, typer.Argument(help="A TOML file, or the name of a recipe.")],
    preset: Annotated[
        str | None, typer.Option("--preset", help='A preset of the study, or "full".')
    ] = None,
    seeds: Seeds = None,
    overrides: Set = None,
    until_resolved: Annotated[
        bool,
        typer.Option(
            "--until-resolved", help="Add seeds to the arms of which a comparison is still open."
        ),
    ] = False,
    max_seeds: Annotated[
        Any,
        typer.Option(
            "--max-seeds",
            parser=value,
            metavar="N",
            help="With --until-resolved, the most seeds of an arm (40).",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", help="With --until-resolved, what is compared; test accuracy or loss."
        ),
    ] = None,
    out: Out = api.DEFAULT_OUT,
    jobs: Jobs = None,
    on: On = None,
    track: Track = None,
    device: Device = "auto",
    backend: Backend = "auto",
    data: Data = None,
    trust: Trust = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run a study and write its report. What is complete is never trained again."""
    until = _until(until_resolved, max_seeds, metric)
    if (out / "store.json").exists():
        check_not_imported(study, Store(out))
    with prints_aside():
        loaded = api.load_study(study, preset, seeds, overrides or ())
    run_study(loaded, out, jobs, device, backend, data, dry_run, as_json, until, on, track)


def _until(wanted: bool, max_seeds: Any, metric: str | None) -> Until | None:
    for option, given in (("--max-seeds", max_seeds), ("--metric", metric)):
        if given is not None and not wanted:
            raise InputError(f"{option} {given}: must be left out without --until-resolved")
    if not wanted:
        return None
    most = MAX_SEEDS if max_seeds is None else max_seeds
    if not isinstance(most, int) or isinstance(most, bool):
        raise InputError(f"--max-seeds {most}: must be a whole number")
    return most, metric


def demo(
    out: Out = api.DEFAULT_OUT,
    jobs: Jobs = None,
    on: On = None,
    device: Device = "auto",
    backend: Backend = "auto",
    as_json: Json = False,
) -> None:
    """Run the whole tour on the built-in digits, and write a report."""
    run_study(api.recipe("demo"), out, jobs, device, backend, None, False, as_json, on=on)


def train(
    model: Model,
    task: Task,
    optimizer: Optimizer = "sgd",
    lr: Annotated[
        Any,
        typer.Option(
            "--lr",
            parser=value,
            metavar="X",
            help="Learning rate; the optimizer's default if absent.",
        ),
    ] = None,
    epochs: Epochs = 10,
    batch_size: BatchSize = 64,
    schedule: Schedule = "constant",
    clip_norm: Annotated[
        Any,
        typer.Option("--clip-norm", parser=value, metavar="X", help="Bound on the gradient norm."),
    ] = None,
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
    """Train one model with one optimizer."""
    table = study_table("train", name, model, task, optimizer, lr, epochs, batch_size, schedule)
    if clip_norm is not None:
        table["train"]["clip_norm"] = clip_norm
    with prints_aside():
        study = build_study(effective(table, None, seeds, overrides or ()))
    run_study(api.Study(study), out, jobs, device, backend, data, dry_run, as_json, None, on, track)


def study_table(
    command: str,
    name: str | None,
    model: str,
    task: str,
    optimizer: str,
    lr: Any,
    epochs: Any,
    batch_size: Any,
    schedule: str,
) -> Table:
    """Return the study of one model, task and optimizer that a command line asks for."""
    parts = (text.rpartition(":")[2] for text in (model, task, optimizer))
    made_up = "-".join([command, *parts])
    return {
        "study": {
            "name": name or re.sub(r"[^A-Za-z0-9._-]+", "-", made_up),
            "title": f"{model} on {task} by {optimizer}",
        },
        "task": {"name": task},
        "model": {"name": model},
        "optimizer": {"name": optimizer} | ({} if lr is None else {"lr": lr}),
        "train": {
            "epochs": epochs,
            "batch_size": batch_size,
            "schedule": schedule,
        },
    }


def run_study(
    study: api.Study,
    out: Path,
    jobs: int | None,
    device: str,
    backend: str,
    data: Path | None,
    dry_run: bool,
    as_json: bool,
    until: Until | None = None,
    on: str | None = None,
    track: Sequence[str] | None = None,
) -> None:
    """Train what is missing, write the report and print the results, or with dry_run the plan."""
    if dry_run:
        resources = Resources.choose(device, jobs, data, backend, on)
        if until is None:
            _print_plan(study.plan, out, resources, as_json)
        else:
            check_rule(study.plan, out, *until)
            looks = further_looks(study.plan, until[0])
            _print_plan(looks.begun, out, resources, as_json, looks)
        return
    how = (out, jobs, device, data, None, backend, on, track or ())
    try:
        with prints_aside():
            if until is None:
                results = study.run(*how)
            else:
                most, metric = until
                results = study.run_until_resolved(most, metric, *how)
    except KeyboardInterrupt:
        left = Counter(Store(out).run(spec.id).is_complete() for spec in study.plan.specs)
        # Which runs a search will come to is known only at its end.
        known = f"{left[True]} of {left.total()} runs are complete and "
        counts = "" if study.plan.spaces else known
        print(
            f"\nstopped: {counts}every finished epoch is kept; go on with the same "
            f"command:\n  {api.command_line()}",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    told = [_told(part, out, as_json) for part in (results, results.final) if part]
    if as_json:
        print_json(told[0] if results.final is None else {**told[0], "final": told[1]})
    failed = results.failed | (results.final.failed if results.final else {})
    if failed:
        reasons = Counter(failed.values()).most_common(3)
        for reason, count in reasons:
            runs = "1 run" if count == 1 else f"{count} runs"
            print(f"thalweg: {runs} failed: {reason}", file=sys.stderr)
        raise typer.Exit(1)


def _told(results: api.Results, out: Path, as_json: bool) -> dict[str, Any]:
    """Write the report and print the results, or return them as JSON."""
    with prints_aside():  # an audit may import what the study names
        path, loaded = results.report().path, results.load()
    if as_json:
        return _as_json(loaded, out, path)
    _print_summary(loaded)
    sequential = loaded.provenance["sequential"]
    if sequential:
        print(f"{results.compare(metric=sequential['metric']).verdict}\n")
    print(f"report: {path.resolve()}")
    return {}


def _as_json(results: StudyResults, out: Path, report: Path) -> dict[str, Any]:
    from thalweg.report.sensitivity import sensitivity_records  # imports Matplotlib
    from thalweg.report.summary import verdicts
    from thalweg.report.targets import target_records

    figures = ("train_loss", "test_loss", "test_accuracy")
    costs = ("epochs", "examples", "gradient_evaluations", "seconds")
    runs = [
        {
            "id": row["run"],
            "arm": row["arm"],
            "seed": row["seed"],
            "status": row["status"],
            "hyperparameters": json.loads(row["hyperparameters"] or "{}"),
            **{key: row[key] for key in (*figures, *costs)},
        }
        for row in results.runs.to_dicts()
    ]
    return {
        "study": results.name,
        "out": str(out.resolve()),
        "report": str(report.resolve()),
        "runs": runs,
        "sensitivity": sensitivity_records(results),
        "targets": target_records(results),
        "rounds": _rounds(results),
        "verdicts": verdicts(results),
    }


def _rounds(results: StudyResults) -> list[dict[str, Any]]:
    return [
        {**row, "layers": json.loads(row["layers"] or "{}")} for row in results.rounds.to_dicts()
    ]


def summarize(results: StudyResults) -> list[dict[str, Any]]:
    """Return one row an arm and grid point: means over its seeds."""
    rows = []
    for (arm, point), group in results.runs.group_by(["arm", "point"], maintain_order=True):
        statuses = Counter(group["status"].to_list())
        row: dict[str, Any] = {"arm": arm, "point": point}
        for name in (results.selection, "test_loss", "test_accuracy"):
            values = group[name].drop_nulls().to_list()
            if values:
                row[name] = _figure(values, len(values) + statuses["diverged"])
        row["runs"] = ", ".join(f"{count} {status}" for status, count in statuses.items())
        if seconds := group["seconds"].drop_nulls().to_list():
            row["seconds"] = math.fsum(seconds)
        rows.append(row)
    return rows


def _figure(values: Sequence[float], runs: int) -> str:
    """Mean ± half its interval; where runs diverged, the mean of the others, marked as such."""
    interval = mean_interval(values)
    if len(values) < runs:
        return f"{interval.mean:.4f} ({len(values)} of {runs})"
    if interval.half_width is None:
        return f"{interval.mean:.4f}"
    return f"{interval.mean:.4f} ± {interval.half_width:.4f}"


def _print_summary(results: StudyResults) -> None:
    rows = summarize(results)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    print_table(rows, columns)
    from thalweg.report.summary import verdicts  # imports Matplotlib

    lines = verdicts(results)
    if lines:
        print("\n".join([*lines, ""]))


def _print_plan(
    plan: StudyPlan,
    out: Path,
    resources: Resources,
    as_json: bool,
    looks: FurtherLooks | None = None,
) -> None:
    store = Store(out) if (out / "store.json").exists() else None
    missing = _missing(plan.specs, store)
    more = _missing(looks.specs if looks else (), store)
    with prints_aside():
        cohorts = plan_cohorts(plan.specs, store, resources, missing)
        seconds = estimate_seconds(cohorts, resources)
        later = plan_cohorts(looks.specs, store, resources, more) if looks else []
        more_seconds = estimate_seconds(later, resources)
    rows = []
    for cohort in cohorts:
        first = cohort.specs[0]
        rows.append(
            {
                "task": first.task.name,
                "model": first.model.name,
                "optimizer": first.optimizer.name,
                "runs": len(cohort.specs),
                "epochs": first.train.epochs,
                "backend": cohort.plan.backend,
                "reason": cohort.plan.reason,
            }
        )
    if as_json:
        print_json(
            {
                "study": plan.name,
                "runs": len(plan.specs),
                "complete": len(plan.specs) - len(missing),
                "cohorts": rows,
                "jobs": resources.jobs,
                "device": resources.device,
                "estimated_seconds": seconds,
            }
            | (
                {
                    "further_looks": {
                        "seeds": looks.looks,
                        "runs": len(more),
                        "estimated_seconds": more_seconds,
                    }
                }
                if looks
                else {}
            )
        )
        return
    if plan.spaces:
        print("the trials are chosen by results: random ones stand for them here", file=sys.stderr)
    merged = Counter(tuple(row.items()) for row in rows)
    if merged:
        print_table([{"cohorts": count, **dict(items)} for items, count in merged.items()])
    epochs = sum(spec.train.epochs for spec in missing.values())
    print(
        f"{len(plan.specs)} runs, {len(plan.specs) - len(missing)} of them complete; "
        f"{len(missing)} to train, "
        f"{epochs} epochs in all, on {resources.jobs} processes ({resources.device}): "
        f"about {_duration(seconds)}"
    )
    if looks and looks.looks:
        seeds = ", ".join(map(str, looks.looks))
        print(
            f"looks at {seeds} seeds may follow; they add at most {len(more)} runs, "
            f"{sum(spec.train.epochs for spec in more.values())} epochs in all: about "
            f"{_duration(more_seconds)}"
        )


def _missing(specs: Sequence[RunSpec], store: Store | None) -> dict[str, RunSpec]:
    """The runs that are not complete, by id."""
    return {spec.id: spec for spec in specs if not (store and store.run(spec.id).is_complete())}


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
