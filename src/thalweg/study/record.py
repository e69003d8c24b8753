"""The record of a study in the store: what it asks, and which runs answer it."""

from datetime import UTC, datetime
from typing import Any

from thalweg.errors import InputError
from thalweg.spec.run import IMPORTED
from thalweg.store import Store
from thalweg.store.files import read_json, write_json, write_whole
from thalweg.study.comparison import looks
from thalweg.study.plan import StudyPlan
from thalweg.study.protocol import budget_notes, tuning_budgets
from thalweg.study.source import imported_sentence


def record_study(study: StudyPlan, store: Store, command: str) -> None:
    """Write the study's TOML, and which run stands at which arm, point and seed.

    Raises:
        InputError: A study of that name was imported.
        ThalwegError: The store cannot be written.
    """
    check_not_imported(study.name, store)
    folder = store.study_folder(study.name)
    path = folder / "study.json"
    before = read_json(path) if path.exists() else {}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_whole(folder / "study.toml", study.toml())
    record: dict[str, Any] = {
        "name": study.name,
        "title": study.options.title or study.name,
        "question": study.options.question,
        "notes": study.options.notes + budget_notes(study.protocol, tuning_budgets(study.points)),
        "targets": study.options.targets.by_metric(),
        "groups": study.options.groups,
        "search": study.table.get("search", {}),
        "probes": {request.label: request.file for request in study.probes},
        "source": study.source,
        "command": command,
        "started": before.get("started", now),
        "sequential": _sequential(study) or before.get("sequential"),
        "runs": [
            {"arm": p.arm, "point": p.label, "axes": p.axes, "seed": spec.seed, "run": spec.id}
            for p in study.points
            for spec in p.specs
        ],
        "points": [
            {
                **{"arm": p.arm, "point": p.label, "task": spec.task.name},
                **{"model": spec.model.name, "optimizer": spec.optimizer.name},
            }
            for p in study.points
            for spec in p.specs[:1]
        ],
        "rounds": [
            {"arm": p.arm, "point": p.label, "seed": spec.seed, "round": s.round, "run": s.id}
            for p in study.points
            for spec in p.specs
            if spec.round > 0
            for s in spec.lineage
        ],
    }
    write_json(path, record)


def check_not_imported(name: str, store: Store) -> None:
    """Check that a store holds no imported study of a name, whose place another would take.

    Raises:
        InputError: It does.
    """
    if name in store.studies() and IMPORTED in store.record(name):
        raise InputError(imported_sentence(name))


def record_stop(store: Store, name: str, reason: str) -> None:
    """Write why no more seeds were added to a study.

    Raises:
        ThalwegError: The store cannot be written.
    """
    path = store.study_folder(name) / "study.json"
    record = read_json(path)
    write_json(path, {**record, "sequential": {**record["sequential"], "stop": reason}})


def _sequential(study: StudyPlan) -> dict[str, Any] | None:
    """How the seeds were added look by look, and the looks so far; None where all were planned.

    A study that was looked at stays one that was, so a later command that adds no seeds leaves
    this as it was.
    """
    rule = study.protocol.until_resolved
    if rule is None:
        return None
    most = max(len(point.specs) for point in study.points)
    found = [n for n in looks(len(study.options.seeds), rule.max_seeds) if n <= most]
    return {"max_seeds": rule.max_seeds, "metric": rule.metric, "looks": found, "stop": ""}
