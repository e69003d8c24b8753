"""Arms that differ in how many weights they keep, put in order: the levels of one pruning."""

from collections.abc import Sequence
from dataclasses import dataclass

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Style
from thalweg.report.families import family
from thalweg.report.rounds import Pruning, Round
from thalweg.study.panels import Panel


@dataclass(frozen=True)
class Levels:
    """One pruning, at several fractions kept.

    Attributes:
        name: Of its arm; of arms that differ in ``keep`` alone, what they have in common.
        style: Look of it.
        panel: The panel.
        dense: The networks before pruning.
        rounds: The pruned ones; fewer and fewer weights are kept.
        from_dense: Whether they follow on the dense network, as those of a control do not.
    """

    name: str
    style: Style
    panel: Panel
    dense: Round
    rounds: tuple[Round, ...]
    from_dense: bool

    @property
    def points(self) -> tuple[Round, ...]:
        return (self.dense, *self.rounds) if self.from_dense else self.rounds


def levels(found: Sequence[Pruning]) -> list[Levels]:
    """Return the prunings; arms of a panel that prune once and differ in ``keep`` are one."""
    together: dict[tuple[int, str], list[Pruning]] = {}
    for pruning in found:
        name = pruning.arm.name if len(pruning.rounds) > 1 else family(pruning.arm.name)
        together.setdefault((id(pruning.panel), name), []).append(pruning)
    return [_joined(name, members) for (_, name), members in together.items()]


def _joined(name: str, members: Sequence[Pruning]) -> Levels:
    first = members[0]
    rounds = [each for pruning in members for each in pruning.rounds]
    return Levels(
        name if len(members) > 1 else first.arm.name,
        arm_style(first.arm),
        first.panel,
        first.dense,
        tuple(sorted(rounds, key=lambda each: -(each.kept or 0.0))),
        all(pruning.rounds[0].number == 1 for pruning in members),
    )
