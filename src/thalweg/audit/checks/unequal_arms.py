"""Arms that had other seeds, or more chances, than the arms they are compared with."""

from collections.abc import Iterable, Iterator, Mapping

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.audit.read.tables import ARM, RATE, SEED
from thalweg.study import StudyPlan

TUNED = ("optimizer.", "train.")
"""What is tuned; other axes are part of the question."""

SHOWN = 5
"""Arms, or seeds, that a sentence lists at most."""


def _tuning_of_plan(plan: StudyPlan) -> Iterator[Seen]:
    panels: dict[str, dict[str, int]] = {}
    for point in plan.points:
        spec = point.specs[0]
        arms = panels.setdefault(f"{spec.task.name}, {spec.model.name}", {})
        tuned = any(axis.startswith(TUNED) for axis in point.axes)
        arms[point.arm] = arms.get(point.arm, 0) + tuned
    for title, arms in panels.items():
        yield from _unequal_budgets(title, arms)


def _tuning_of_study(study: RecordedStudy) -> Iterator[Seen]:
    for panel in study.panels:
        yield from _unequal_budgets(
            panel.title,
            {
                arm.name: sum(any(axis.startswith(TUNED) for axis in p.axes) for p in arm.points)
                for arm in panel.arms
            },
        )


def _unequal_budgets(title: str, points: Mapping[str, int]) -> Iterator[Seen]:
    """Compare the arms' numbers of tuned points; an arm without a grid has its one point."""
    counts = {arm: max(1, count) for arm, count in points.items()}
    if len(set(counts.values())) > 1:
        yield Seen(
            "warning",
            title,
            "the arms were not tuned alike",
            f"points tried: {_by_number(counts)}",
        )


def _seeds_of_study(study: RecordedStudy) -> Iterator[Seen]:
    for panel in study.panels:
        yield from _unequal_seeds(
            panel.title,
            {
                f"{arm.name} {point.label}".rstrip(): frozenset(map(str, point.seeds))
                for arm in panel.arms
                for point in arm.points
            },
        )


def _seeds_of_folder(folder: Folder) -> Iterator[Seen]:
    for table in folder.tables:
        column = table.find(SEED)
        keys = [name for name in table.find_all(rf"{ARM}|{RATE}") if name != column]
        values = {row[column] for row in table.rows} if column is not None else set()
        if column is None or not keys or column.lower() == "seeds" or len(values) < 2:
            continue
        arms: dict[str, set[str]] = {}
        for row in table.rows:
            arms.setdefault(" ".join(row[key] for key in keys), set()).add(row[column])
        yield from _unequal_seeds(table.where, {a: frozenset(s) for a, s in arms.items()})


def _unequal_seeds(where: str, seeds: Mapping[str, frozenset[str]]) -> Iterator[Seen]:
    if len(set(seeds.values())) < 2:
        return
    shared = frozenset.intersection(*seeds.values())
    counts = {arm: len(own) for arm, own in seeds.items()}
    if shared or min(counts.values()) == 0:
        yield Seen(
            "warning",
            where,
            "the arms have not the same seeds",
            f"seeds with a result: {_by_number(counts)}",
        )
    else:
        yield Seen(
            "severe",
            where,
            "no seed is shared by all arms",
            "; ".join(f"{arm}: {_few(sorted(own))}" for arm, own in list(seeds.items())[:SHOWN]),
        )


def _by_number(counts: Mapping[str, int]) -> str:
    """Return "3 (sgd, adam), 1 (lion)": the arms of each number, the largest first."""
    arms: dict[int, list[str]] = {}
    for arm, number in counts.items():
        arms.setdefault(number, []).append(arm)
    return ", ".join(f"{number} ({_few(arms[number])})" for number in sorted(arms, reverse=True))


def _few(texts: Iterable[str]) -> str:
    listed = list(texts)
    return ", ".join(listed[:SHOWN]) + (", …" if listed[SHOWN:] else "")


TUNING = Check(
    "unequal-tuning",
    "arms that were tuned over fewer points than others",
    "the arm that was tuned longer is ahead by that",
    "give every arm as many points, or state the budget beside the comparison",
    of_plan=_tuning_of_plan,
    of_study=_tuning_of_study,
)
SEEDS = Check(
    "unequal-seeds",
    "arms with other seeds than the arms they are compared with",
    "differences are not paired, and the arm of fewer seeds has the wider error",
    "run every arm from the same seeds",
    of_study=_seeds_of_study,
    of_folder=_seeds_of_folder,
)
