"""Split weights against the public rules on two plain parameters whose sum is the weight."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import thalweg as tw
from thalweg.cohort import Cohort, Oracle
from thalweg.optim.registry import bind_optimizer

Options = dict[str, Any]
STEPS = 40
DTYPE = torch.float64


class Affine(nn.Module):
    """x·w + b with biases that start at 0; the best b has both signs."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.w = nn.Parameter(0.5 + torch.rand(3, 4, generator=generator, dtype=DTYPE))
        self.b = nn.Parameter(torch.zeros(4, dtype=DTYPE))


x = torch.randn(20, 3, generator=torch.Generator().manual_seed(1), dtype=DTYPE)
y = x @ torch.ones(3, 4, dtype=DTYPE) + torch.tensor([2.0, -1.0, 0.5, -0.3], dtype=DTYPE)


def gradient(w: Tensor, b: Tensor) -> tuple[np.ndarray, np.ndarray]:
    residual = (x @ w + b - y) / len(x)
    return (x.T @ residual).numpy(), residual.sum(0).numpy()


def sgd_eg(options: Options) -> Callable[[np.ndarray, np.ndarray, int], np.ndarray]:
    buffer: Any = 0.0

    def update(w: np.ndarray, g: np.ndarray, t: int) -> np.ndarray:
        nonlocal buffer
        d = g + options.get("weight_decay", 0.0) * np.sign(w)
        buffer = options.get("momentum", 0.0) * buffer + d
        return w * np.exp(-options["lr"] * np.sign(w) * buffer)

    return update


def adamw_eg(options: Options) -> Callable[[np.ndarray, np.ndarray, int], np.ndarray]:
    m: Any = 0.0
    v: Any = 0.0

    def update(w: np.ndarray, g: np.ndarray, t: int) -> np.ndarray:
        nonlocal m, v
        lr = options["lr"]
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        ratio = m / (np.sqrt(v) / np.sqrt(1 - 0.999**t) + 1e-8)
        w = w * (1 - lr * options.get("weight_decay", 0.01))
        return w * np.exp(-lr / (1 - 0.9**t) * np.sign(w) * ratio)

    return update


def plainly(rule: Callable[..., Any], options: Options, seed: int) -> tuple[np.ndarray, np.ndarray]:
    net = Affine(seed)
    size = options["split_bias"]
    parts = [net.w.detach().numpy(), np.full(4, size), np.full(4, -size)]
    updates = [rule(options) for _ in parts]
    for step in range(1, STEPS + 1):
        g, h = gradient(torch.from_numpy(parts[0]), torch.from_numpy(parts[1] + parts[2]))
        parts = [
            update(part, slope, step)
            for update, part, slope in zip(updates, parts, (g, h, h), strict=True)
        ]
    return parts[0], parts[1] + parts[2]


class Exact(Oracle):
    """The gradient above, in every row."""

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort

    def gradient(self, index: Tensor | None = None, active: Tensor | None = None) -> Tensor:
        weights, slopes = (self.cohort.layout.views(m) for m in (self.cohort.W, self.cohort.G))
        for k in range(self.cohort.rows):
            found = gradient(weights["w"][k], weights["b"][k])
            for name, slope in zip("wb", found, strict=True):
                slopes[name][k] = torch.from_numpy(slope)
        return torch.zeros(self.cohort.rows)


RULES: dict[str, tuple[Any, Any, list[Options]]] = {
    "sgd_eg": (
        sgd_eg,
        tw.optim.SGDEG,
        [
            {"lr": 0.3, "momentum": 0.8, "weight_decay": 0.01},
            {"lr": 0.2, "momentum": 0.5},
        ],
    ),
    "adamw_eg": (adamw_eg, tw.optim.AdamWEG, [{"lr": 0.1}, {"lr": 0.05, "weight_decay": 0.1}]),
}


@pytest.mark.parametrize("name", RULES)
def test_equals_two_parameters_whose_sum_is_the_bias(name: str) -> None:
    plain, own, rows = RULES[name]
    rows = [{**options, "split_bias": 0.2} for options in rows]
    cohort = Cohort([Affine(k) for k in range(2)], range(2), dtype=DTYPE)
    optimizer = bind_optimizer(name, cohort, rows)
    oracle = Exact(cohort)
    for _ in range(STEPS):
        oracle.gradient()
        optimizer.step(1.0, oracle)
    found = cohort.layout.views(cohort.W)
    for k, options in enumerate(rows):
        w, b = plainly(plain, options, k)
        torch.testing.assert_close(found["w"][k], torch.from_numpy(w), rtol=1e-10, atol=1e-13)
        torch.testing.assert_close(found["b"][k], torch.from_numpy(b), rtol=1e-10, atol=1e-13)
        assert np.sign(b).tolist() == [1, -1, 1, -1]
        net = Affine(k)
        by_torch = own(net.parameters(), **options)  # without a warning of zeros
        for _ in range(STEPS):
            slopes = gradient(net.w.detach(), net.b.detach())
            for p, slope in zip((net.w, net.b), slopes, strict=True):
                p.grad = torch.from_numpy(slope)
            by_torch.step()
        torch.testing.assert_close(net.b.detach(), torch.from_numpy(b), rtol=1e-10, atol=1e-13)


def test_a_weight_of_one_part_stays_where_it_was_put() -> None:
    p = nn.Parameter(torch.tensor([1.0, -2.0, 0.0], dtype=DTYPE))
    own = tw.optim.SGDEG([p], lr=0.5, split_bias=0.1)
    p.grad = torch.ones_like(p)
    own.step()
    with torch.no_grad():
        p[1] = 0.0
    own.step()
    wanted = [np.exp(-1.0), 0.0, 0.1 * np.exp(-1.0) - 0.1 * np.exp(1.0)]
    assert p.tolist() == pytest.approx(wanted, rel=1e-12)
