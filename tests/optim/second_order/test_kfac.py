"""K-FAC against dense Kronecker products, and the natural gradient."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from tests.cohort.test_fisher_factors import CASES, C, examples, networks, plain_factors
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import thalweg.optim.registry as registry
from thalweg.cohort import AutogradBackend, Cohort, Oracle
from thalweg.data import Split, load_task
from thalweg.errors import InputError
from thalweg.models import build_model

NO_CLIP = 1e30
B = 3


def bound(
    modules: list[nn.Module], split: Any, options: list[dict[str, Any]], loss: Any = "cross_entropy"
) -> tuple[Cohort, Oracle, Any]:
    cohort = Cohort(modules, range(len(modules)), dtype=torch.float64)
    oracle = Oracle(cohort, AutogradBackend(loss, stacked=False), split, len(split))
    return cohort, oracle, registry.bind_optimizer("kfac", cohort, options)


def dense_step(
    gradients: dict[str, Tensor], factors: dict[str, tuple[Tensor, Tensor]], o: dict[str, Any]
) -> dict[str, Tensor]:
    """D by (S' ⊗ A')⁻¹ on each flattened [G_W g_b], the damped factors multiplied out."""
    found, total = dict(gradients), 0.0
    for weight, (A, S) in factors.items():
        bias = weight.replace("weight", "bias")
        parts = [gradients[weight].flatten(1)]
        if bias in gradients:
            parts.append(gradients[bias][:, None])
        G = torch.cat(parts, 1)
        pi = (A.diagonal().mean() / S.diagonal().mean()).sqrt()
        root = o["damping"] ** 0.5
        one, other = (torch.eye(len(factor), dtype=torch.float64) for factor in (S, A))
        block = torch.kron(S + root / pi * one, A + pi * root * other)
        U = torch.linalg.solve(block, G.flatten()).view_as(G)
        total += float((U * G).sum())
        if bias in gradients:
            found[bias], U = U[:, -1], U[:, :-1]
        found[weight] = U.reshape(gradients[weight].shape)
    nu = min(1.0, (o["kl_clip"] / (o["lr"] ** 2 * total)) ** 0.5)
    blocks = {name for weight in factors for name in (weight, weight.replace("weight", "bias"))}
    return {name: nu * D if name in blocks else D for name, D in found.items()}


@pytest.mark.parametrize("name", ["perceptron", "strided", "nn.RNN", "rnn", "twice"])
def test_two_steps(name: str) -> None:
    """The second step has averaged factors, momentum and weight decay in it."""
    _, plain, shape = CASES[name]
    modules, split = networks(name, 2), examples(shape, "cross_entropy")
    shared = {"fisher": "exact", "momentum": 0.8, "weight_decay": 0.05, "factor_decay": 0.3}
    options: list[dict[str, Any]] = [
        {"lr": 0.2, "damping": 1e-2, "kl_clip": NO_CLIP, **shared},
        {"lr": 0.1, "damping": 1e-4, "kl_clip": 1e-3, **shared},
    ]
    cohort, oracle, optimizer = bound(modules, split, options)
    for step in range(2):
        oracle.draw(torch.arange(B), step)
        optimizer.step(0.9**step, oracle)
    x, y = split.batch(slice(None))
    for k, module in enumerate(modules):
        o, named = dict(options[k]), dict(module.named_parameters())
        average: dict[str, tuple[Tensor, Tensor]] = {}
        momentum = {n: torch.zeros_like(p) for n, p in named.items()}
        for step in range(2):
            share = [1.0, 0.7][step]  # max(1/k, 1 − factor_decay)
            new = plain_factors(module, plain, x, "cross_entropy", None)
            average = {
                n: tuple((1 - share) * b + share * f for b, f in zip(average[n], pair, strict=True))
                if step
                else pair
                for n, pair in new.items()
            }
            loss = cross_entropy(module(x), y)
            gradients = dict(zip(named, torch.autograd.grad(loss, named.values()), strict=True))
            o["lr"] = options[k]["lr"] * 0.9**step
            D = dense_step(gradients, average, o)
            with torch.no_grad():
                for n, p in named.items():
                    momentum[n] = 0.8 * momentum[n] + D[n] + 0.05 * p
                    p -= o["lr"] * momentum[n]
        for n, p in cohort.state(k).items():
            torch.testing.assert_close(p, named[n].detach(), rtol=1e-8, atol=1e-11)


def test_of_a_linear_softmax_model_it_is_the_natural_gradient() -> None:
    """At W = 0 all classes are as likely at every input, so the Fisher matrix is one product."""
    N = 20
    x = torch.randn(N, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    y = torch.arange(N) % C
    net = nn.Linear(6, C).double()
    nn.init.zeros_(net.weight)
    nn.init.zeros_(net.bias)
    options = {"lr": 1.0, "momentum": 0.0, "damping": 1e-12, "kl_clip": NO_CLIP, "fisher": "exact"}
    cohort, oracle, optimizer = bound([net], Split(x, y, dtype=torch.float64), [options])
    oracle.draw(torch.arange(N), 0)
    optimizer.step(1.0, oracle)
    a = torch.cat([x, torch.ones(N, 1)], 1).numpy()
    p = np.full(C, 1 / C)
    F = np.kron(np.diag(p) - np.outer(p, p), a.T @ a / N)
    g = ((p - np.eye(C)[y]).T @ a / N).ravel()
    wanted = -(np.linalg.pinv(F, rcond=1e-10) @ g).reshape(C, 7)
    found = torch.cat([cohort.state(0)["weight"], cohort.state(0)["bias"][:, None]], 1)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


class Mixed(nn.Module):
    """A linear layer among parameters of other kinds, and one whose weight is used otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((6,), 0.7))
        self.norm = nn.BatchNorm1d(6)
        self.other = nn.Linear(6, 6)
        self.last = nn.Linear(6, C)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.norm(self.scale * x) @ self.other.weight)
        return out


def test_other_parameters_take_the_plain_gradient() -> None:
    with torch.random.fork_rng(devices=[]):
        module = Mixed().double()
    options = {"lr": 0.3, "momentum": 0.0, "kl_clip": 1e-3}
    cohort, oracle, optimizer = bound([module], examples((6,), "cross_entropy"), [options])
    oracle.draw(torch.arange(B), 0)
    start, G = cohort.W.clone(), cohort.G.clone()
    optimizer.step(1.0, oracle)
    moved = cohort.layout.views(cohort.W - start)
    for name, g in cohort.layout.views(-0.3 * G).items():
        assert torch.allclose(moved[name], g, 1e-10, 1e-15) == (not name.startswith("last"))


def test_factors_and_inverses_are_made_when_due() -> None:
    split = examples((6,), "cross_entropy")
    options = {"update_every": 3, "inverse_every": 2, "momentum": 0.0}
    _, oracle, optimizer = bound(networks("perceptron", 1), split, [options])
    seen = []
    for step in range(6):
        oracle.draw(torch.arange(B), step)
        optimizer.step(1.0, oracle)
        seen.append((oracle.asked[0].gradient_evaluations, optimizer.row_state(0)["state"]))
    assert [count for count, _ in seen] == [2, 1, 1, 2, 1, 1]

    def changes(key: str) -> list[bool]:
        states = [state[key] for _, state in seen]
        return [not torch.equal(a, b) for a, b in pairwise(states)]

    assert changes("2.weight/A") == [False, False, True, False, False]
    assert changes("2.weight/S_inverse") == [False, False, True, False, False]
    assert changes("momentum") == [True] * 5


def test_the_mask_is_held_and_a_diverged_row_disturbs_no_other() -> None:
    split = examples((6,), "cross_entropy")

    def trained(broken: bool) -> Cohort:
        modules = networks("perceptron", 3)
        cohort, oracle, optimizer = bound(modules, split, [{"lr": 0.1}] * 3)
        mask = torch.rand(cohort.W.shape, generator=torch.Generator().manual_seed(1)) < 0.7
        cohort.set_mask(mask)
        if broken:
            cohort.W[1] = float("inf")
        for step in range(5):
            oracle.draw(torch.arange(B), step)
            optimizer.step(1.0, oracle)
            assert not cohort.W[[0, 2]][~mask[[0, 2]]].any()
        return cohort

    whole, broken = trained(False), trained(True)
    assert torch.equal(whole.W[[0, 2]], broken.W[[0, 2]])
    assert torch.isfinite(whole.W).all()


def test_it_goes_further_than_sgd_in_as_many_steps() -> None:
    task = load_task("digits", {}).to(torch.device("cpu"))
    order = torch.randperm(len(task.train), generator=torch.Generator().manual_seed(3))
    batches = order[: 10 * 128].split(128)

    def lowest(name: str, options: list[dict[str, Any]]) -> float:
        nets = [build_model("mlp", {"widths": [24]}, task.shape, 10, 0, None) for _ in options]
        cohort = Cohort(nets, [0] * len(nets))
        backend = AutogradBackend("cross_entropy", stacked=False)
        oracle = Oracle(cohort, backend, task.train, len(task.train))
        optimizer = registry.bind_optimizer(name, cohort, options)
        for step, batch in enumerate(batches):
            oracle.draw(batch, step)
            optimizer.step(1.0, oracle)
        return float(backend.evaluate(cohort, task.train).loss.min())

    rates = (0.02, 0.05, 0.1, 0.2, 0.4)
    sgd = lowest("sgd", [{"lr": lr, "momentum": 0.9} for lr in rates])
    assert lowest("kfac", [{}]) < 0.8 * sgd


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"damping": 0.0}, "damping = 0.0: must be greater than 0"),
        ({"factor_decay": 1.0}, "factor_decay = 1.0: must be less than 1"),
        ({"inverse_every": 0}, "inverse_every = 0: must be at least 1"),
        ({"kl_clip": 0.0}, "kl_clip = 0.0: must be greater than 0"),
    ],
)
def test_wrong_hyperparameters_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        registry.check_optimizer("kfac", options, "optimizer")
    assert str(caught.value) == f"optimizer.{sentence}"
