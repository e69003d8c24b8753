"""Measures of sharpness on quadratics, where they are known, and under rescaling."""

import copy

import numpy as np
import pytest
import torch
from tests.measure.curvature.written_out import as_function, dense, network, task
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from thalweg.cohort.losses import example_losses
from thalweg.data import Split, Task
from thalweg.measure.sharpness import MEASURES, SharpnessOptions
from thalweg.measure.sharpness.average_case import average_rise, pac_bayes_sigma
from thalweg.measure.sharpness.worst_case import (
    adaptive_box,
    adaptive_sphere,
    keskar_box,
    largest_rise,
    m_sharpness,
    sphere,
)
from thalweg.measure.subject import Subject

F64 = torch.float64
OPTIONS = SharpnessOptions(draws=4, steps=4, m=16)


def relu_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).double()


def rescaled(module: nn.Module, factors: Tensor) -> nn.Module:
    """Multiply what goes into each ReLU and divide what comes out: no output changes."""
    other = copy.deepcopy(module)
    with torch.no_grad():
        other.get_parameter("0.weight").mul_(factors[:, None])
        other.get_parameter("0.bias").mul_(factors)
        other.get_parameter("2.weight").div_(factors)
    return other


@pytest.mark.parametrize("measure", MEASURES, ids=lambda each: each.name)
def test_invariant_is_what_is_said_to_be(measure: object) -> None:
    module, data = relu_network(), task("mlp", examples=48)
    factors = torch.tensor([0.25, 4, 1, 0.5, 2, 8, 1, 3], dtype=F64)
    first, second = (
        Subject.of(each, data, dtype=F64) for each in (module, rescaled(module, factors))
    )
    assert float(first.loss()) == pytest.approx(float(second.loss()), rel=1e-12)
    values = [float(measure.measure(each, OPTIONS)) for each in (first, second)]  # type: ignore[attr-defined]
    assert np.isfinite(values).all()
    same = values[0] == pytest.approx(values[1], rel=1e-6)
    assert same == measure.invariant  # type: ignore[attr-defined]


def least_squares() -> tuple[Subject, Tensor, Tensor]:
    """Return one linear layer at a least-squares loss, with its Hessian and gradient."""
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(40, 4, generator=draw, dtype=F64)
    y = torch.randn(40, 1, generator=draw, dtype=F64)
    split = Split(x, y, dtype=F64)
    data = Task("quadratic", "mse", 1, (), split, None, split)
    torch.manual_seed(1)
    module = nn.Linear(4, 1, bias=False).double()
    residual = x @ module.weight.detach().T - y
    return Subject.of(module, data, dtype=F64), 2 * x.T @ x / 40, 2 * (x.T @ residual)[:, 0] / 40


def test_worst_cases_of_a_quadratic() -> None:
    """L(w + δ) − L(w) = gᵀδ + ½δᵀHδ."""
    subject, H, g = least_squares()
    w = subject.cohort.W[0]

    def rise(δ: Tensor) -> float:
        return float(g @ δ + δ @ H @ δ / 2)

    δ = 0.1 * g / g.norm()
    assert float(m_sharpness(subject, 40, sphere(0.1))) == pytest.approx(rise(δ))
    δ = 0.1 * w**2 * g / (w * g).norm()
    assert float(m_sharpness(subject, 40, adaptive_sphere(0.1))) == pytest.approx(rise(δ))
    for box, half in ((adaptive_box(0.3), 0.3 * w.abs()), (keskar_box(0.3), 0.3 * (w.abs() + 1))):
        corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=F64)] * 4) * half
        largest = max(rise(corner) for corner in corners)  # of a convex function, at a corner
        found = [float(largest_rise(subject, box, steps)) for steps in (1, 30)]
        assert found[0] <= found[1] <= largest + 1e-12
        assert found[1] == pytest.approx(largest, rel=0.1)


def test_small_batches_are_sharper() -> None:
    subject = Subject.of(relu_network(), task("mlp", examples=48), dtype=F64)
    few, all_ = (float(m_sharpness(subject, m, sphere(0.05))) for m in (4, 48))
    assert few > all_ > 0


def test_average_cases_of_a_quadratic() -> None:
    """E[L(w + δ)] − L(w) = ½·ρ²·tr H, and with |w_i|·ρ half the weighted diagonal."""
    subject, H, _ = least_squares()
    w = subject.cohort.W[0]
    for adaptive, expected in (
        (False, 0.5 * 0.2**2 * H.trace()),
        (True, 0.5 * 0.2**2 * (H.diagonal() * w**2).sum()),
    ):
        mean, error = average_rise(subject, 0.2, 400, adaptive)
        assert abs(float(mean - expected)) < 4 * float(error)
        assert float(error) < 0.1 * float(expected)


def test_sigma_is_where_the_loss_has_risen_by_so_much() -> None:
    subject, H, _ = least_squares()
    sigma = pac_bayes_sigma(subject, 0.1, 600)
    assert float(sigma) == pytest.approx(float((0.2 / H.trace()) ** 0.5), rel=0.1)


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_fisher_rao_is_the_mean_square_of_the_slope_along_the_weights(kind: str) -> None:
    module, data = network(kind), task(kind)
    (measure,) = [each for each in MEASURES if each.name == "fisher_rao"]
    w, outputs = as_function(module, data)
    _, targets = data.train.batch(slice(None))
    G = torch.autograd.functional.jacobian(
        lambda w: example_losses(data.loss, outputs(w), targets), w
    )
    found = measure.measure(Subject.of(module, data, dtype=F64), OPTIONS)
    assert float(found) == pytest.approx(float((G @ w).square().mean()), rel=1e-6)


def test_eigenvalue_and_trace_are_those_of_the_hessian() -> None:
    subject = Subject.of(network("mlp"), task("mlp"), dtype=F64)
    H = dense("mlp", "hessian", network("mlp"), task("mlp"))
    found = {each.name: float(each.measure(subject, OPTIONS)) for each in MEASURES[:2]}
    assert found["lambda_max"] == pytest.approx(float(torch.linalg.eigvalsh(H)[-1]), rel=1e-3)
    assert found["trace"] == pytest.approx(float(H.trace()), rel=0.5)


def test_rows_are_measured_as_alone_and_nothing_is_changed() -> None:
    modules, data = [network("mlp", seed) for seed in range(2)], task("mlp")
    together = Subject.of(modules, data, dtype=F64)
    before = together.cohort.W.clone()
    for measure in MEASURES:
        both = measure.measure(together, OPTIONS)
        for row, module in enumerate(modules):
            alone = measure.measure(Subject.of(module, data, dtype=F64), OPTIONS)
            assert float(both[row]) == pytest.approx(float(alone), rel=1e-2), measure.name
    assert torch.equal(together.cohort.W, before)
    assert torch.equal(before[0], parameters_to_vector(modules[0].parameters()).detach())
