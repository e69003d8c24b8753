"""Comparisons of arms: intervals, tests, power, and looking again as seeds are added."""

from thalweg.study.comparison.bootstrap import bca_interval
from thalweg.study.comparison.holm import holm
from thalweg.study.comparison.improvement import Estimate, probability_of_improvement
from thalweg.study.comparison.interquartile import interquartile_mean
from thalweg.study.comparison.pair import (
    Design,
    PairComparison,
    PairedRuns,
    common_runs,
    compare_pairs,
)
from thalweg.study.comparison.permutation import sign_flip_p
from thalweg.study.comparison.power import deviation_interval, paired_power, seeds_needed
from thalweg.study.comparison.profiles import Profile, performance_profile
from thalweg.study.comparison.sequential import looks, nominal_levels, resolve_all
from thalweg.study.comparison.survival import Survival, kaplan_meier

__all__ = [
    "Design",
    "Estimate",
    "PairComparison",
    "PairedRuns",
    "Profile",
    "Survival",
    "bca_interval",
    "common_runs",
    "compare_pairs",
    "deviation_interval",
    "holm",
    "interquartile_mean",
    "kaplan_meier",
    "looks",
    "nominal_levels",
    "paired_power",
    "performance_profile",
    "probability_of_improvement",
    "resolve_all",
    "seeds_needed",
    "sign_flip_p",
]
