"""Studies: from a TOML file to runs, and from runs to conclusions."""

from thalweg.study.adaptive import rounds
from thalweg.study.plan import StudyPlan, build_study, load_study
from thalweg.study.record import record_study
from thalweg.study.source import recipes

__all__ = ["StudyPlan", "build_study", "load_study", "recipes", "record_study", "rounds"]
