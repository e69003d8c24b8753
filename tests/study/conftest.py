"""A short way from a study's text to its plan."""

import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from tests.report.conftest import (  # noqa: F401  (results with known numbers, as fixtures)
    all_diverged,
    builder,
    classification,
    hostile,
    regression,
    single_seed,
)

from thalweg.study import StudyPlan, build_study
from thalweg.study.source import effective

BASE = """
[study]
name = "base"
seeds = 2

[task]
name = "digits"

[model]
name = "mlp"
widths = [8]

[train]
epochs = 2

[optimizer]
name = "sgd"
lr = 0.1
"""


def plan_text(text: str, **options: Any) -> StudyPlan:
    return build_study(effective(tomllib.loads(text), **options))


@pytest.fixture
def plan() -> Callable[..., StudyPlan]:
    """Give a function from TOML text (and preset, seeds, overrides) to a plan."""
    return plan_text


@pytest.fixture
def base() -> str:
    """Give a valid study without arms."""
    return BASE
