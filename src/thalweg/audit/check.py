"""A check: what it looks for in a plan, in results and in someone's files."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from thalweg.audit.finding import Finding, Severity
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.study import StudyPlan


@dataclass(frozen=True)
class Seen:
    """What one look has found; the fields are those of `Finding`."""

    severity: Severity
    where: str
    fault: str
    evidence: str


@dataclass(frozen=True)
class Check:
    """One kind of fault.

    Attributes:
        name: For people and for JSON.
        summary: What it looks for.
        consequence: Of the fault.
        remedy: Against it.
        of_plan: Looks at a study before anything is run; None if there is nothing to see yet.
        of_study: Looks at a study's results.
        of_folder: Looks at files that another program has left.
    """

    name: str
    summary: str
    consequence: str
    remedy: str
    of_plan: Callable[[StudyPlan], Iterable[Seen]] | None = None
    of_study: Callable[[RecordedStudy], Iterable[Seen]] | None = None
    of_folder: Callable[[Folder], Iterable[Seen]] | None = None

    def findings(self, seen: Iterable[Seen]) -> list[Finding]:
        """Return what was seen with what follows from it."""
        return [
            Finding(
                self.name,
                each.severity,
                each.where,
                each.fault,
                each.evidence,
                self.consequence,
                self.remedy,
            )
            for each in seen
        ]
