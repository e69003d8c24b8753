"""The profile of the arms' costs over several targets and tasks, as a chart."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Axis, Chart, Line, Number, log_ticks
from thalweg.report.reach_curves import MOST_BANDS
from thalweg.report.targets import TargetReach
from thalweg.study.cost_profiles import CostProfile, cost_profiles
from thalweg.study.panels import Arm

FEWEST = 2
"""Arms and cases below which there is nothing to profile."""


def cost_profile_chart(found: Sequence[TargetReach]) -> Chart | None:
    """Return the profile of the arms that all cases have; None where they, or the cases, are one.

    A case is a target on a task and model. Each counts costs in the unit in which its arms are
    compared.
    """
    cases = [
        {
            arm.arm.name: np.where(arm.reach.reached, arm.reach.spent[member.unit], np.inf)
            for arm in member.arms
            if arm.seeds and not np.isnan(arm.reach.spent[member.unit]).any()
        }
        for member in found
    ]
    common = [name for name in (cases[0] if cases else ()) if all(name in each for each in cases)]
    if len(cases) < FEWEST or len(common) < FEWEST:
        return None
    profiles = cost_profiles([{name: case[name] for name in common} for case in cases])
    arms = {arm.arm.name: arm.arm for member in found for arm in member.arms}
    end = max(1.1 * profiles[common[0]].ratios[-1], 2.0)
    banded = len(common) <= MOST_BANDS
    words = "; ".join(
        f"{name}: {100 * profile.shares[0]:.0f} % at the lowest cost, "
        f"{100 * profile.shares[-1]:.0f} % at any"
        for name, profile in profiles.items()
    )
    return Chart(
        name="reach-profile",
        title=f"Profile of the costs of {len(cases)} targets",
        description=f"Share of {len(cases)} targets against the ratio of an arm's median cost to "
        f"the lowest of any arm. {words}.",
        caption="Share of the targets that some run reached, counted on every task and model, that "
        "the arm's median run reaches at no more than so many times the lowest median cost of any "
        "arm, with the 95 % bootstrap band over seeds"
        + ("." if banded else f", which is left out of more than {MOST_BANDS} arms."),
        x=Axis("Cost over the lowest cost", True, (1.0, end), log_ticks((1.0, end))),
        y=Axis("Share of targets (%)", limits=(-3.0, 103.0)),
        layers=tuple(
            _steps(arms[name], profile, end, banded) for name, profile in profiles.items()
        ),
    )


def _steps(arm: Arm, profile: CostProfile, end: float, banded: bool) -> Line:
    ratios = profile.ratios.tolist()
    turns = [turn for ratio in ratios[1:] for turn in (ratio, ratio)]
    y, low, high = map(_twice, (profile.shares, profile.low, profile.high))
    if not banded:
        low = high = [None] * len(y)
    return Line(arm.name, arm_style(arm), [ratios[0], *turns, end], y, low, high)


def _twice(shares: NDArray[np.float64]) -> list[Number]:
    """The ends of the level stretches, in per cent."""
    return [100 * share for share in shares.tolist() for _ in range(2)]
