"""Studies: from a TOML file to runs, and from runs to conclusions."""

from thalweg.study.plan import StudyPlan, build_study, load_study
from thalweg.study.running import run_study
from thalweg.study.source import recipes

__all__ = ["StudyPlan", "build_study", "load_study", "recipes", "run_study"]
