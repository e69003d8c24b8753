"""Run a study: record it, execute what is missing, write its report."""

from datetime import UTC, datetime
from typing import Any

from thalweg.execute import Outcome, Progress, Resources, execute
from thalweg.store import Store
from thalweg.store.assemble import read_results
from thalweg.store.files import write_json, write_whole
from thalweg.store.results import StudyResults
from thalweg.study.plan import StudyPlan


def run_study(
    study: StudyPlan, store: Store, resources: Resources, command: str, progress: Progress
) -> tuple[StudyResults, Outcome]:
    """Train what is missing and return the results.

    Args:
        study: The study.
        store: The results folder.
        resources: Processes and device.
        command: What regenerates the results, for the record.
        progress: The live view.

    Raises:
        ThalwegError: The store cannot be written, or a worker died.
    """
    record_study(study, store, command)
    with progress:
        outcome = execute(study.specs, store, resources, progress)
    return read_results(store, study.name), outcome


def record_study(study: StudyPlan, store: Store, command: str) -> None:
    """Write what the study is: its TOML, and which run stands at which arm, point and seed."""
    folder = store.study_folder(study.name)
    write_whole(folder / "study.toml", study.toml())
    record: dict[str, Any] = {
        "name": study.name,
        "title": study.options.title or study.name,
        "question": study.options.question,
        "source": study.source,
        "command": command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "runs": [
            {"arm": p.arm, "point": p.label, "axes": p.axes, "seed": spec.seed, "run": spec.id}
            for p in study.points
            for spec in p.specs
        ],
    }
    write_json(folder / "study.json", record)
