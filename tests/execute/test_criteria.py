"""Every criterion and scope prunes in a study, before training and between rounds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from thalweg import Results
from thalweg.sparsity import CRITERIA, SCOPES
from thalweg.store import Store


@pytest.mark.parametrize("method", ["one_shot", "imp"])
def test_every_criterion_and_scope_from_a_study(
    method: str, tmp_path: Path, write_study: Callable[..., Path], run_here: Callable[..., Results]
) -> None:
    keep = 0.5 if method == "one_shot" else [0.5]
    chosen = [("criterion", name) for name in CRITERIA.names()]
    chosen += [("scope", name) for name in SCOPES.names()]
    # a list in `keep` is an arm a value for one_shot, and the rounds of imp
    arms = {
        f"{key}-{name}": {"sparsity": {"name": method, "keep": keep, key: name}}
        for key, name in chosen
    }
    study = write_study(
        study={"name": "study", "seeds": 1}, train={"epochs": 1, "batch_size": 128}, arms=arms
    )
    results = run_here(study, tmp_path / "out")
    assert not results.failed
    frame = results.frame()
    assert set(frame["status"]) == {"done"}
    for run, arm in zip(frame["run"], frame["arm"], strict=True):
        sparsity = Store(tmp_path / "out").run(run).status()["sparsity"]
        assert sparsity["nonzero"] == sparsity["weights"] // 2, arm
