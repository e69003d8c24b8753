"""The threshold of stability: on quadratics, in the rules' own terms, and at its edge."""

from typing import Any

import pytest
import torch
from tests.measure.curvature.written_out import dense, network, task
from tests.measure.dynamics.watched import F64, mlp, small_digits, training_of, watch
from torch import Tensor, nn

from thalweg.cohort import Cohort, Oracle
from thalweg.cohort.optimizer import Stability
from thalweg.data import Split, Task
from thalweg.optim.registry import OPTIMIZERS, bind_optimizer

LINEAR: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.8, "dampening": 0.5}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    ("momentum", {"momentum": 0.7}),
    ("nesterov", {"momentum": 0.7}),
]

ADAPTIVE: list[tuple[str, dict[str, Any]]] = [
    ("adam", {}),
    ("adamw", {"weight_decay": 0.0}),
    ("amsgrad", {}),
    ("adagrad", {"lr_decay": 0.1}),
    ("rmsprop", {}),
    ("rmsprop", {"centered": True}),
    ("adahessian", {"hessian_power": 0.5}),
]


def parabola() -> Task:
    """½·λ·w² with λ = 2: the mean square of w·1 − 0."""
    split = Split(torch.ones(4, 1, dtype=F64), torch.zeros(4, 1, dtype=F64), dtype=F64)
    return Task("parabola", "mse", 1, (), split, None, split)


def slope(seed: int) -> nn.Module:
    module = nn.Linear(1, 1, bias=False).double()
    nn.init.ones_(module.weight)
    return module


@pytest.mark.parametrize(("name", "options"), LINEAR)
def test_a_quadratic_is_left_just_beyond_the_threshold(name: str, options: dict[str, Any]) -> None:
    cohort = Cohort([slope(0)], [0], dtype=F64)
    found = bind_optimizer(name, cohort, [{"lr": 1.0, **options}]).stability()
    assert found is not None and found.preconditioner is None
    edge = found.threshold.item() / 2  # the learning rate at which λ = 2 is the threshold
    rows = [{"lr": edge * 0.98, **options}, {"lr": edge * 1.02, **options}]
    training = training_of(slope, name, rows, parabola(), 600, None)
    training.run()
    inside, beyond = training.cohort.W.abs().flatten().tolist()
    assert inside < 1e-3
    assert beyond > 1e2


@pytest.mark.parametrize(("name", "options"), ADAPTIVE)
def test_the_preconditioner_is_what_the_step_was_divided_by(
    name: str, options: dict[str, Any]
) -> None:
    """Without momentum a step is −η·g/P, so P is −η·g/Δw."""
    if "beta1" in OPTIMIZERS[name].target.options.model_fields:
        options = {**options, "beta1": 0.0}
    training = training_of(mlp, name, [{"lr": 0.01, **options}, {"lr": 0.1, **options}], epochs=2)
    seen = watch(training, instruments=["loss"])
    final = [*seen.before, training.cohort.W]
    found = training.optimizer.stability()
    assert found is not None and found.preconditioner is not None
    for row, lr in enumerate((0.01, 0.1)):
        g = training.cohort.G[row]
        step = final[-1][row] - final[-2][row]
        moved = g.abs() > 1e-6  # of what is smaller rounding leaves too little
        expected = (-lr * g / step)[moved]
        torch.testing.assert_close(found.preconditioner[row][moved], expected, rtol=1e-6, atol=0)
        assert found.threshold[row].item() == pytest.approx(2 / lr)


@pytest.mark.parametrize("name", ["adam", "adahessian"])
def test_momentum_of_averages_widens_the_threshold(name: str) -> None:
    """With a frozen preconditioner Adam is the heavy ball with the rate η·(1 − β)."""
    cohort = Cohort([slope(0)], [0], dtype=F64)
    optimizer = bind_optimizer(name, cohort, [{"lr": 0.1, "beta1": 0.9}])
    cohort.G.fill_(1.0)
    optimizer.step(1.0, _Flat())
    found = optimizer.stability()
    assert found is not None
    assert found.threshold.item() == pytest.approx(38 / 0.1)  # Cohen et al., section 2


class _Flat(Oracle):
    """An objective without curvature."""

    def __init__(self) -> None:
        pass

    def product(self, V: Tensor, active: Tensor | None = None) -> Tensor:
        return torch.zeros_like(V)


def test_other_rules_do_not_inherit_adam_s() -> None:
    known = {name for name, _ in (*LINEAR, *ADAPTIVE)}
    for entry in OPTIMIZERS:
        name = entry.name
        if name in known or entry.options is None:
            continue
        cohort = Cohort([mlp(0)], [0], dtype=F64)
        lr = {"lr": 0.1} if "lr" in entry.options.model_fields else {}
        try:
            found: Stability | None = bind_optimizer(name, cohort, [lr]).stability()
        except Exception as error:  # it needs more than this
            raise AssertionError(name) from error
        assert found is None, name


def test_the_sharpness_is_the_largest_eigenvalue() -> None:
    data = task("mlp")
    training = training_of(lambda seed: network("mlp"), "sgd", [{"lr": 0.05}], data, 1, None)
    seen = watch(training, instruments=["edge"], examples=len(data.train))
    expected = torch.linalg.eigvalsh(dense("mlp", "hessian", network("mlp"), data)).max()
    look = seen.looks[0]
    assert look["lambda_max"].item() == pytest.approx(expected.item(), rel=1e-2)
    assert look["threshold"].item() == pytest.approx(40)
    assert look["edge"].item() == pytest.approx(expected.item() / 40, rel=1e-2)


@pytest.mark.parametrize("lr", [0.6, 0.8])
def test_gradient_descent_trains_at_the_edge_of_stability(lr: float) -> None:
    """λ_max of plain full-batch gradient descent on the mean square rises to 2/η and stays about
    there (Cohen et al., arXiv:2103.00065).
    """

    def tanh(seed: int) -> nn.Module:
        return mlp(seed, (32, 32), "tanh")

    digits = small_digits(200).train
    targets = nn.functional.one_hot(digits.targets, 10).double()
    split = Split(digits.inputs, targets, digits.mean, digits.std, F64)
    data = Task("squares", "mse", 10, (), split, None, split)
    training = training_of(tanh, "sgd", [{"lr": lr}], data, 900, None, evaluate_every=900)
    seen = watch(training, instruments=["edge"], examples=200)
    edge = torch.tensor([look["edge"].item() for look in seen.looks])
    assert edge[0] < 0.9
    assert edge[-300:].mean() == pytest.approx(1, abs=0.1)
    assert edge[-300:].max() < 1.4
    assert training.metrics[0][-1]["test_loss"] < training.metrics[0][0]["test_loss"] / 3
