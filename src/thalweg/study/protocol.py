"""What a study promises about itself before it is run: its budget, its selection, its seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from thalweg.errors import InputError
from thalweg.study.seeds import SEEDS_SCHEMA, further_seeds, seed_list
from thalweg.validation import Options

if TYPE_CHECKING:
    from thalweg.study.plan import Point


def _final_seeds(value: Any) -> Any:
    seed_list(value)  # says what is wrong
    return value


class Sequential(Options):
    """How the seeds of a study are added; written by ``--until-resolved``.

    Attributes:
        max_seeds: The most that an arm gets.
        metric: The metric whose comparisons are to be resolved.
    """

    max_seeds: int = Field(ge=2)
    metric: str


class Protocol(Options):
    """The ``[protocol]`` table.

    Attributes:
        tuning: The most runs, seeds counted, that an arm may spend on the choice of its grid point.
        selection: Where grid points are chosen: "validation" refuses a study that has no validation
            split to choose by; "test" one that has.
        final_seeds: Seeds on which the chosen points are trained anew: a number of seeds, counted
            on from those of the study, or a list of others. None for no final.
        final_sparsity: The ``[sparsity]`` of the final's arms, where dense networks are tuned and
            pruned at the points so chosen.
        until_resolved: Written by ``--until-resolved``.
        arm_seeds: Number of seeds by arm, where it is not that of the study; written by
            ``--until-resolved``.
    """

    tuning: int | None = Field(default=None, ge=1)
    selection: Literal["validation", "test"] | None = None
    final_seeds: Annotated[
        int | list[int] | None, BeforeValidator(_final_seeds), WithJsonSchema(SEEDS_SCHEMA)
    ] = None
    final_sparsity: dict[str, Any] | None = None
    until_resolved: Sequential | None = None
    arm_seeds: dict[str, Annotated[int, Field(ge=1)]] = Field(default={})

    def seeds_of(self, arm: str, seeds: Sequence[int]) -> list[int]:
        """Return the seeds of an arm: those of the study, or as many as the arm is to have."""
        count = self.arm_seeds.get(arm, len(seeds))
        return [*seeds[:count], *further_seeds(seeds, count - len(seeds))]

    def final(self, seeds: Sequence[int]) -> list[int]:
        """Return the seeds of the final, none of which the selection has seen.

        Raises:
            InputError: It has.
        """
        if self.final_seeds is None:
            return []
        if isinstance(self.final_seeds, int):
            return further_seeds(seeds, self.final_seeds)
        seen = sorted(set(self.final_seeds) & set(seeds))
        if seen:
            raise InputError(
                f"protocol.final_seeds = {self.final_seeds}: must be seeds that the selection has "
                f"not seen, and {', '.join(map(str, seen))} is among study.seeds"
            )
        return self.final_seeds


def check_protocol(protocol: Protocol, points: Sequence["Point"], seeds: Sequence[int]) -> None:
    """Refuse a study that does not keep to its protocol.

    Raises:
        InputError: One sentence naming the key, the value and what is allowed.
    """
    protocol.final(seeds)
    _check_final_sparsity(protocol, points)
    arms = list(dict.fromkeys(point.arm for point in points))
    for arm in protocol.arm_seeds:
        if arm not in arms:
            raise InputError(f"protocol.arm_seeds: there is no arm {arm!r}")
    spent = tuning_budgets(points)
    for arm, runs in spent.items():
        if protocol.tuning is not None and runs > protocol.tuning:
            raise InputError(
                f"protocol.tuning = {protocol.tuning}: arm {arm!r} spends {runs} runs on the "
                "choice of its point; give all arms a budget that they keep to"
            )
    for point in points:
        split = point.specs[0].task.options
        none = split.get("validation") == 0 and split.get("grid") is None
        if protocol.selection == "validation" and none and spent[point.arm]:
            raise InputError(
                "protocol.selection = 'validation': must be 'test' for a study with "
                "task.validation = 0, which has nothing else to choose by"
            )
        if protocol.selection == "test" and "validation" in split and not none:
            raise InputError(
                "protocol.selection = 'test': takes task.validation = 0, as points are never "
                "chosen on test where there is a validation split"
            )


def _check_final_sparsity(protocol: Protocol, points: Sequence["Point"]) -> None:
    if protocol.final_sparsity is None:
        return
    if protocol.final_seeds is None:
        raise InputError("protocol.final_sparsity: takes protocol.final_seeds, the final's seeds")
    for point in points:
        if point.specs[0].sparsity is not None:
            raise InputError(
                f"protocol.final_sparsity: arm {point.arm!r} has a sparsity of its own; must be "
                "left out of a study whose arms have one"
            )


def tuning_budgets(points: Sequence["Point"]) -> dict[str, int]:
    """Return by arm the runs spent on the choice of its point, seeds counted: none without one."""
    by_arm: dict[str, list[Point]] = {}
    for point in points:
        by_arm.setdefault(point.arm, []).append(point)
    return {
        arm: sum(len(point.specs) for point in found) if len(found) > 1 else 0
        for arm, found in by_arm.items()
    }


def budget_notes(protocol: Protocol, budgets: Mapping[str, int]) -> list[str]:
    """Return what is to be told of a study whose arms spend different budgets on tuning."""
    if protocol.tuning is None or len(set(budgets.values())) < 2:
        return []
    spent = ", ".join(f"{arm} {runs}" for arm, runs in budgets.items())
    return [
        f"The arms spend different budgets on the choice of their points, of {protocol.tuning} "
        f"runs allowed: {spent}."
    ]
