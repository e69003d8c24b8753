"""Schedule-free rules against the published recursions in float64, in cohorts and in PyTorch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.least_squares import LeastSquares, Vector
from tests.optim.test_rules import Net
from torch import Tensor

import thalweg as tw
from thalweg.errors import InputError
from thalweg.optim.registry import check_optimizer

STEPS, BATCH = 50, 8
SGD: list[dict[str, Any]] = [
    {"lr": 0.1},
    {"lr": 0.05, "beta": 0.6, "weight_decay": 0.1},
    {"lr": 0.05, "beta": 0.0},
]
ADAMW: list[dict[str, Any]] = [
    {"lr": 0.1},
    {"lr": 0.02, "beta1": 0.5, "weight_decay": 0.1},
    {"lr": 0.02, "eps": 1e-2},
]
CASES = [("schedule_free_sgd", SGD), ("schedule_free_adamw", ADAMW)]
Gradient = Callable[[Vector, int], Vector]


def warm_up(step: int) -> float:
    return min(1.0, (step + 1) / 10)


def published(name: str, w: Vector, gradient: Gradient, h: dict[str, Any]) -> tuple[Vector, Vector]:
    """The paper's Algorithm 1, or its SGD; return y, where the next gradient is, and x."""
    adam = name == "schedule_free_adamw"
    beta = h.get("beta1", 0.9) if adam else h.get("beta", 0.9)
    x = z = w
    v, total = np.zeros_like(w), 0.0
    for step in range(STEPS):
        y = (1 - beta) * z + beta * x
        g = gradient(y, step)
        gamma = h["lr"] * warm_up(step)
        if adam:
            v = 0.999 * v + (1 - 0.999) * g**2
            gamma *= np.sqrt(1 - 0.999 ** (step + 1))
            g = g / (np.sqrt(v) + h.get("eps", 1e-8))
        z = z - gamma * g - gamma * h.get("weight_decay", 0.0) * y
        total += gamma**2
        c = gamma**2 / total
        x = (1 - c) * x + c * z
    return (1 - beta) * z + beta * x, x


def train(problem: LeastSquares, name: str, options: list[dict[str, Any]]) -> Tensor:
    """Train on the problem and return the weights that are judged."""
    optimizer = problem.bind(name, options)
    for step in range(STEPS):
        problem.oracle.draw(problem.index(step), step)
        optimizer.step(warm_up(step), problem.oracle)
        problem.cohort.hold_mask()
    judged = optimizer.evaluated()
    assert judged is not None
    return judged


@pytest.mark.parametrize(("name", "options"), CASES)
def test_on_a_cohort(name: str, options: list[dict[str, Any]]) -> None:
    problem = LeastSquares(len(options), BATCH)
    starts = problem.starts()
    judged = train(problem, name, options)
    for k, h in enumerate(options):
        y, x = published(name, starts[k], problem.gradient, h)
        np.testing.assert_allclose(problem.cohort.W[k].numpy(), y, rtol=1e-10)
        np.testing.assert_allclose(judged[k].numpy(), x, rtol=1e-10)


def gradient_of(net: Net) -> Gradient:
    def gradient(w: Vector, step: int) -> Vector:
        with torch.no_grad():
            torch.nn.utils.vector_to_parameters(torch.from_numpy(w), net.parameters())
        net.zero_grad()
        net.loss(step).backward()
        return np.concatenate(
            [p.grad.numpy().ravel() for p in net.parameters() if p.grad is not None]
        )

    return gradient


@pytest.mark.parametrize(
    ("factory", "name", "options"),
    [
        *((tw.optim.ScheduleFreeSGD, "schedule_free_sgd", h) for h in SGD),
        *((tw.optim.ScheduleFreeAdamW, "schedule_free_adamw", h) for h in ADAMW),
    ],
)
def test_as_a_torch_optimizer(factory: Any, name: str, options: dict[str, Any]) -> None:
    """Evaluated every few steps: eval() shows the average, train() puts the iterate back."""
    net = Net(0)
    optimizer = factory(net.parameters(), **options)
    for step in range(STEPS):
        if step % 7 == 0:
            iterate = net.row()
            optimizer.eval()
            optimizer.eval()
            assert step == 0 or not torch.equal(net.row(), iterate)
            optimizer.train()
            optimizer.train()
            assert torch.equal(net.row(), iterate)
        for group in optimizer.param_groups:
            group["lr"] = options["lr"] * warm_up(step)
        optimizer.zero_grad()
        net.loss(step).backward()
        optimizer.step()
    y, x = published(name, Net(0).row().numpy(), gradient_of(Net(0)), options)
    np.testing.assert_allclose(net.row().numpy(), y, rtol=1e-10, atol=1e-12)
    optimizer.eval()
    np.testing.assert_allclose(net.row().numpy(), x, rtol=1e-10, atol=1e-12)
    with pytest.raises(RuntimeError, match=rf"^{name}: call train\(\) after eval\(\)"):
        optimizer.step()


def test_a_torch_state_saved_in_evaluation_goes_on() -> None:
    def stepped(net: Net, optimizer: Any, steps: range) -> None:
        for step in steps:
            optimizer.zero_grad()
            net.loss(step).backward()
            optimizer.step()

    whole, net = Net(0), Net(0)
    first = tw.optim.ScheduleFreeSGD(net.parameters(), lr=0.1)
    stepped(whole, tw.optim.ScheduleFreeSGD(whole.parameters(), lr=0.1), range(20))
    stepped(net, first, range(10))
    first.eval()
    second = tw.optim.ScheduleFreeSGD(net.parameters(), lr=0.5)
    second.load_state_dict(first.state_dict())
    second.train()
    stepped(net, second, range(10, 20))
    assert torch.equal(net.row(), whole.row())


def test_other_rules_have_no_modes() -> None:
    assert not hasattr(tw.optim.SGD, "eval")


def test_with_beta_0_it_is_the_mean_of_sgds_iterates() -> None:
    problem, plain = LeastSquares(1, BATCH), LeastSquares(1, BATCH)
    optimizer = problem.bind("schedule_free_sgd", [{"lr": 0.05, "beta": 0.0}])
    path = torch.stack(plain.train("sgd", [{"lr": 0.05}], STEPS)[1:])
    for step in range(STEPS):
        problem.oracle.draw(problem.index(step), step)
        optimizer.step(1.0, problem.oracle)
    torch.testing.assert_close(problem.cohort.W, path[-1], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(optimizer.evaluated(), path.mean(0), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("name", "lr"), [("schedule_free_sgd", 0.2), ("schedule_free_adamw", 0.1)])
def test_it_converges_on_least_squares(name: str, lr: float) -> None:
    problem = LeastSquares(2)
    optimizer = problem.bind(name, [{"lr": lr}, {"lr": 0.7 * lr}])
    for step in range(1500):
        problem.oracle.draw(problem.index(step), step)
        optimizer.step(1.0, problem.oracle)
    judged = optimizer.evaluated()
    assert judged is not None
    best = torch.from_numpy(problem.optimum())
    assert ((judged - best).norm(dim=1) < 1e-2).all()


@pytest.mark.parametrize(("name", "options"), CASES)
def test_pruned_weights_stay_zero(name: str, options: list[dict[str, Any]]) -> None:
    problem = LeastSquares(len(options), BATCH)
    mask = torch.rand(len(options), 5, generator=torch.Generator().manual_seed(2)) < 0.5
    problem.cohort.set_mask(mask)
    judged = train(problem, name, options)
    for weights in (judged, problem.cohort.W):
        assert not weights[~mask].any()
        assert weights[mask].all()


WRONG = [
    ("schedule_free_sgd", {"lr": 0.1, "beta": 1.0}, "optimizer.beta = 1.0: must be less than 1"),
    ("schedule_free_sgd", {"beta": 0.5}, "optimizer.lr: is missing and has no default"),
    ("schedule_free_adamw", {"beta2": -0.1}, "optimizer.beta2 = -0.1: must be at least 0"),
    ("schedule_free_adamw", {"eps": -1.0}, "optimizer.eps = -1.0: must be at least 0"),
]


@pytest.mark.parametrize(("name", "options", "sentence"), WRONG)
def test_wrong_hyperparameters_are_refused_by_name(
    name: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_optimizer(name, options, "optimizer")
    assert str(caught.value) == sentence
