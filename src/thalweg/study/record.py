"""The record of a study in the store: what it asks, and which runs answer it."""

from datetime import UTC, datetime
from typing import Any

from thalweg.store import Store
from thalweg.store.files import read_json, write_json, write_whole
from thalweg.study.plan import StudyPlan


def record_study(study: StudyPlan, store: Store, command: str) -> None:
    """Write the study's TOML, and which run stands at which arm, point and seed.

    Raises:
        ThalwegError: The store cannot be written.
    """
    folder = store.study_folder(study.name)
    before = folder / "study.json"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_whole(folder / "study.toml", study.toml())
    record: dict[str, Any] = {
        "name": study.name,
        "title": study.options.title or study.name,
        "question": study.options.question,
        "notes": study.options.notes,
        "targets": study.options.targets.by_metric(),
        "search": study.table.get("search", {}),
        "probes": {request.label: request.file for request in study.probes},
        "source": study.source,
        "command": command,
        "started": read_json(before)["started"] if before.exists() else now,
        "runs": [
            {"arm": p.arm, "point": p.label, "axes": p.axes, "seed": spec.seed, "run": spec.id}
            for p in study.points
            for spec in p.specs
        ],
        "rounds": [
            {"arm": p.arm, "point": p.label, "seed": spec.seed, "round": s.round, "run": s.id}
            for p in study.points
            for spec in p.specs
            if spec.round > 0
            for s in spec.lineage
        ],
    }
    write_json(folder / "study.json", record)
