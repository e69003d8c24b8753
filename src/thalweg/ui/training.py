"""Runs in training, as a chart of what their checkpoints tell."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from thalweg.cohort.checkpoint import unpack
from thalweg.errors import ThalwegError
from thalweg.report.charts import Axis, Chart, Line, Style, value_axis
from thalweg.report.figures import Group
from thalweg.report.formats import axis_title, metric_name
from thalweg.store import RunDirectory, Store
from thalweg.study.metrics import is_accuracy
from thalweg.ui.pulse import Pulse

MOST_LINES = 12
"""Runs in training that are drawn."""

MOST_BYTES = 32 * 2**20
"""Size of a checkpoint beyond which it is not read for a drawing."""

METRICS = ("validation_loss", "test_loss", "train_loss")


def live_chart(store: Store, pulse: Pulse) -> Group | None:
    """Return the losses so far of runs in training; None where none has a checkpoint yet."""
    entries = [
        entry
        for entry in [*pulse.record["runs"], *pulse.record.get("rounds", [])]
        if pulse.beats[entry["run"]].state == "training"
    ]
    entries = list({entry["run"]: entry for entry in entries}.values())[:MOST_LINES]
    found = [(entry, training_rows(store.run(entry["run"]))) for entry in entries]
    metric = next((m for m in METRICS if any(has_figure(rows, m) for _, rows in found)), None)
    found = [(entry, rows) for entry, rows in found if metric and has_figure(rows, metric)]
    if metric is None or not found:
        return None
    arms = list(dict.fromkeys(entry["arm"] for entry in pulse.record["runs"]))
    lines: Sequence[Line] = tuple(
        curve(
            place_words(entry),
            arms.index(entry["arm"]) if entry["arm"] in arms else 0,
            rows,
            metric,
        )
        for entry, rows in found
    )
    several = f"{len(found)} of {len(pulse.training)} runs in training"
    shown = several if len(found) < len(pulse.training) else "Runs in training"
    axis, lines = value_axis(axis_title(metric), lines)
    chart = Chart(
        name="in-training",
        title=f"{metric_name(metric).capitalize()} so far",
        description=f"{shown}: {metric_name(metric)} against epoch, as of their last checkpoints.",
        caption=f"{shown}, as of their last checkpoints.",
        x=Axis("Epoch"),
        y=axis,
        layers=tuple(lines),
        height=300,
    )
    return Group("", (chart,))


def training_rows(run: RunDirectory) -> list[dict[str, Any]]:
    """Return the evaluations so far of a run in training, as its last checkpoint has them; none
    where there is no checkpoint, or too large a one.
    """
    for _, path in sorted(run.checkpoints().items(), reverse=True):
        rows = _rows(path)
        if rows:
            return rows
    return []


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        if path.stat().st_size > MOST_BYTES:
            return []
        rows = unpack(path)["metrics"]
    except (OSError, ThalwegError, KeyError, TypeError):  # the next one has just taken its place
        return []
    return [dict(row) for row in rows]


def has_figure(rows: Sequence[Mapping[str, Any]], metric: str) -> bool:
    """Return whether any of some evaluations has a finite figure."""
    return any(math.isfinite(row[metric]) for row in rows if row.get(metric) is not None)


def curve(label: str, number: int, rows: Sequence[Mapping[str, Any]], metric: str) -> Line:
    """Return a figure of some evaluations against their epochs."""
    x = [float(row["epoch"]) for row in rows]
    y = [_scaled(metric, row.get(metric)) for row in rows]
    nothing = [None] * len(x)
    return Line(label, Style(number, number), x, y, nothing, nothing, markers=len(x) < 3)


def _scaled(metric: str, value: float | None) -> float | None:
    return value if value is None or not is_accuracy(metric) else 100 * value


def place_words(entry: Mapping[str, Any]) -> str:
    """Return where a run stands in a study: its arm, point, seed and round of pruning."""
    words = [entry["arm"], entry["point"], f"seed {entry['seed']}"]
    if "round" in entry:
        words.append(f"round {entry['round']}")
    return ", ".join(word for word in words if word)
