"""What comes with an exchange of weights: fresh optimizer states, costs, and the ITOP rate."""

from typing import Any

import pytest
import torch
from tests.sparsity.methods.trials import METHODS, WEIGHTS, Watch, build, chosen
from torch import Tensor

from thalweg.cohort import Training

EXCHANGE, STEPS = 3, 20
EXCHANGES = 4
"""After 3, 6, 9 and 12 of 20 steps: the last must come before three quarters of them."""


def moments(training: Training) -> list[Tensor]:
    """Return the first and second moments of Adam as rows ``(D,)``, ours or PyTorch's."""
    state = training.row_state(0)["optimizer"]
    found: list[Any] = [[], []]
    if "param_groups" in state:
        for each in state["state"].values():
            found[0].append(each["exp_avg"].flatten())
            found[1].append(each["exp_avg_sq"].flatten())
        return [torch.cat(parts) for parts in found]
    return [state["state"][key] for key in ("m", "v")]


@pytest.mark.parametrize("optimizer", ["adam", "torch.optim:Adam"])
@pytest.mark.parametrize("name", ["set", "rigl"])
def test_grown_weights_start_afresh(name: str, optimizer: str) -> None:
    found = build(name, [METHODS[name]], optimizer, {"lr": 0.01})

    def look(t: Training) -> tuple[Tensor, Tensor, list[Tensor]]:
        assert t.cohort.mask is not None
        return t.cohort.mask[0].clone(), t.cohort.W[0].clone(), [m.clone() for m in moments(t)]

    watch = Watch(look)
    found.run(watch)
    (before, _, _), (mask, w, state) = watch.seen[EXCHANGE - 2 : EXCHANGE]
    grown, stayed = mask & ~before, mask & before
    assert grown.sum() == (before & ~mask).sum() > 10
    assert (w[grown] == 0).all()
    for moment in state:
        assert (moment[~mask] == 0).all() and (moment[grown] == 0).all()
        assert (moment[stayed] != 0).sum() > 100
    _, later, _ = watch.seen[EXCHANGE]
    assert (later[grown] != 0).any()


@pytest.mark.parametrize("name", METHODS)
def test_costs(name: str) -> None:
    """One more gradient for each exchange of RigL, nothing for any other method."""
    found = build(name, [METHODS[name]])
    found.run()
    assert found.step == STEPS
    more = EXCHANGES if name == "rigl" else 0
    assert found.costs[0].gradient_evaluations == STEPS + more


@pytest.mark.parametrize("name", ["set", "rigl"])
def test_itop_rate(name: str) -> None:
    found = build(name, [METHODS[name]])
    watch = Watch(lambda t: t.cohort.mask is not None and chosen(t, t.cohort.mask)[0])
    found.run(watch)
    assert found.settings.constraint is not None
    ever = torch.stack(watch.seen).any(0).sum().item()
    assert found.settings.constraint.figures(0) == {"itop_rate": ever / WEIGHTS}
    assert ever > 0.25 * WEIGHTS
    assert len({tuple(mask.tolist()) for mask in watch.seen}) == 1 + EXCHANGES
