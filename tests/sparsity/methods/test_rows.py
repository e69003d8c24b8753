"""Runs of a cohort do not depend on each other, and go on after an interruption as if none were."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.sparsity.methods.trials import METHODS, Watch, build

from thalweg.cohort import Training
from thalweg.cohort.checkpoint import pack, unpack

OTHERS: dict[str, dict[str, Any]] = {
    "proximal_l1": {"strength": 0.3},
    "set": {"drop_fraction": 0.6, "distribution": "uniform"},
    "rigl": {"drop_fraction": 0.6, "distribution": "uniform"},
    "top_kast": {"backward_keep": 0.9, "penalty": 0.5},
}
"""Options of a second run beside ``keep``, which differ as far as a cohort allows."""

ADAM, TORCH_ADAM = ("adam", {"lr": 0.01}), ("torch.optim:Adam", {"lr": 0.01})


def pair(name: str) -> list[dict[str, Any]]:
    first = METHODS[name]
    second = {**first, **OTHERS.get(name, {})}
    return [first, {**second, "keep": 0.6, "last": False} if "keep" in first else second]


@pytest.mark.parametrize("name", METHODS)
def test_a_run_is_the_same_alone(name: str) -> None:
    options = pair(name)
    together = build(name, options, *ADAM)
    together.run()
    for row, each in enumerate(options):
        alone = build(name, [each], *ADAM, seeds=[row])
        alone.run()
        assert torch.equal(alone.cohort.W[0], together.cohort.W[row])
        assert alone.costs[0].gradient_evaluations == together.costs[row].gradient_evaluations
        assert alone.metrics[0][-1]["test_loss"] == together.metrics[row][-1]["test_loss"]


def resumed(training: Training, states: Sequence[Any], folder: Path) -> Training:
    """Let a fresh training go on from saved states."""
    training.cohort.W.fill_(torch.nan)  # nothing of a fresh start may matter
    for row, state in enumerate(states):
        path = folder / f"{row}.safetensors"
        path.write_bytes(pack(state))
        training.load_row_state(row, unpack(path))
    training.run()
    return training


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("step", [4, 15], ids=["amid an epoch", "between epochs"])
def test_a_resumed_run_ends_with_the_same_bits(name: str, step: int, tmp_path: Path) -> None:
    """Weights, masks, optimizer and what is reported, of two runs."""
    options = pair(name)
    whole = build(name, options, *TORCH_ADAM)
    watch = Watch(lambda t: [t.row_state(row) for row in (0, 1)])
    whole.run(watch)
    again = build(name, options, *TORCH_ADAM)
    again = resumed(again, watch.seen[step - 1], tmp_path)
    assert again.step == whole.step
    assert torch.equal(again.cohort.W, whole.cohort.W)
    constraint, uninterrupted = again.settings.constraint, whole.settings.constraint
    assert constraint is not None and uninterrupted is not None
    for row in (0, 1):
        ours, theirs = again.row_state(row), whole.row_state(row)
        assert pack(ours["constraint"]) == pack(theirs["constraint"])
        assert pack(ours["optimizer"]) == pack(theirs["optimizer"])
        assert pack(ours["mask"]) == pack(theirs["mask"])
        assert constraint.figures(row) == uninterrupted.figures(row)
