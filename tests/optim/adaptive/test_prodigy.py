"""Prodigy against its published rule, over 50 steps of a decaying rate."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.oracles import silent
from tests.optim.plainly import (
    LeastSquares,
    agree,
    decaying,
    gradients,
    trained_as_rows,
)
from tests.optim.test_rules import STEPS, Net
from torch import Tensor, nn

import thalweg as tw
from thalweg.cohort import Cohort
from thalweg.errors import InputError
from thalweg.optim.registry import bind_optimizer, check_optimizer

Options = dict[str, Any]


def prodigy(options: Options, seed: int, steps: int = STEPS) -> tuple[Tensor, list[float]]:
    """Prodigy of a whole network, and its estimates D."""
    b1, b2 = options.get("beta1", 0.9), options.get("beta2", 0.999)
    eps, decay = options.get("eps", 1e-8), options.get("weight_decay", 0.0)
    d0 = d = options.get("d0", 1e-6)
    net = Net(seed)
    w = net.row().numpy().copy()
    start = w.copy()
    m, v, s = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    numerator, estimates = 0.0, []
    for step in range(steps):
        with torch.no_grad():
            pieces = torch.from_numpy(w).split([p.numel() for p in net.parameters()])
            for p, piece in zip(net.parameters(), pieces, strict=True):
                p.copy_(piece.view_as(p))
        g = np.concatenate([x.ravel() for x in gradients(net, step)])
        rate = d * options.get("lr", 1.0) * decaying(step)
        numerator = np.sqrt(b2) * numerator + d / d0 * rate * (g @ (start - w))
        s = np.sqrt(b2) * s + d / d0 * rate * g
        m = b1 * m + (1 - b1) * d * g
        v = b2 * v + (1 - b2) * d**2 * g**2
        d = max(d, options.get("d_coef", 1.0) * numerator / np.abs(s).sum())
        w = w - rate * decay * w - rate * m / (np.sqrt(v) + d * eps)
        estimates.append(d)
    return torch.from_numpy(w), estimates


@pytest.mark.parametrize(
    "rows",
    [
        [{"d0": 1e-3}, {"d0": 1e-3, "weight_decay": 0.1}, {"d0": 1e-3, "lr": 0.5, "eps": 1e-3}],
        [{"d0": 1e-3, "d_coef": 2.0}, {"d0": 1e-3}],
        [{"beta1": 0.8, "beta2": 0.95}],
    ],
)
def test_prodigy_is_one_estimate_for_a_whole_run(rows: list[Options]) -> None:
    found = trained_as_rows("prodigy", rows)
    for k, options in enumerate(rows):
        wanted, estimates = prodigy(options, k)
        agree(found[k], wanted)
        assert len(set(estimates)) > 3


def test_prodigy_as_a_torch_class_estimates_by_parameter() -> None:
    """Of a network of one parameter both are the published method."""
    target = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    p = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    own = tw.optim.Prodigy([p], d0=1e-3)
    linear = nn.Linear(3, 1, bias=False, dtype=torch.float64)
    nn.init.zeros_(linear.weight)
    cohort = Cohort([linear], [0], dtype=torch.float64)
    rows = bind_optimizer("prodigy", cohort, [{"d0": 1e-3}])
    for _ in range(STEPS):
        p.grad = p.detach() - target
        own.step()
        cohort.G.copy_(cohort.W - target)
        rows.step(1.0, silent(cohort))
    torch.testing.assert_close(cohort.W[0], p.detach(), rtol=1e-12, atol=0)
    assert not torch.equal(p.detach(), torch.zeros_like(p))


def test_the_estimate_approaches_the_distance_from_below() -> None:
    """For a convex loss D stays below ‖w₀ − w*‖∞: ⟨g, w₀ − w⟩ ≤ ⟨g, w₀ − w*⟩ in every step, so A is
    at most ⟨s, w₀ − w*⟩ ≤ ‖s‖₁·‖w₀ − w*‖∞.
    """
    problem = LeastSquares(1)
    distance = (problem.cohort.W - problem.solution).abs().max().item()
    optimizer = bind_optimizer("prodigy", problem.cohort, [{}])
    for _ in range(300):
        problem.gradient()
        optimizer.step(1.0, silent(problem.cohort))
        estimate = optimizer.row_state(0)["state"]["d"].item()
        assert estimate <= distance
    assert estimate > distance / 10


def test_an_estimate_without_a_gradient_is_the_first() -> None:
    cohort = Cohort([Net(0)], [0], dtype=torch.float64)
    before = cohort.W.clone()
    optimizer = bind_optimizer("prodigy", cohort, [{}])
    optimizer.step(1.0, silent(cohort))
    assert torch.equal(cohort.W, before)
    assert optimizer.row_state(0)["state"]["d"].item() == 1e-6


def test_converges_on_least_squares() -> None:
    rows: list[Options] = [{}, {"eps": 1e-10}]
    distance = LeastSquares(2).distance("prodigy", rows, 1000, lambda t: 0.995**t)
    assert (distance < 1e-3).all(), distance


@pytest.mark.parametrize("key", ["d0", "d_coef", "lr"])
def test_what_is_wrong_is_named(key: str) -> None:
    with pytest.raises(InputError, match=f"^prodigy.{key} = 0: must be greater than 0$"):
        check_optimizer("prodigy", {key: 0}, "prodigy")
