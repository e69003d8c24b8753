"""What runs must leave as they train, beside their results."""

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thalweg.execute.models import load_named_task
from thalweg.execute.paths import path_length, path_snapshots
from thalweg.measure.requests import Request, parse_requests
from thalweg.spec import RunSpec
from thalweg.store import RunDirectory

END = "end"
"""The snapshot of a complete training."""


@dataclass
class Leaving:
    """What one run must leave.

    Attributes:
        snapshots: Names of the states that other runs, or measurements, begin from.
        probes: Measurements to be taken as it trains.
    """

    snapshots: list[str] = field(default_factory=list)
    probes: list[Request] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.snapshots or self.probes)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        probes = [request.table() for request in self.probes]
        return {"snapshots": self.snapshots, "probes": probes}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "Leaving":
        """Take up what `as_json` returned."""
        return cls(list(values["snapshots"]), parse_requests(values["probes"]))


Wanted = Mapping[str, Leaving]
"""What runs must leave, by their ids; those that must leave nothing are absent."""


Asked = Sequence[tuple[Request, Container[str]]]
"""Measurements, each with the ids of the runs that it is of."""


def wanted_of(
    specs: Sequence[RunSpec],
    asked: Asked = (),
    data: Path | None = None,
) -> Wanted:
    """Return what runs must leave: the states that rounds of pruning among them begin from, what
    is measured as they train, and the weights along the paths that measurements ask for.

    Args:
        specs: The runs, those that others are pruned from among them.
        asked: Measurements.
        data: Folder searched first for downloadable data sets.
    """
    wanted: dict[str, Leaving] = defaultdict(Leaving)

    def snapshot(run_id: str, name: str) -> None:
        names = {*wanted[run_id].snapshots, name}
        wanted[run_id].snapshots = sorted(names)

    for spec in specs:
        if spec.rounds is None or spec.parent is None:
            continue
        if spec.rounds.start.weights == "dense" and spec.rounds.start.count > 0:
            snapshot(spec.dense.id, spec.rounds.rewind)
        if spec.rounds.optimizer_state == "keep":
            snapshot(spec.parent.id, END)
    for request, ids in asked:
        count = path_length(request.options)
        for spec in specs:
            if spec.id not in ids:
                continue
            if request.when is not None:
                wanted[spec.id].probes.append(request)
            if count:
                examples = len(load_named_task(spec.task, data).train)
                for name in path_snapshots(spec, count, examples):
                    snapshot(spec.id, name)
    return wanted


def lacking(run: RunDirectory, wanted: Wanted) -> Leaving:
    """Return what a run has not left of what it must.

    One that diverged leaves no snapshots, one that failed leaves nothing, and neither does one that
    took no step, because the run it was to be pruned from diverged.
    """
    asked = wanted.get(run.id)
    if asked is None:
        return Leaving()
    left = Leaving(
        [name for name in asked.snapshots if not run.has_snapshot(name)],
        [request for request in asked.probes if not run.has_figures(request.file)],
    )
    if not left:
        return left
    status = run.status()
    if status["status"] == "failed" or status.get("steps") == 0:
        return Leaving()
    return Leaving([], left.probes) if status["status"] == "diverged" else left
