"""A study whose arms get seeds until their comparisons are resolved."""

from collections.abc import Mapping
from pathlib import Path

from thalweg.errors import InputError
from thalweg.store.files import read_json
from thalweg.store.results import RUNS
from thalweg.study.comparison import looks
from thalweg.study.comparison.sequential import FIRST
from thalweg.study.final import final_name
from thalweg.study.plan import StudyPlan, expand_study
from thalweg.study.source import merge
from thalweg.validation import unknown


def planned_looks(plan: StudyPlan, max_seeds: int) -> list[int]:
    """Return the numbers of seeds at which the comparisons of the study, or of its final, are
    looked at.

    Raises:
        InputError: The most seeds allowed are too few to begin with.
    """
    seeds = plan.options.seeds
    begin = max(len(plan.protocol.final(seeds) or seeds), FIRST)
    if max_seeds < begin:
        raise InputError(
            f"--max-seeds {max_seeds}: must be at least {begin}, the seeds at the first look"
        )
    return looks(begin, max_seeds)


def check_points(plan: StudyPlan) -> None:
    """Refuse a study whose seeds cannot be added to, as an arm has several points.

    Raises:
        InputError: It cannot.
    """
    arms = [point.arm for point in plan.points]
    for arm in arms:
        if arms.count(arm) > 1 and plan.protocol.final_seeds is None:
            raise InputError(
                f"--until-resolved: arm {arm!r} has {arms.count(arm)} points; give "
                "protocol.final_seeds, so that the one that is chosen gets the seeds"
            )
    if len(set(arms)) < 2:
        raise InputError(f"--until-resolved: {plan.name!r} has one arm, and it takes two")


def check_rule(plan: StudyPlan, out: Path, max_seeds: int, metric: str | None) -> None:
    """Refuse an unknown metric, and to go on with a study by another rule than it was begun with.

    Raises:
        InputError: The metric is unknown, or the rule another.
    """
    known = [name for name in RUNS if name.endswith(("_accuracy", "_loss"))]
    if metric is not None and metric not in known:
        raise InputError(f"--metric: {unknown('metric', metric, known)}")
    name = plan.name if plan.protocol.final_seeds is None else final_name(plan.name)
    path = out / "studies" / name / "study.json"
    before = read_json(path).get("sequential") if path.exists() else None
    for option, key, value in (
        ("--max-seeds", "max_seeds", max_seeds),
        ("--metric", "metric", metric),
    ):
        if before and value is not None and before[key] != value:
            raise InputError(
                f"{option} {value}: must stay {before[key]}, with which {name!r} was begun and on "
                "which its error rate rests; or give the study another name"
            )


def with_seeds(plan: StudyPlan, seeds: Mapping[str, int], max_seeds: int, metric: str) -> StudyPlan:
    """Return the study with so many seeds an arm, and the rule by which they were added."""
    protocol = {
        "until_resolved": {"max_seeds": max_seeds, "metric": metric},
        "arm_seeds": dict(seeds),
    }
    return expand_study(merge(plan.table, {"protocol": protocol}), plan.source)
