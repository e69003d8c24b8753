"""Run all checks over a plan, a study's results or someone's folder."""

from collections.abc import Iterable
from pathlib import Path

from thalweg.audit.checks import rerun
from thalweg.audit.finding import ORDER, Finding
from thalweg.audit.read.folder import read_folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.audit.registry import CHECKS
from thalweg.errors import InputError
from thalweg.execute import Progress
from thalweg.store import Store, StudyResults
from thalweg.store.assemble import read_results
from thalweg.study import StudyPlan

READING = "reading"
"""What findings about files that cannot be read go under."""


def audit_plan(plan: StudyPlan) -> list[Finding]:
    """Return what is wrong with a study before anything is run, the worst first."""
    found: list[Finding] = []
    for check in CHECKS.values():
        if check.of_plan is not None:
            found += check.findings(check.of_plan(plan))
    return _ordered(found)


def audit_study(
    store: Store,
    study: str | StudyResults,
    again: int = 0,
    progress: Progress | None = None,
    data: Path | None = None,
) -> list[Finding]:
    """Return what is wrong with a study's results, the worst first.

    Args:
        store: Where they lie.
        study: Its name, or its results where they are read already.
        again: So many of its runs are trained again and compared; see `rerun`.
        progress: The view of these trainings; by default a live one on standard error.
        data: Folder searched first for downloadable data sets.

    Raises:
        InputError: The store holds no such study, or none of its runs is complete.
        TrustError: The study names code that may not be imported.
    """
    results = read_results(store, study) if isinstance(study, str) else study
    results.check_trusted()
    recorded = RecordedStudy(store, results)
    if not recorded.complete:
        raise InputError(f"study {results.name!r}: has no complete run in {store.root}")
    found = _missing(recorded)
    for check in CHECKS.values():
        if check.of_study is not None:
            found += check.findings(check.of_study(recorded))
    if again:
        found += rerun.CHECK.findings(rerun.rerun(recorded, again, progress or Progress(), data))
    return _ordered(found)


def audit_folder(root: Path) -> list[Finding]:
    """Return what is wrong with the files that another program has left, the worst first; nothing
    in them is run or unpickled.

    Raises:
        InputError: There is no such folder, or nothing in it to audit.
    """
    folder = read_folder(root)
    found = [
        Finding(
            READING,
            "note",
            name,
            "the file could not be read",
            reason,
            "nothing in it was audited",
            "give it in a format that needs no unpickling (a state dict, safetensors, CSV, UTF-8)",
        )
        for name, reason in folder.unread.items()
    ]
    for check in CHECKS.values():
        if check.of_folder is not None:
            found += check.findings(check.of_folder(folder))
    return _ordered(found)


def _missing(study: RecordedStudy) -> list[Finding]:
    runs = study.results.runs
    left = runs.filter(runs["status"].is_in(["missing", "failed"]))
    if left.is_empty():
        return []
    counts = [f"{n} {status}" for status, n in left["status"].value_counts().sort("status").rows()]
    return [
        Finding(
            READING,
            "warning",
            study.results.name,
            "the study is not complete",
            f"{', '.join(counts)} of {len(runs)} runs",
            "what is told rests on the runs that are there",
            f"run it again: complete runs are kept ({study.results.provenance['command']})",
        )
    ]


def _ordered(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(dict.fromkeys(findings), key=lambda finding: ORDER.index(finding.severity))
