"""Sentences that their own table contradicts, or does not resolve."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.ranked import Ranked, ranked

_ACCURACY = r".*(?:acc|accuracy).*"
_LOSS = r".*(?:loss|error).*"
_SHARPNESS = r".*(?:lambda|λ|eigen|sharpness|trace).*"


@dataclass(frozen=True)
class Meaning:
    """What words say of an arm.

    Attributes:
        words: Pattern of the superlative, or of the comparative before "than".
        column: Pattern of the columns that tell.
        highest: Whether the highest figure is meant.
    """

    words: str
    column: str
    highest: bool


SUPERLATIVES = (
    Meaning(r"flattest|lowest (?:sharpness|curvature|eigenvalue)", _SHARPNESS, False),
    Meaning(r"sharpest|highest (?:sharpness|curvature|eigenvalue)", _SHARPNESS, True),
    Meaning(r"(?:best|highest) (?:\w+ )?accuracy|most accurate", _ACCURACY, True),
    Meaning(r"(?:worst|lowest) (?:\w+ )?accuracy|least accurate", _ACCURACY, False),
    Meaning(r"(?:best|lowest|smallest) (?:\w+ )?(?:loss|error)", _LOSS, False),
    Meaning(r"(?:worst|highest|largest) (?:\w+ )?(?:loss|error)", _LOSS, True),
)
COMPARATIVES = (
    Meaning(r"flatter", _SHARPNESS, False),
    Meaning(r"sharper", _SHARPNESS, True),
    Meaning(r"more accurate|(?:better|higher) (?:\w+ )?accuracy", _ACCURACY, True),
    Meaning(r"less accurate|(?:worse|lower) (?:\w+ )?accuracy", _ACCURACY, False),
    Meaning(r"(?:better|lower) (?:\w+ )?(?:loss|error)", _LOSS, False),
)

_DENIED = re.compile(
    r"\b(?:not|no|never|neither|nor|cannot|hardly|whether|if|does|do)\b|n't|\?", re.I
)


def _of_folder(folder: Folder) -> Iterator[Seen]:
    for name, text in folder.texts.items():
        for clause in _clauses(text):
            for meaning in SUPERLATIVES:
                yield from _of_superlative(folder, name, clause, meaning)
            for meaning in COMPARATIVES:
                yield from _of_comparative(folder, name, clause, meaning)


def _of_superlative(folder: Folder, name: str, clause: str, meaning: Meaning) -> Iterator[Seen]:
    match = re.search(rf"\b(?:{meaning.words})\b", clause, re.I)
    if match is None:
        return
    columns = _columns(folder, meaning)
    arms = {arm for column in columns for arm in column.arms}
    before, after = clause[: match.start()], clause[match.end() :]
    arm = _nearest(before, arms, last=True) or _nearest(after, arms, last=False)
    if arm is None:
        return
    about = [column for column in columns if arm in column.arms]
    best = [column.best(meaning.highest) for column in about]
    yield from _judge(name, clause, arm, list(zip(about, best, strict=True)))


def _of_comparative(folder: Folder, name: str, clause: str, meaning: Meaning) -> Iterator[Seen]:
    match = re.search(rf"\b(?:{meaning.words})\b.*?\bthan\b", clause, re.I)
    if match is None:
        return
    columns = _columns(folder, meaning)
    arms = {arm for column in columns for arm in column.arms}
    arm = _nearest(clause[: match.start()], arms, last=True)
    other = _nearest(clause[match.end() :], arms, last=False)
    if arm is None or other is None or arm == other:
        return
    pairs = []
    for column in columns:
        if arm in column.arms and other in column.arms:
            two = Ranked(column.table, column.column, {a: column.arms[a] for a in (arm, other)})
            pairs.append((two, two.best(meaning.highest)))
    yield from _judge(name, clause, arm, pairs)


def _judge(name: str, clause: str, arm: str, columns: list[tuple[Ranked, str]]) -> Iterator[Seen]:
    """Report a claim that no column supports, or none resolves.

    Args:
        name: File of the text.
        clause: The claim.
        arm: Whom it is about.
        columns: The columns that tell, each with the arm that is ahead there.
    """
    if not columns:
        return
    if all(best != arm for _, best in columns):
        severe, fault = True, "the text says what its own table contradicts"
        compared = columns[0]
    elif all(best != arm or _within(column, arm) for column, best in columns):
        severe, fault = False, "the text claims an order that its own table does not resolve"
        compared = next(pair for pair in columns if pair[1] == arm)
    else:
        return
    column, best = compared
    other = best if best != arm else _second(column, arm)
    figures = ", ".join(_figure(column, each) for each in (arm, other))
    yield Seen(
        "severe" if severe else "warning",
        name,
        fault,
        f'"{clause.strip()[:160]}"; {column.table.where}, {column.column}: {figures}',
    )


def _within(column: Ranked, arm: str) -> bool:
    return not column.arms[arm].resolved_from(column.arms[_second(column, arm)])


def _second(column: Ranked, arm: str) -> str:
    """Return the arm whose figure is nearest."""
    value = column.arms[arm].value
    others = (each for each in column.arms if each != arm)
    return min(others, key=lambda each: abs(column.arms[each].value - value))


def _figure(column: Ranked, arm: str) -> str:
    figure = column.arms[arm]
    error = f" ± {figure.error:g}" if figure.error == figure.error else ""
    return f"{arm} {figure.value:g}{error}"


def _columns(folder: Folder, meaning: Meaning) -> list[Ranked]:
    return [column for table in folder.tables for column in ranked(table, meaning.column)]


def _nearest(text: str, arms: set[str], last: bool) -> str | None:
    """Return the arm that is named last or first in a text."""
    found = [
        (match.start(), len(arm), arm)
        for arm in arms
        if len(arm) > 1
        for match in re.finditer(rf"(?<![\w-]){re.escape(arm)}(?![\w-])", text, re.I)
    ]
    if not found:
        return None
    place = (max if last else min)(start for start, _, _ in found)
    return max((length, arm) for start, length, arm in found if start == place)[1]


def _clauses(text: str) -> Iterator[str]:
    """Yield the clauses of the sentences that affirm something; code and tables are left out.

    An arm that is named in another clause ("…, which is the flattest") is not looked for.
    """
    plain = re.sub(r"```.*?(?:```|$)", "\n\n", text, flags=re.S)
    lines = ["" if line.lstrip().startswith(("|", "#")) else line for line in plain.splitlines()]
    for block in re.split(r"\n\s*\n", "\n".join(lines)):
        for sentence in re.split(r"(?<=[.!?;])\s+", " ".join(block.split())):
            if not _DENIED.search(sentence):
                yield from re.split(r"[,:()]\s|\)", sentence)


CHECK = Check(
    "claim-against-table",
    "a sentence that the table beside it contradicts or does not resolve",
    "the conclusion does not follow from the figures it is drawn from",
    "correct the sentence, or say that the difference is not resolved",
    of_folder=_of_folder,
)
