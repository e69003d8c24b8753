"""A study's plan: arms × grid × seeds, and the runs they stand for."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import BeforeValidator, Field, WithJsonSchema

from thalweg.errors import InputError, TrustError
from thalweg.measure.requests import Request, parse_requests
from thalweg.registry import find_modules_in, is_trusting, trusting
from thalweg.spec import RunSpec
from thalweg.spec.run import Parts
from thalweg.study.axes import Axes, label
from thalweg.study.conditions import expand_conditions
from thalweg.study.protocol import Protocol, check_protocol
from thalweg.study.search import SearchOptions, expand_search
from thalweg.study.seeds import SEEDS_SCHEMA, seed_list
from thalweg.study.source import Table, effective, merge, read_study
from thalweg.study.space import Space, search_space
from thalweg.study.target_options import Targets, check_targets
from thalweg.validation import Options, join_path, unknown, validate

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NAME_WORDS = "1 to 100 letters, digits, dots, dashes or underscores"

ARM_SECTIONS = ("task", "model", "optimizer", "train", "sparsity")


def _name(value: Any) -> Any:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"must be {_NAME_WORDS} (it names a folder)")
    return value


class StudyOptions(Options):
    """The ``[study]`` table.

    Attributes:
        name: Names the folder of the report.
        title: One line for people.
        question: What the study asks.
        seeds: Number of seeds, counted from 0, or a list of them.
        targets: Figures whose cost to reach is reported.
        groups: Arms that answer a question of their own, by its name: patterns of their names.
        notes: Sentences that a reader of the results must know.
    """

    name: Annotated[
        str,
        BeforeValidator(_name),
        WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$", "title": _NAME_WORDS}),
    ]
    title: str = ""
    question: str = ""
    seeds: Annotated[list[int], BeforeValidator(seed_list), WithJsonSchema(SEEDS_SCHEMA)] = Field(
        default=[0, 1, 2]
    )
    targets: Targets = Field(default=Targets())
    groups: dict[str, list[str]] = Field(default={})
    notes: list[str] = Field(default=[])


@dataclass(frozen=True)
class Point:
    """One grid point of an arm.

    Attributes:
        arm: Name of the arm.
        label: Short name of the point, "" where the arm has no grid.
        axes: Values by key path.
        specs: One run a seed.
    """

    arm: str
    label: str
    axes: Axes
    specs: tuple[RunSpec, ...]


@dataclass(frozen=True)
class StudyPlan:
    """A study, expanded to its runs.

    Attributes:
        options: The ``[study]`` table.
        points: Every grid point of every arm.
        table: The study as it applies, preset and overrides included.
        source: What it was read from: a path, a recipe's name, or "" if made by a command.
        spaces: What the arms' trials are drawn from, where results decide which come next.
        probes: What is measured of every run.
        protocol: What the study promises about itself.
    """

    options: StudyOptions
    points: tuple[Point, ...]
    table: Table
    source: str = ""
    spaces: Mapping[str, Space] = field(default_factory=dict)
    probes: tuple[Request, ...] = ()
    protocol: Protocol = field(default_factory=Protocol)

    @property
    def name(self) -> str:
        return self.options.name

    @cached_property
    def specs(self) -> list[RunSpec]:
        """All runs, those that others are pruned from among them; one that stands in several arms
        comes once.
        """
        every = (s for point in self.points for spec in point.specs for s in spec.lineage)
        return list({spec.id: spec for spec in every}.values())

    def measured(self, request: Request, among: Container[str] | None = None) -> set[str]:
        """Return the ids of the runs that a measurement is of, with the rounds that it is of.

        Args:
            request: The measurement.
            among: Ids of the runs of the arms that come into question; None for all.
        """
        patterns = request.sample.arms or ["*"]
        return {
            each.id
            for point in self.points
            if any(fnmatchcase(point.arm, pattern) for pattern in patterns)
            for spec in point.specs
            if among is None or spec.id in among
            for each in spec.lineage[request.rounds]
        }

    def toml(self) -> str:
        """Return the study as TOML, everything applied."""
        return tomli_w.dumps(self.table)


def load_study(
    source: str | Path,
    preset: str | None = None,
    seeds: int | None = None,
    overrides: Sequence[str] = (),
    trust: bool = False,
) -> StudyPlan:
    """Load a study from a TOML file or by a recipe's name.

    Modules that a trusted study names (``"package.module:Name"``) are looked for beside the file
    and in the working directory too.

    Args:
        source: Path or name.
        preset: Name of a preset.
        seeds: Number of seeds.
        overrides: ``KEY=VALUE`` texts.
        trust: Whether the study may import code that it names; so it may in a block of
            `thalweg.trusting` too.

    Raises:
        InputError: One sentence naming the key, the value and what is allowed.
        TrustError: The study names code and is not trusted.
    """
    table = read_study(str(source))
    with trusting(trust or is_trusting()):
        if is_trusting() and Path(source).exists():
            find_modules_in(Path(source).resolve().parent)
        plan = expand_study(effective(table, preset, seeds, overrides), str(source))
    check_targets(plan.options.targets.by_metric(), dict.fromkeys(p.arm for p in plan.points))
    return plan


def build_study(table: Table) -> StudyPlan:
    """Expand the table of a study that was made here, and may name any code; see `expand_study` for
    one that was read.

    Raises:
        InputError: One sentence naming the key, the value and what is allowed.
    """
    with trusting():
        return expand_study(table)


def expand_study(table: Table, source: str = "") -> StudyPlan:
    """Expand a study's table.

    Raises:
        InputError: One sentence naming the key, the value and what is allowed.
        TrustError: It names code that nobody has vouched for.
    """
    if "study" not in table:
        raise InputError("[study] is missing")
    if not isinstance(table["study"], Mapping):
        raise InputError(f"study = {table['study']!r}: must be a table")
    options = validate(StudyOptions, table["study"], "study")
    if not isinstance(table.get("search", {}), Mapping):
        raise InputError(f"search = {table['search']!r}: must be a table")
    search = validate(SearchOptions, table.get("search", {}), "search")
    if not isinstance(table.get("protocol", {}), Mapping):
        raise InputError(f"protocol = {table['protocol']!r}: must be a table")
    protocol = validate(Protocol, table.get("protocol", {}), "protocol")
    tables: dict[str, Table] = {}
    points: list[Point] = []
    for origin, name, arm in arm_tables(table):
        if name in tables:
            raise InputError(f"arms: two of them are named {name!r}")
        tables[name] = arm
        with _naming(origin):
            points += _expand_arm(name, arm, search, protocol.seeds_of(name, options.seeds))
    if not tables:
        raise InputError("arms: every arm is false, so there is nothing to train; leave one in")
    check_protocol(protocol, points, options.seeds)
    spaces: dict[str, Space] = {}
    if search.method == "optuna":
        spaces = {name: search_space(arm) for name, arm in tables.items()}
    probes = tuple(parse_requests(table.get("probes", [])))
    names = list(tables)
    for group, patterns in options.groups.items():
        _check_patterns(join_path("study.groups", group), patterns, names)
    for request in probes:
        if request.sample.runs == "final" and protocol.final_seeds is None:
            raise InputError(
                f"probes.{request.label}.runs = 'final': must be 'all' or 'selected' in a study "
                "without protocol.final_seeds"
            )
        _check_patterns(f"probes.{request.label}.arms", request.sample.arms, names)
    return StudyPlan(options, tuple(points), table, source, spaces, probes, protocol)


def _check_patterns(key: str, patterns: Iterable[str], names: Sequence[str]) -> None:
    """Check that every pattern is of some arm's name.

    Raises:
        InputError: One is of none.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"{key}: {pattern!r} matches none of the arms ({', '.join(names)})")


def _default_arm(base: Mapping[str, Any]) -> str:
    optimizer = base.get("optimizer", "")
    name = optimizer.get("name", "") if isinstance(optimizer, Mapping) else optimizer
    return str(name).rpartition(":")[2] or "main"


@contextmanager
def _naming(arm: str) -> Iterator[None]:
    """Name the arm, if it has a name, in errors about it."""
    try:
        yield
    except InputError as error:
        kind = TrustError if isinstance(error, TrustError) else InputError
        raise kind(f"arm {arm!r}: {error}" if arm else str(error)) from None


def arm_tables(table: Table) -> Iterator[tuple[str, str, Table]]:
    """Yield every arm that is not left out (``arms.NAME = false``): the name it has in the file, ""
    if there is none, its own name, and its whole table.
    """
    base = {key: table[key] for key in ARM_SECTIONS if key in table}
    arms = table.get("arms", {})
    if not isinstance(arms, Mapping):
        raise InputError(f"arms = {arms!r}: must be a table of arms")
    for name, arm in (arms or {_default_arm(base): {}}).items():
        if arm is False:
            continue
        if not isinstance(arm, Mapping):
            path = join_path("arms", name)
            raise InputError(f"{path} = {arm!r}: must be a table, or false to leave the arm out")
        for key in arm:
            if key not in ARM_SECTIONS:
                raise InputError(f"{join_path('arms', name)}: {unknown('key', key, ARM_SECTIONS)}")
        origin = name if arms else ""
        with _naming(origin):
            conditions = list(expand_conditions(name, merge(base, arm)))
        yield from ((origin, condition, filled) for condition, filled in conditions)


def _expand_arm(name: str, arm: Table, search: SearchOptions, seeds: Sequence[int]) -> list[Point]:
    points, known = [], Parts()
    for axes, table in expand_search(arm, search, name):
        first, *others = seeds
        spec = RunSpec.parse({**table, "seed": first}, known)
        specs = (spec, *(spec.with_seed(seed) for seed in others))
        points.append(Point(arm=name, label=label(axes), axes=axes, specs=specs))
    return points
