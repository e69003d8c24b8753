"""What a study that adds seeds until it is resolved may come to."""

from dataclasses import dataclass

from thalweg.spec import RunSpec
from thalweg.study.final import final_study
from thalweg.study.plan import StudyPlan
from thalweg.study.until_resolved import check_points, planned_looks, with_seeds


@dataclass(frozen=True)
class FurtherLooks:
    """A study up to its first look, and what follows.

    Attributes:
        begun: What is trained whatever its results; without the final, where the study has one.
        looks: Numbers of seeds at the looks that may follow; at all of them where it is the final
            that gets the seeds.
        specs: The runs that they add if no comparison is resolved before the last.
    """

    begun: StudyPlan
    looks: tuple[int, ...]
    specs: tuple[RunSpec, ...]


def further_looks(plan: StudyPlan, max_seeds: int) -> FurtherLooks:
    """Return what a study with so many seeds at most comes to, as far as its results do not decide.

    Which points a final trains they do; the first of each arm stands for the chosen one.

    Raises:
        InputError: As `check_points` and `planned_looks`.
    """
    check_points(plan)
    counts = planned_looks(plan, max_seeds)
    ended = plan
    if plan.protocol.final_seeds is not None:
        first = {point.arm: point.axes for point in reversed(plan.points)}
        ended = final_study(plan, first)
    begun, last = (
        with_seeds(ended, dict.fromkeys((p.arm for p in ended.points), count), max_seeds, "")
        for count in (counts[0], counts[-1])
    )
    if plan.protocol.final_seeds is not None:
        return FurtherLooks(plan, tuple(counts), tuple(last.specs))
    known = {spec.id for spec in begun.specs}
    more = tuple(spec for spec in last.specs if spec.id not in known)
    return FurtherLooks(begun, tuple(counts[1:]), more)
