"""Conclusions from one seed, or from one run that diverged."""

import math
from collections import Counter
from collections.abc import Iterator

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.audit.read.tables import EPOCH, RATE, SEED, Table
from thalweg.study import StudyPlan

_FIGURE = r".*(?:loss|acc|accuracy|error)(?:[_ -].*)?"


def _seed_of_plan(plan: StudyPlan) -> Iterator[Seen]:
    if len(plan.options.seeds) == 1:
        yield Seen(
            "warning",
            "study.seeds",
            "every arm has one seed",
            f"seeds = {plan.options.seeds}, {len({p.arm for p in plan.points})} arms",
        )


def _seed_of_study(study: RecordedStudy) -> Iterator[Seen]:
    for panel in study.panels:
        most = max(len(point.seeds) for arm in panel.arms for point in arm.points)
        if most == 1:
            yield Seen(
                "warning",
                panel.title,
                "every arm has one seed",
                f"{len(panel.arms)} arms, one run a grid point",
            )


def _seed_of_folder(folder: Folder) -> Iterator[Seen]:
    for table in folder.tables:
        column = table.find(SEED)
        if column is None:
            continue
        if column.lower() == "seeds":
            alone = bool(table.rows) and set(table.numbers(column)) == {1.0}
        else:
            alone = len({row[column] for row in table.rows}) == 1
        if alone:
            yield Seen(
                "warning",
                table.where,
                "everything rests on one seed",
                f"column {column!r} is {table.rows[0][column]} in all {len(table.rows)} rows",
            )


def _chain_of_study(study: RecordedStudy) -> Iterator[Seen]:
    for panel in study.panels:
        for arm in panel.arms:
            for point in arm.points:
                if point.count("diverged") == 1 and len(point.seeds) < 5:
                    yield Seen(
                        "warning" if len(point.seeds) == 1 else "note",
                        f"{panel.title}, {arm.name} {point.label}".rstrip(),
                        "that it is unstable there rests on one run",
                        f"1 of {len(point.seeds)} runs diverged",
                    )


def _chain_of_folder(folder: Folder) -> Iterator[Seen]:
    for table in folder.tables:
        rate = table.find(RATE)
        if rate is None:
            continue
        found = _diverged(table)
        at = Counter(row[rate] for row in table.rows if _last(table, row, rate))
        for value in dict.fromkeys(row[rate] for row, is_bad in found if is_bad):
            if at[value] == 1:
                yield Seen(
                    "warning",
                    table.where,
                    "that it is unstable there rests on one run",
                    f"{rate} = {value}: its one run diverged",
                )


def _diverged(table: Table) -> list[tuple[dict[str, str], bool]]:
    columns = [
        column
        for column in table.find_all(_FIGURE)
        if any(map(math.isfinite, table.numbers(column)))
    ]
    bad = ("nan", "inf", "-inf", "diverged")
    return [
        (row, any(row[column].strip().lower() in bad for column in columns)) for row in table.rows
    ]


def _last(table: Table, row: dict[str, str], rate: str) -> bool:
    """Return whether a row is the last of its run."""
    epoch, seed = table.find(EPOCH), table.find(SEED)
    if epoch is None:
        return True
    mates = [
        each
        for each in table.rows
        if each[rate] == row[rate] and (seed is None or each[seed] == row[seed])
    ]
    return mates[-1] is row


SEED_CHECK = Check(
    "single-seed",
    "a comparison of arms that were run from one seed",
    "no figure has an error, so that no difference can be told from chance",
    "run at least five seeds, the same in all arms",
    of_plan=_seed_of_plan,
    of_study=_seed_of_study,
    of_folder=_seed_of_folder,
)
CHAIN = Check(
    "one-diverged-chain",
    "an instability that rests on a single run that diverged",
    "where the edge of stability lies is not known: another seed may train there",
    "run several seeds at and around the edge and tell how many diverged",
    of_study=_chain_of_study,
    of_folder=_chain_of_folder,
)
