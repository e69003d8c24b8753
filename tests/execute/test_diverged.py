"""Losses and gradients that are no finite numbers: told with step and reason, and kept to their
run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from thalweg import Results
from thalweg.native import available
from thalweg.store import RunDirectory


def trained(results: Results) -> dict[str, RunDirectory]:
    return {row["arm"]: results.store.run(row["run"]) for row in results.frame().to_dicts()}


@pytest.mark.parametrize("backend", ["autograd", "native"])
def test_what_is_not_finite_is_told_and_touches_no_neighbour(
    tmp_path: Path, write_study: Callable[..., Path], run_here: Callable[..., Results], backend: str
) -> None:
    if backend == "native" and not available():
        pytest.skip("the compiled kernels are not available here")

    def run(kind: float) -> dict[str, RunDirectory]:
        optimizer = {"name": "strangers:Diverging", "lr": 0.1}
        arms = {
            "good": {},
            "bad": {"optimizer": {"kind": kind}},
            "also-good": {"optimizer": {"lr": 0.05}},
        }
        study = write_study(study={"name": "study", "seeds": 1}, optimizer=optimizer, arms=arms)
        found = trained(run_here(study, tmp_path / str(kind), backend=backend))
        assert {run.status()["rows"] for run in found.values()} == {3}
        return found

    sane = run(0.0)
    assert {run.status()["status"] for run in sane.values()} == {"done"}
    for kind, losses in {1.0: ["nan"], 2.0: ["nan", "inf"], 3.0: ["nan", "inf"]}.items():
        found = run(kind)
        status = found["bad"].status()
        assert (status["status"], status["diverged_step"]) == ("diverged", 7)
        assert status["message"] in [f"its loss was {loss} at step 7" for loss in losses]
        for arm in ("good", "also-good"):
            assert found[arm].status()["status"] == "done"
            assert found[arm].weights_path.read_bytes() == sane[arm].weights_path.read_bytes()
