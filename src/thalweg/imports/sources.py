"""Which files are of one training: by their prefix, or as they are told."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from thalweg.errors import InputError
from thalweg.imports.columns import Curve, Pruning, Row, read_curves, read_log
from thalweg.imports.files import File
from thalweg.imports.names import Part, optimizer_in, split_prefix
from thalweg.study.axes import Axes, label

_DENSE = re.compile(r"(?:training_metrics|final_weights)\.\w+$")
"""Names of files of a training that was not pruned."""


@dataclass
class Source:
    """What the files tell of one training, from one seed, with all its prunings.

    Attributes:
        arm: Name of its arm.
        rate: The learning rate that its name tells, which is then the arm's axis.
        seed: As the files, their names or whoever imports them tell it.
        optimizer: As the files or their names tell it; None where they do not.
        rows: Figures by epoch; empty where there are none.
        log: Prunings; empty where there are none.
        files: By what they are; masks of a pruning by its epoch as well.
        told_axes: The arm's axes where something else tells them than the learning rate in a name.
    """

    arm: str
    rate: float | None
    seed: int
    optimizer: str | None
    rows: tuple[Row, ...] = ()
    log: tuple[Pruning, ...] = ()
    files: dict[tuple[Part, int | None], File] = field(default_factory=dict)
    told_axes: Axes | None = None

    @property
    def axes(self) -> Axes:
        """Values of its grid point by key path."""
        if self.told_axes is not None:
            return self.told_axes
        return {} if self.rate is None else {"optimizer.lr": self.rate}

    @property
    def point(self) -> str:
        """Label of its grid point, "" where its name tells no learning rate."""
        return label(self.axes)

    @property
    def who(self) -> str:
        """How messages call it."""
        point = f" ({self.point})" if self.point else ""
        return f"arm {self.arm!r}{point}, seed {self.seed}"

    def of(self, part: Part) -> File | None:
        """Return the file of a kind of which there is one at most."""
        return self.files.get((part, None))

    @property
    def masks(self) -> dict[int | None, File]:
        """Files of masks by the epoch of their pruning; None for the last."""
        return {number: file for (part, number), file in self.files.items() if part is Part.MASK}


def find_sources(
    files: Sequence[File], arm: str | None = None, seed: int | None = None
) -> tuple[list[Source], list[str]]:
    """Put files together that are of one training.

    Args:
        files: What was read.
        arm: The arm of all of them, whatever their names tell; None for what their names tell.
        seed: Of those that tell none. Without it, they have the one seed that all others tell.

    Returns:
        The trainings, and sentences on what was assumed.

    Raises:
        InputError: Two files claim the same place; or one tells no arm, no seed, or another seed.
    """
    grouped: dict[tuple[str, bool], list[File]] = {}
    pruned = {_prefix(file, arm) for file in files if _marks_ticket(file)}
    for file in files:
        prefix = _prefix(file, arm)
        ticket = _marks_ticket(file) or (prefix in pruned and not _DENSE.search(file.name))
        if arm is not None:  # whoever imports them says that they are of one training
            ticket = False
        grouped.setdefault((prefix, ticket), []).append(file)
    parts = [(*key, _curves(members), members) for key, members in grouped.items()]
    told = [s for prefix, _, curves, _ in parts for s in _told_seeds(prefix, curves)]
    assumed: list[str] = []
    if (
        seed is None
        and len(set(told)) == 1
        and any(not _told_seeds(prefix, curves) for prefix, _, curves, _ in parts)
    ):
        seed = told[0]
        assumed.append(f"Files that tell no seed were given the one that the others tell, {seed}.")
    found: list[Source] = []
    for prefix, ticket, curves, members in parts:
        both = ticket and (prefix, False) in grouped
        found += _sources(prefix, both, curves, members, seed, arm is not None)
    _check_places(found)
    return found, assumed


def _prefix(file: File, arm: str | None) -> str:
    if arm is None:
        return file.told.prefix
    _, rate, seed = split_prefix(file.told.prefix)
    told = (("lr", None if rate is None else f"{rate:g}"), ("seed", seed))
    return "_".join([arm, *(f"{key}{value}" for key, value in told if value is not None)])


def _marks_ticket(file: File) -> bool:
    """Return whether a file is of a training that was pruned."""
    return file.told.part.of_ticket or (file.tensors is not None and bool(file.tensors.masks))


def _curves(members: Sequence[File]) -> list[tuple[File, Curve]]:
    return [
        (file, curve)
        for file in members
        if file.table is not None and file.told.part is not Part.LOG
        for curve in read_curves(file.table)
    ]


def _told_seeds(prefix: str, curves: Sequence[tuple[File, Curve]]) -> list[int]:
    """Return the seeds that a prefix and tables tell."""
    named = split_prefix(prefix)[2]
    told = [curve.seed for _, curve in curves if curve.seed is not None]
    return told if named is None else [named, *told]


def _sources(
    prefix: str,
    both: bool,
    curves: Sequence[tuple[File, Curve]],
    members: Sequence[File],
    seed: int | None,
    certain: bool,
) -> list[Source]:
    """Return the trainings of files with one prefix: one, or if a table tells several, each.

    Args:
        prefix: Of all of them.
        both: Whether a training of the same prefix was not pruned.
        curves: What their tables tell.
        members: The files.
        seed: Of those that tell none.
        certain: Whether a file must tell no other seed.
    """
    arm, rate, named_seed = split_prefix(prefix)
    name = f"{arm}_pruned" if both else arm
    tables = {file.name: file for file, _ in curves}
    if len(tables) > 1:
        raise InputError(f"{' and '.join(tables)}: are both figures of arm {name!r}; leave one out")
    others = [file for file in members if file.name not in tables]
    if len(curves) > 1 and others:
        raise InputError(
            f"{next(iter(tables))}: tells {len(curves)} trainings, of which {others[0].name} could "
            "be any; split it, or give the files of one training prefixes of their own"
        )
    several = len({curve.optimizer for _, curve in curves}) > 1
    found = []
    trainings: Sequence[tuple[File | None, Curve]] = curves or [(None, Curve(None, None, ()))]
    for file, curve in trainings:
        own = curve.optimizer or "" if several or not arm else name
        if not own:
            raise InputError(f"{members[0].name}: its name tells no arm; give it with --arm")
        told = [named_seed, curve.seed, *([seed] if certain else [])]
        source = Source(
            arm=own,
            rate=rate,
            seed=_seed(members[0].name, told, seed),
            optimizer=curve.optimizer or optimizer_in(arm),
            rows=curve.rows,
        )
        for each in [*([file] if file else []), *others]:
            _add(source, each)
        found.append(source)
    return found


def _seed(file: str, claims: Sequence[int | None], otherwise: int | None) -> int:
    """Return the seed that is told, or else another."""
    told = list(dict.fromkeys(claim for claim in [*claims] if claim is not None))
    if len(told) > 1:
        raise InputError(f"{file}: must have one seed, but is told {' and '.join(map(str, told))}")
    if not told and otherwise is None:
        raise InputError(f"{file}: tells no seed; give it with --seed, a whole number")
    return told[0] if told else int(otherwise or 0)


def _add(source: Source, file: File) -> None:
    """Put a file where it belongs."""
    part, number = file.told.part, file.told.number
    if part is Part.LOG:
        assert file.table is not None
        source.log = tuple(read_log(file.table))
    if part is Part.TICKET_METRICS:
        part = Part.METRICS
    if part in (Part.WEIGHTS, Part.TICKET_WEIGHTS):
        assert file.tensors is not None
        part = Part.WEIGHTS if file.tensors.weights else Part.MASK
    if part is Part.REWOUND:
        number = None
    before = source.files.setdefault((part, number), file)
    if before is not file:
        raise InputError(
            f"{before.name} and {file.name}: both claim to be the {part.value} of {source.who}; "
            "leave one out"
        )


def _check_places(found: Sequence[Source]) -> None:
    """Check that no two trainings have the same arm, learning rate and seed."""
    taken: dict[tuple[str, float | None, int], Source] = {}
    for source in found:
        before = taken.setdefault((source.arm, source.rate, source.seed), source)
        if before is not source:
            names = [next(iter(each.files.values())).name for each in (before, source)]
            raise InputError(
                f"{' and '.join(dict.fromkeys(names))}: both claim to be {source.who}; leave one "
                "out, or import it under another --arm or --seed"
            )
