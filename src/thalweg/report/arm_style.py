"""The look of an arm, the same in every chart of a report."""

from thalweg.report.charts import Style
from thalweg.study.panels import Arm


def arm_style(arm: Arm) -> Style:
    """Return the look by the arm's place in the study."""
    return Style(arm.number, arm.number)
