"""Execute runs: grouped into cohorts, on this machine's cores, resuming whatever was begun."""

from thalweg.execute.execution import Outcome, execute
from thalweg.execute.grouping import CohortPlan, plan_cohorts
from thalweg.execute.options import Resources
from thalweg.execute.progress import Progress

__all__ = ["CohortPlan", "Outcome", "Progress", "Resources", "execute", "plan_cohorts"]
