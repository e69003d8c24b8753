"""The figure that a target stands for in a panel."""

import math
from collections.abc import Sequence

from thalweg.study.panels import Panel
from thalweg.study.statistics import median
from thalweg.study.target_options import Target, median_arm


def target_figure(
    target: Target, metric: str, panel: Panel, grouped: Sequence[Panel]
) -> float | None:
    """Return a target's figure: itself, or the median of the arm that sets it.

    That is the median over seeds of the final figures of the arm's selected point, on this task and
    model or else on another model. A target that the best run sets is one that most reruns miss;
    the median is one that half of them reach (Dahl et al., arXiv:2306.07179, section 4.2).

    Args:
        target: A figure, or ``median:ARM``.
        metric: What it is a figure of.
        panel: Where it is to be reached.
        grouped: All panels of the study.

    Returns:
        None where the arm has no such figure here: it is of another task, has no result yet, or the
        run in its middle diverged.
    """
    if not isinstance(target, str):
        return target
    alike = [each for each in grouped if each.task == panel.task]
    alike.sort(key=lambda each: each.model != panel.model)
    arms = (arm for each in alike for arm in each.arms)
    arm = next((arm for arm in arms if arm.name == median_arm(target)), None)
    values = arm.selected.values(metric) if arm and arm.selected else []
    figure = median(values) if values else math.inf
    return figure if math.isfinite(figure) else None
