"""EG± against its published rule, and what the rule promises."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.oracles import silent
from tests.optim.plainly import (
    Array,
    LeastSquares,
    Update,
    agree,
    constant,
    gradients,
    trained_as_rows,
    trained_by_torch,
    trained_plainly,
)
from tests.optim.test_rules import Net
from torch import Tensor, nn

import thalweg as tw
from thalweg.cohort import Cohort
from thalweg.errors import InputError
from thalweg.optim.registry import bind_optimizer, check_optimizer

Options = dict[str, Any]


def eg_pm(options: Options) -> Update:
    """Neuron by neuron; a vector is one neuron."""
    ratio = options.get("u_ratio", 10.0)
    parts: list[tuple[Array, Array, float]] = []

    def update(w: Array, g: Array, lr: float, t: int) -> Array:
        rows, slopes = (x.reshape(1, -1) if x.ndim == 1 else x for x in (w, g))
        new = rows.copy()
        for j, (row, slope) in enumerate(zip(rows, slopes, strict=True)):
            if t == 1:
                size = np.abs(row).sum()
                share = (ratio * size - size) / (2 * len(row))
                parts.append((np.maximum(row, 0) + share, np.maximum(-row, 0) + share, size))
            plus, minus, size = parts[j]
            plus, minus = plus * np.exp(-lr * slope), minus * np.exp(lr * slope)
            total = (plus + minus).sum() + 1e-7
            plus, minus = ratio * size * plus / total, ratio * size * minus / total
            parts[j] = plus, minus, size
            new[j] = plus - minus
        return new.reshape(w.shape)

    return update


@pytest.mark.parametrize(
    "rows",
    [
        [{"lr": 0.05}, {"lr": 0.03}, {"lr": 0.02}],
        [{"lr": 0.1, "u_ratio": 2.0}, {"lr": 0.5, "u_ratio": 2.0}],
        [{"lr": 0.003, "u_ratio": 100.0}],
    ],
)
def test_equals_the_published_rule(rows: list[Options]) -> None:
    together, same = trained_as_rows("eg_pm", rows), trained_as_rows("eg_pm", [rows[0]] * 2)
    for k, options in enumerate(rows):
        wanted = trained_plainly(partial(eg_pm, options), options["lr"], k)
        agree(together[k], wanted)
        agree(trained_by_torch(tw.optim.EGPlusMinus, options, k), wanted)
    agree(same[1], trained_plainly(partial(eg_pm, rows[0]), rows[0]["lr"], 1))


def state_of(optimizer: Any, row: int) -> dict[str, Tensor]:
    state: dict[str, Tensor] = optimizer.row_state(row)["state"]
    return state


def test_it_starts_from_the_given_weights() -> None:
    nets = [Net(0), Net(1)]
    cohort = Cohort(nets, [0, 1], dtype=torch.float64)
    optimizer = bind_optimizer("eg_pm", cohort, [{"lr": 0.1}] * 2)
    for k, net in enumerate(nets):
        state = state_of(optimizer, k)
        for name, w in net.named_parameters():
            plus, minus = state[f"{name}/plus"], state[f"{name}/minus"]
            torch.testing.assert_close(plus - minus, w.detach(), rtol=1e-13, atol=1e-13)
            assert (plus > 0).all()
            assert (minus > 0).all()


def test_a_neurons_parts_sum_to_a_constant() -> None:
    net = Net(0)
    cohort = Cohort([net], [0], dtype=torch.float64)
    optimizer = bind_optimizer("eg_pm", cohort, [{"lr": 0.3, "u_ratio": 3.0}])
    start = {name: w.clone() for name, w in cohort.layout.views(cohort.W[0]).items()}
    for step in range(20):
        row = np.concatenate([g.ravel() for g in gradients(net, step)])
        cohort.G[0] = torch.from_numpy(row)
        optimizer.step(1.0, silent(cohort))
        state = state_of(optimizer, 0)
        for name, w in start.items():
            total = state[f"{name}/plus"] + state[f"{name}/minus"]
            by_neuron = total.sum(1) if total.ndim == 2 else total.sum()
            wanted = 3 * (w.abs().sum(1) if w.ndim == 2 else w.abs().sum())
            torch.testing.assert_close(by_neuron, wanted, rtol=1e-6, atol=0)


def test_a_neuron_is_the_first_dimension_of_a_kernel() -> None:
    """A convolution is updated as the matrix of its flattened kernels."""
    generator = torch.Generator().manual_seed(0)
    start, g = torch.randn(2, 24, generator=generator, dtype=torch.float64)
    found = []
    for shape in ((3, 2, 2, 2), (3, 8)):
        p = nn.Parameter(start.clone().view(shape))
        p.grad = g.view(shape)
        tw.optim.EGPlusMinus([p], lr=0.1).step()
        found.append(p.detach().flatten())
    assert torch.equal(found[0], found[1])


def test_signs_may_change_and_zeros_may_not() -> None:
    p = nn.Parameter(torch.tensor([[0.1, -0.2, 0.0]], dtype=torch.float64))
    with pytest.warns(UserWarning, match="the 1 that start at exactly 0"):
        own = tw.optim.EGPlusMinus([p], lr=0.5)
    for _ in range(5):
        p.grad = torch.tensor([[1.0, -1.0, 1.0]], dtype=torch.float64)
        own.step()
    assert p[0, 0] < 0
    assert p[0, 1] > 0
    assert p[0, 2] == 0


def test_a_neuron_without_weights_stays_so() -> None:
    p = nn.Parameter(torch.tensor([[0.0, 0.0], [1.0, -1.0]], dtype=torch.float64))
    with pytest.warns(UserWarning):
        own = tw.optim.EGPlusMinus([p], lr=0.5)
    p.grad = torch.ones_like(p)
    own.step()
    assert torch.equal(p[0].detach(), torch.zeros(2, dtype=torch.float64))
    assert torch.isfinite(p).all()


def test_a_small_step_is_gradient_descent_scaled_by_the_parts() -> None:
    """To first order w moves by −η·g·(w⁺ + w⁻), and the normalisation takes back what they grew."""
    w = torch.tensor([[0.3, -0.2, 0.5]], dtype=torch.float64)
    g = torch.tensor([[1.0, 2.0, -1.0]], dtype=torch.float64)
    p, lr = nn.Parameter(w.clone()), 1e-5
    p.grad = g
    tw.optim.EGPlusMinus([p], lr=lr).step()
    total = w.abs() + 9 * w.abs().mean()
    growth = (g * w).sum() / total.sum()
    moved = (p.detach() - w) / lr
    # The constant 1e-7 of the divisor shrinks w by 1e-8: 1e-3 of lr.
    torch.testing.assert_close(moved, -g * total + w * growth, rtol=2e-3, atol=2e-3)


def test_converges_on_least_squares_from_the_wrong_signs() -> None:
    problem = LeastSquares(2)
    problem.cohort.W[:, :2] *= -1
    rows = [{"lr": 0.05}, {"lr": 0.02}]
    assert (problem.distance("eg_pm", rows, 2000, constant) < 1e-6).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"lr": 0.1, "u_ratio": 1}, "eg_pm.u_ratio = 1: must be greater than 1"),
        ({"lr": -1}, "eg_pm.lr = -1: must be greater than 0"),
    ],
)
def test_what_is_wrong_is_named(options: Options, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        check_optimizer("eg_pm", options, "eg_pm")
    assert str(caught.value) == sentence
