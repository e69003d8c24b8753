"""Results that training again does not give again."""

import math
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from thalweg.audit.check import Check, Seen
from thalweg.audit.finding import Severity
from thalweg.audit.read.recorded import RecordedStudy, final_weights
from thalweg.audit.read.tensors import Named
from thalweg.errors import InputError
from thalweg.execute import Progress, Resources, execute
from thalweg.spec import RunSpec
from thalweg.store import Store
from thalweg.store.provenance import source_hash, versions

TOLERANCE = 1e-3
"""Relative difference of the final loss up to which rounding explains it."""


def rerun(study: RecordedStudy, count: int, progress: Progress, data: Path | None) -> list[Seen]:
    """Train some runs of a study again, in a folder of their own, and compare what they end with.

    Args:
        study: The study.
        count: How many of its runs that came to figures; drawn, but always the same ones. A run
            that was pruned by rounds takes the runs before it along.
        progress: The view.
        data: Folder searched first for downloadable data sets.

    Raises:
        InputError: The runs' data is not there, or none of them can be trained here.
        ThalwegError: The work could not be done.
    """
    done = {run["run"]: run["arm"] for run in study.complete if run["status"] == "done"}
    known = [(i, spec) for i in sorted(done) if (spec := study.spec(i)) is not None]
    if not known:
        raise InputError(
            f"--rerun {count}: none of the runs of study {study.results.name!r} can be trained "
            "again here; leave it out"
        )
    drawn = random.Random(0).sample(known, min(count, len(known)))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), create=True)
        for device in sorted({study.store.run(i).status()["device"] for i, _ in drawn}):
            resources = Resources.choose(device, 1, data)
            specs = [s for i, s in drawn if study.store.run(i).status()["device"] == device]
            with progress as view:
                execute(specs, store, resources, view)
        found = [seen for i, spec in drawn for seen in _compare(study, i, done[i], spec, store)]
    equal = len(drawn) - len(found)
    if equal:
        found.append(
            Seen(
                "note",
                study.results.name,
                "a sample of the runs was trained again",
                f"{equal} of {len(drawn)} ended with the same weights and figures to the bit",
            )
        )
    return found


def _compare(
    study: RecordedStudy, run_id: str, arm: str, spec: RunSpec, store: Store
) -> Iterator[Seen]:
    """Yield how a run differs from what training it again has given."""
    before, again = study.store.run(run_id), store.run(spec.id)
    was, now = before.status(), again.status()
    where = f"{arm}, seed {spec.seed}, run {run_id}"
    if now["status"] != "done":
        yield Seen("severe", where, "training it again does not end", str(now["status"]))
        return
    figures = [key for key in was if key.endswith(("_loss", "_accuracy"))]
    weights = (final_weights(before), final_weights(again))
    if _same(*weights) and all(was[key] == now.get(key) for key in figures):
        return
    changes = _changes(was)
    apart = [key for key in figures if not _close(was[key], now.get(key))]
    evidence = ", ".join(f"{key} {was[key]:.6g} → {now[key]:.6g}" for key in apart or figures[:2])
    if changes:
        evidence += f" ({'; '.join(changes)})"
    if not apart:
        yield Seen("note", where, "training it again gives the same but for rounding", evidence)
    else:
        severity: Severity = "warning" if changes else "severe"
        yield Seen(severity, where, "training it again gives other figures", evidence)


def _same(first: Named, second: Named) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


def _close(before: float, after: float | None) -> bool:
    return after is not None and math.isclose(before, after, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _changes(was: dict[str, Any]) -> Sequence[str]:
    """Return what else has changed since a run was trained."""
    now = versions()
    found = [f"{k} {v}, now {now.get(k)}" for k, v in was["versions"].items() if now.get(k) != v]
    if was["source"] != source_hash():
        found.append(f"source {was['source']}, now {source_hash()}")
    return found


CHECK = Check(
    "rerun",
    "runs that end otherwise when they are trained again (--rerun N)",
    "what the study reports cannot be made again from it",
    "look at what changed in between, and train the study again",
)
