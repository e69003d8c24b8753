"""Studies before anything is run: each fault planted, and a twin without it."""

from typing import Any

import pytest
from tests.audit.conftest import brief

from thalweg.audit import audit_plan
from thalweg.study import build_study
from thalweg.study.source import merge

SOUND: dict[str, Any] = {
    "study": {"name": "sound", "seeds": 3},
    "task": {"name": "digits"},
    "model": {"name": "mlp", "widths": [8]},
    "train": {"epochs": 1},
    "arms": {
        "gd": {"optimizer": {"name": "sgd", "lr": [0.1, 0.2]}},
        "eg": {"optimizer": {"name": "sgd_eg", "lr": [0.1, 0.2]}},
    },
}
ZERO_BIAS = {"model": {"init": {"name": "kaiming_uniform", "bias": "zero"}}}
SPLIT = {"arms": {"eg": {"optimizer": {"split_bias": 0.1}}}}


@pytest.mark.parametrize(
    ("check", "severity", "fault", "clean"),
    [
        ("frozen-parameters", "severe", ZERO_BIAS, merge(ZERO_BIAS, SPLIT)),
        (
            "test-selection",
            "severe",
            {"task": {"validation": 0}},
            {
                "task": {"validation": 0},
                "arms": {"gd": {"optimizer": {"lr": 0.1}}, "eg": {"optimizer": {"lr": 0.1}}},
            },
        ),
        ("single-seed", "warning", {"study": {"seeds": 1}}, {"study": {"seeds": 2}}),
        (
            "unequal-tuning",
            "warning",
            {"arms": {"eg": {"optimizer": {"lr": 0.1}}}},
            # How sparse is part of the question and makes arms, not grid points.
            {"sparsity": {"name": "one_shot", "after_epoch": 0, "keep": [0.5, 0.1]}},
        ),
        (
            "curvature-sample",
            "warning",
            {"probes": [{"name": "hessian", "examples": 100}]},
            {"probes": [{"name": "hessian", "examples": 1000}, {"name": "trace", "examples": 100}]},
        ),
    ],
)
def test_planted_fault_and_clean_twin(
    check: str, severity: str, fault: dict[str, Any], clean: dict[str, Any]
) -> None:
    assert brief(audit_plan(build_study(merge(SOUND, fault)))) == {(check, severity)}
    assert audit_plan(build_study(merge(SOUND, clean))) == []


def test_a_sound_study_has_no_finding() -> None:
    assert audit_plan(build_study(SOUND)) == []


def test_evidence_counts_the_frozen_weights() -> None:
    (found,) = audit_plan(build_study(merge(SOUND, ZERO_BIAS)))
    assert found.where == "eg"
    assert found.evidence.startswith("initially 0: 8 of ")


def test_data_that_is_not_here_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    from thalweg.audit.checks import frozen_parameters, selection
    from thalweg.errors import ThalwegError

    def absent(*_: object) -> None:
        raise ThalwegError("no data")

    for module in (frozen_parameters, selection):
        monkeypatch.setattr(module, "load_named_task", absent)
    assert (
        audit_plan(build_study(merge(merge(SOUND, ZERO_BIAS), {"task": {"validation": 0}}))) == []
    )
