"""What the page of one run shows."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from thalweg.errors import ThalwegError
from thalweg.report.charts import Axis, Chart, value_axis
from thalweg.report.figures import Group
from thalweg.report.formats import axis_title, count, duration, metric_name, number
from thalweg.store import RunDirectory
from thalweg.store.files import DamagedError
from thalweg.store.parquet import read_parquet
from thalweg.store.run_directory import COMPLETE
from thalweg.ui.library import Library
from thalweg.ui.spec_keys import flattened
from thalweg.ui.training import curve, has_figure, place_words, training_rows

SPLITS = ("train", "validation", "test")

KINDS = ("accuracy", "loss")

COSTS = ("examples", "gradient_evaluations", "loss_evaluations", "products", "flops")

TOLD_APART = (
    *("status", "message", "traceback", "files", "class_names", "warnings", "versions", "machine"),
    *("sparsity", "cohort", "seconds", "finished", "task"),
)
"""Keys of a status that have a place of their own on the page, or none."""

ORIGIN = ("finished", "machine", "versions")

MOST_FIGURES = 12
"""Figures of a probe that are listed."""

Terms = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Place:
    """Where a run stands in a study."""

    study: str
    words: str


@dataclass(frozen=True)
class RunShown:
    """What is known of one run.

    Attributes:
        id: Its id.
        folder: Where its files lie.
        places: The studies that it answers.
        asked: Its spec, by flattened keys.
        figures: What it came to.
        costs: What that took.
        origin: Versions and machine.
        message: Why it failed or counts as diverged; "" otherwise.
        traceback: Of one that failed; "" otherwise.
        warnings: Of its training.
        damage: A sentence for each file that cannot be read.
        groups: Its learning curves.
        probes: Label of each probe that has measured it, and its single figures.
        files: Names of its files, with their sizes.
    """

    id: str
    folder: str
    places: tuple[Place, ...]
    asked: Terms
    figures: Terms
    costs: Terms
    origin: Terms
    message: str
    traceback: str
    warnings: tuple[str, ...]
    damage: tuple[str, ...]
    groups: tuple[Group, ...]
    probes: tuple[tuple[str, Terms], ...]
    files: Terms


def run_page(library: Library, run_id: str) -> RunShown:
    """Return what is known of a run; each file that cannot be read is a sentence."""
    run = library.store.run(run_id)
    damage: list[str] = []

    def read(what: Any) -> Any:
        try:
            return what()
        except ThalwegError as error:
            damage.append(str(error))
            return {}

    spec, status = read(run.spec), read(run.status)
    rows = read(lambda: _rows(run, status)) or []
    places: list[Place] = []
    labels: dict[str, str] = {}
    for name in library.store.studies():
        try:
            record = library.watch.record(name)
        except ThalwegError:  # told on the first page
            continue
        for entry in [*record["runs"], *record.get("rounds", [])]:
            if entry["run"] == run_id:
                places.append(Place(name, place_words(entry)))
                labels |= {file: label for label, file in record.get("probes", {}).items()}
    figures = {
        f"{split}_{kind}": status[f"{split}_{kind}"]
        for kind in KINDS
        for split in SPLITS
        if status.get(f"{split}_{kind}") is not None
    }
    own = (*TOLD_APART, *figures, *COSTS)
    rest = {k: v for k, v in status.items() if k not in own and v is not None}
    return RunShown(
        id=run_id,
        folder=str(run.path.resolve()),
        places=tuple(dict.fromkeys(places)),
        asked=tuple((key, _text(value)) for key, value in flattened(spec)),
        figures=tuple((metric_name(key), number(value, 5)) for key, value in figures.items()),
        costs=(
            *((metric_name(key), count(status[key])) for key in COSTS if status.get(key)),
            *([("time", duration(status["seconds"]))] if "seconds" in status else []),
        ),
        origin=tuple(
            (key.replace("_", " "), _text(value))
            for key, value in flattened(
                {
                    **rest,
                    **{k: status[k] for k in ("finished", "machine", "versions") if k in status},
                }
            )
        ),
        message=str(status.get("message") or ""),
        traceback=str(status.get("traceback") or ""),
        warnings=tuple(map(str, status.get("warnings") or ())),
        damage=tuple(damage),
        groups=tuple(_curves(rows)),
        probes=tuple(_probes(run, labels, damage)),
        files=tuple(_files(run)),
    )


def _rows(run: RunDirectory, status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the evaluations of a run, complete or in training."""
    if status.get("status") in COMPLETE:
        return list(read_parquet(run.path / "metrics.parquet").to_dicts())
    return training_rows(run)


def _curves(rows: list[dict[str, Any]]) -> Iterator[Group]:
    charts = []
    for kind in KINDS:
        names = [name for split in SPLITS if has_figure(rows, name := f"{split}_{kind}")]
        if not names:
            continue
        lines = [curve(metric_name(n), SPLITS.index(n.partition("_")[0]), rows, n) for n in names]
        axis, drawn = value_axis(axis_title(kind), lines)
        charts.append(
            Chart(
                name=f"run-{kind}",
                title=f"{kind.capitalize()} by epoch",
                description=f"{', '.join(map(metric_name, names))} against epoch, of one run.",
                caption="The training loss is the mean over the epoch's batches."
                if kind == "loss" and "train_loss" in names
                else "",
                x=Axis("Epoch"),
                y=axis,
                layers=drawn,
                height=300,
            )
        )
    if charts:
        yield Group("", tuple(charts))


def _probes(
    run: RunDirectory, labels: Mapping[str, str], damage: list[str]
) -> Iterator[tuple[str, Terms]]:
    folder = run.path / "probes"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        if name.startswith("."):
            continue
        found: Terms = ()
        if name.endswith(".json"):
            try:
                found = tuple(_single(run.figures(name) or {}))
            except DamagedError as error:
                damage.append(str(error))
        yield labels.get(name, name), found[:MOST_FIGURES]


def _single(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in figures.items():
        if isinstance(value, int | float):
            yield key, number(float(value), 5)


def _files(run: RunDirectory) -> Iterator[tuple[str, str]]:
    for path in sorted(run.path.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(run.path).as_posix(), f"{path.stat().st_size:,} bytes"


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or "—"
    return json.dumps(value) if isinstance(value, bool | dict | list) else str(value)
