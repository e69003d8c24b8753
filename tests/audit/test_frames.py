"""Checks that look at a study's figures: results with known numbers that never ran."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import polars as pl
import pytest
from tests.audit.conftest import brief

from thalweg.audit import CHECKS
from thalweg.audit.finding import Finding
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.store import Store, StudyResults
from thalweg.store.results import CONFUSION, METRICS, PROBES, RUNS

STUDY = """
[study]
name = "made"
[task]
name = "digits"
[model]
name = "mlp"
[train]
epochs = 1
[optimizer]
name = "sgd"
lr = 0.1
"""

Figures = Mapping[str, Mapping[float, Sequence[float | None]]]
"""Accuracies by arm, learning rate and seed; None for a run that diverged."""


def audited(
    check: str,
    figures: Figures,
    selection: str = "validation_accuracy",
    probes: Sequence[dict[str, Any]] = (),
) -> list[Finding]:
    """Return what one check finds in results with these figures."""
    rows = []
    for arm, grid in figures.items():
        for rate, values in grid.items():
            for seed, value in enumerate(values):
                row: dict[str, Any] = dict.fromkeys(RUNS)
                row |= {"run": f"{arm}{rate}{seed}", "arm": arm, "seed": seed, "task": "digits"}
                row |= {"model": "mlp", "status": "diverged" if value is None else "done"}
                row |= {"point": f"lr={rate}", "axes": json.dumps({"optimizer.lr": rate})}
                row |= {"test_accuracy": value}
                if selection.startswith("validation"):
                    row["validation_accuracy"] = value
                rows.append(row)
    results = StudyResults(
        name="made",
        title="",
        question="",
        runs=pl.DataFrame(rows, schema=RUNS),
        metrics=pl.DataFrame(schema=METRICS),
        confusion=pl.DataFrame(schema=CONFUSION),
        class_names={},
        selection=selection,
        provenance={"study_file": STUDY},
        probes=pl.DataFrame(list(probes), schema=PROBES),
    )
    study = RecordedStudy(cast(Store, None), results)
    of_study = CHECKS[check].of_study
    assert of_study is not None
    return CHECKS[check].findings(of_study(study))


def eigenvalues(**figures: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of a probe of three runs, whose figures are given a run each."""
    return [
        {
            **{"run": f"sgd0.1{seed}", "arm": "sgd", "point": "lr=0.1", "seed": seed},
            **{"probe": "hessian", "figure": name, "index": index, "value": float(value)},
        }
        for name, runs in figures.items()
        for seed, values in enumerate(runs)
        for index, value in (enumerate(values) if isinstance(values, tuple) else [(None, values)])
    ]


GOOD = {"sgd": {0.1: [0.90, 0.91, 0.92]}}


@pytest.mark.parametrize(
    ("check", "severity", "fault", "clean"),
    [
        (
            "grid-edge",
            "warning",
            {"sgd": {0.1: [0.7, 0.71], 0.2: [0.8, 0.81], 0.4: [0.9, 0.91]}},
            {"sgd": {0.1: [0.7, 0.71], 0.2: [0.9, 0.91], 0.4: [0.8, 0.81]}},
        ),
        (
            "unequal-tuning",
            "warning",
            {"sgd": {0.1: [0.9], 0.2: [0.8]}, "adam": {0.1: [0.9]}},
            {"sgd": {0.1: [0.9], 0.2: [0.8]}, "adam": {0.1: [0.9], 0.2: [0.8]}},
        ),
        (
            "unequal-seeds",
            "warning",
            {"sgd": {0.1: [0.9, 0.9]}, "adam": {0.1: [0.9]}},
            {"sgd": {0.1: [0.9, 0.9]}, "adam": {0.1: [0.9, None]}},
        ),
        ("single-seed", "warning", {"sgd": {0.1: [0.9]}}, GOOD),
        (
            "one-diverged-chain",
            "note",
            {"sgd": {0.1: [0.9, None]}},
            {"sgd": {0.1: [0.9, 0.9], 0.4: [None, None]}},
        ),
        ("one-diverged-chain", "warning", {"sgd": {0.1: [0.9], 0.4: [None]}}, GOOD),
        (
            "ranking-inside-error",
            "note",
            {"sgd": {0.1: [0.9, 0.92, 0.91]}, "adam": {0.1: [0.91, 0.9, 0.93]}},
            {"sgd": {0.1: [0.9, 0.92, 0.91]}, "adam": {0.1: [0.8, 0.82, 0.812]}},
        ),
    ],
)
def test_planted_fault_and_clean_twin(
    check: str, severity: str, fault: Figures, clean: Figures
) -> None:
    assert brief(audited(check, fault)) == {(check, severity)}
    assert audited(check, clean) == []


def test_selection_on_test() -> None:
    grid = {"sgd": {0.1: [0.9, 0.91], 0.2: [0.8, 0.81]}}
    found = audited("test-selection", grid, "test_accuracy")
    assert brief(found) == {("test-selection", "severe")}
    assert audited("test-selection", grid) == []
    assert audited("test-selection", GOOD, "test_accuracy") == []  # nothing was chosen


@pytest.mark.parametrize(
    ("check", "severity", "fault", "clean"),
    [
        (
            "unconverged-eigenvalues",
            "warning",
            {"converged": [(True, True), (True, False), (True, True)]},
            {"converged": [(True, True)] * 3},
        ),
        (
            "unconverged-eigenvalues",
            "severe",
            {"converged": [(False, False), (True, False), (True, True), (False, False)]},
            {"converged": [(True, True)] * 3},
        ),
        (
            "misordered-eigenvalues",
            "severe",
            {"eigenvalues": [(3, 1, 2), (3, 2, 1), (3, 2, 1)]},
            {"eigenvalues": [(3, 2, 1), (-3, -2, -1), (3, 2, 2)]},
        ),
        (
            "gap-at-noise-floor",
            "warning",
            {"ratio": [1.2, 1.1, float("nan")], "ratio_error": [0.3, 0.2, 1], "gap_error": [1] * 3},
            {"ratio": [1.9, 1.8, 1.1], "ratio_error": [0.3, 0.2, 1], "gap_error": [0.1] * 3},
        ),
    ],
)
def test_eigenvalues(check: str, severity: str, fault: Any, clean: Any) -> None:
    usual = {"eigenvalues": [(3, 2)] * len(next(iter(fault.values())))}
    found = audited(check, GOOD, probes=eigenvalues(**{**usual, **fault}))
    assert brief(found) == {(check, severity)}
    assert audited(check, GOOD, probes=eigenvalues(**{**usual, **clean})) == []
