"""What an audit tells: findings."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["severe", "warning", "note"]

ORDER: tuple[Severity, ...] = ("severe", "warning", "note")
"""From the worst on."""


@dataclass(frozen=True)
class Finding:
    """One fault, or one thing that a reader must know.

    Attributes:
        check: Name of the check that found it.
        severity: "severe": a figure is not what it is said to be, or does not follow from what was
            done. "warning": it is weaker than it looks. "note": know it when you read.
        where: File, arm, or key of the study.
        fault: What is wrong, in one sentence.
        evidence: The figures that show it.
        consequence: What does not follow any more.
        remedy: What to do.
    """

    check: str
    severity: Severity
    where: str
    fault: str
    evidence: str
    consequence: str
    remedy: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
