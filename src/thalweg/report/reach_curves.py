"""The share of an arm's seeds that have reached a target, against what they have spent."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import FACET_COLUMNS, Axis, Chart, Facet, Line, Number, finite, log_ticks
from thalweg.report.targets import ArmReach, TargetReach, stated_text, unit_name
from thalweg.store.slug import slug
from thalweg.study.comparison import kaplan_meier

UNITS = ("epochs", "steps", "gradient_evaluations", "seconds")
"""Units that have a small panel; another has one too where the arms are compared by it."""

MOST_BANDS = 6
"""Arms beyond which bands would cover each other."""


def reach_chart(member: TargetReach) -> Chart:
    """Return the curves of the arms of a panel, a small panel a unit of cost."""
    units = dict.fromkeys((*UNITS, member.unit))
    facets = tuple(facet for unit in units if (facet := _facet(member, unit)) is not None)
    words = "; ".join(
        f"{arm.arm.name}: {arm.reached} of {arm.seeds}" for arm in member.arms if arm.seeds
    )
    return Chart(
        name=slug(
            "reach",
            member.panel.task,
            member.panel.model,
            member.metric,
            stated_text(member.stated),
        ),
        title=f"Seeds that reached {member.name}: {member.panel.title}",
        description=f"Share of seeds that have reached {member.name} against epochs, steps, "
        f"gradient evaluations and seconds on {member.panel.title}. Reached in the end: {words}.",
        caption="" if _banded(member) else f"More than {MOST_BANDS} arms: without bands.",
        x=Axis("Spent by then"),
        y=Axis("Share of seeds (%)"),
        layers=(),
        height=100 + 220 * -(-len(facets) // FACET_COLUMNS),
        facets=facets,
    )


def _facet(member: TargetReach, unit: str) -> Facet | None:
    """None where it was not recorded what any arm has spent."""
    able = [
        arm
        for arm in member.arms
        if finite(arm.reach.spent[unit]) and not np.isnan(arm.reach.spent[unit]).any()
    ]
    if not able:
        return None
    costs = [value for arm in able for value in finite(arm.reach.spent[unit])]
    low, high = min((value for value in costs if value > 0), default=1.0), max(costs)
    log = high > 30 * low
    ends = (low / 2, 1.2 * high) if log else (0.0, 1.04 * high or 1.0)
    ticks = log_ticks(ends) if log else ()
    decades = tuple(tick for tick in ticks if np.log10(tick[0]).is_integer())
    name = unit_name(unit)
    return Facet(
        name[0].upper() + name[1:],
        Axis("", log, ends, (decades if len(decades) > 1 else ticks) or None),
        Axis("", limits=(-3.0, 103.0)),
        tuple(_steps(arm, unit, *ends, _banded(member)) for arm in able),
    )


def _banded(member: TargetReach) -> bool:
    return sum(arm.reached > 0 for arm in member.arms) <= MOST_BANDS


def _steps(arm: ArmReach, unit: str, start: float, end: float, banded: bool) -> Line:
    """The curve, drawn as far as it is known, with its band where some have reached the target and
    some have not: elsewhere that of every arm would be the same.
    """
    spent, reached = arm.reach.spent[unit], arm.reach.reached
    curve = kaplan_meier(spent, reached)
    low, high = curve.band()
    there = [0.0, *(100 * (1 - curve.shares)).tolist()]
    shown = [banded and 0 < share < 100 for share in there]
    known = end if (reached | np.isinf(spent)).all() else max(finite(spent))
    turns = [max(float(cost), start) for cost in curve.costs]
    return Line(
        arm.arm.name,
        arm_style(arm.arm),
        [start, *(turn for turn in turns for _ in range(2)), known],
        _twice(there),
        _twice(_where(shown, 1 - high)),
        _twice(_where(shown, 1 - low)),
    )


def _where(shown: Iterable[bool], shares: NDArray[np.float64]) -> list[Number]:
    return [100 * s if is_shown else None for s, is_shown in zip(shares, shown, strict=True)]


def _twice(levels: Iterable[Number]) -> list[Number]:
    """The ends of the level stretches."""
    return [level for level in levels for _ in range(2)]
