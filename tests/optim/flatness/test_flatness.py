"""SAM and its kin against their published formulas, in NumPy."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.least_squares import LeastSquares, Vector

from thalweg.errors import InputError
from thalweg.optim.registry import check_optimizer

STEPS = 50
NAMES = ["sam", "asam", "gsam", "gradient_norm"]
PER_ROW: dict[str, list[dict[str, Any]]] = {
    "sam": [{"rho": 0.05}, {"rho": 0.5}],
    "asam": [{"rho": 0.5}, {"rho": 0.1, "eta": 0.1}],
    "gsam": [{"rho": 0.05, "alpha": 0.4}, {"rho": 0.3, "alpha": 0.1}],
    "gradient_norm": [{"rho": 0.05, "alpha": 0.8}, {"rho": 0.3, "alpha": 0.2}],
}
MOMENTA: list[dict[str, Any]] = [
    {},
    {"momentum": 0.9, "weight_decay": 0.05},
    {"momentum": 0.8, "nesterov": True},
]


def direction(
    name: str, w: Vector, options: dict[str, Any], problem: LeastSquares, step: int
) -> Vector:
    rho: float = options["rho"]
    g = problem.gradient(w, step)
    if name == "asam":
        T = np.diag(np.abs(w) + options.get("eta", 0.01))
        return problem.gradient(w + rho * T @ T @ g / np.linalg.norm(T @ g), step)
    p = problem.gradient(w + rho * g / np.linalg.norm(g), step)
    alpha: float = options.get("alpha", 0.0)
    if name == "gsam":
        cosine = g @ p / np.linalg.norm(g) / np.linalg.norm(p)
        return np.asarray(p - alpha * (g - cosine * np.linalg.norm(g) * p / np.linalg.norm(p)))
    if name == "gradient_norm":
        return np.asarray((1 - alpha) * g + alpha * p)
    return p


@pytest.mark.parametrize("momentum", MOMENTA, ids=["plain", "momentum", "nesterov"])
@pytest.mark.parametrize("name", NAMES)
def test_the_published_formula(name: str, momentum: dict[str, Any]) -> None:
    problem = LeastSquares(2, batch=8)
    starts = problem.starts()
    options = [
        {**momentum, **own, "lr": lr} for own, lr in zip(PER_ROW[name], (0.01, 0.03), strict=True)
    ]
    found = problem.train(name, options, STEPS, lambda step: 0.98**step)[-1]
    for k, own in enumerate(options):
        w, mu = starts[k].copy(), own.get("momentum", 0.0)
        buffer = np.zeros_like(w)
        for step in range(STEPS):
            d = direction(name, w, own, problem, step) + own.get("weight_decay", 0.0) * w
            buffer = mu * buffer + d
            w = w - own["lr"] * 0.98**step * (d + mu * buffer if own.get("nesterov") else buffer)
        torch.testing.assert_close(found[k], torch.from_numpy(w), rtol=1e-10, atol=1e-12)
        assert np.abs(w - starts[k]).max() > 0.1


def test_on_a_quadratic_sams_step_is_its_closed_form() -> None:
    problem = LeastSquares(1)
    w = problem.starts()[0]
    found = problem.train("sam", [{"lr": 0.1, "rho": 0.7}], 1)[-1][0]
    A, g = problem.hessian(0), problem.gradient(w, 0)
    wanted = w - 0.1 * (g + 0.7 * A @ g / np.linalg.norm(g))
    torch.testing.assert_close(found, torch.from_numpy(wanted), rtol=1e-12, atol=1e-14)


def climb(name: str, rho: float) -> torch.Tensor:
    """Return how far the second gradient was taken from the first, for one row."""
    problem = LeastSquares(1)
    start = problem.cohort.W.clone()
    asked: list[torch.Tensor] = []
    plain = problem.oracle.gradient

    def gradient(index: torch.Tensor | None = None) -> torch.Tensor:
        asked.append(problem.cohort.W.clone())
        return plain(index)

    problem.oracle.gradient = gradient  # type: ignore[method-assign]
    problem.train(name, [{"lr": 0.1, "rho": rho}], 1)
    assert len(asked) == 2
    assert torch.equal(asked[0], start)
    return asked[1] - start


@pytest.mark.parametrize("name", ["sam", "gsam", "gradient_norm"])
def test_the_climb_has_length_rho(name: str) -> None:
    assert climb(name, 0.3).norm().item() == pytest.approx(0.3, rel=1e-10)


def test_asams_climb_has_length_rho_in_units_of_the_weights() -> None:
    epsilon = climb("asam", 0.3)
    T = torch.from_numpy(np.abs(LeastSquares(1).starts()[0]) + 0.01)
    assert (epsilon[0] / T).norm().item() == pytest.approx(0.3, rel=1e-10)


def test_a_penalty_of_zero_is_sgd_and_of_one_is_sam() -> None:
    ends = {
        alpha: LeastSquares(1).train("gradient_norm", [{"lr": 0.05, "alpha": alpha}], 20)[-1]
        for alpha in (0.0, 1.0)
    }
    sgd = LeastSquares(1).train("sgd", [{"lr": 0.05}], 20)[-1]
    sam = LeastSquares(1).train("sam", [{"lr": 0.05}], 20)[-1]
    torch.testing.assert_close(ends[0.0], sgd, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(ends[1.0], sam, rtol=1e-12, atol=1e-14)
    assert (sgd - sam).norm() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_least_squares_is_solved_to_the_length_of_the_climb(name: str) -> None:
    """With a radius that vanishes the optimum is reached; else its distance is of order ρ."""
    problem = LeastSquares(2)
    options = [{"lr": 0.1, "momentum": 0.5, "rho": 1e-9}, {"lr": 0.1, "momentum": 0.5, "rho": 0.05}]
    found = problem.train(name, options, 400)[-1]
    distance = (found - torch.from_numpy(problem.optimum())).norm(dim=1)
    assert distance[0] < 1e-7
    assert distance[1] < 0.05


@pytest.mark.parametrize("name", NAMES)
def test_two_gradients_are_counted(name: str) -> None:
    problem = LeastSquares(1, batch=8)
    problem.train(name, [{"lr": 0.1}], 1)
    assert problem.oracle.asked[0].gradient_evaluations == 2
    assert problem.oracle.asked[0].examples == 16


@pytest.mark.parametrize("name", NAMES)
def test_the_mask_is_held_during_the_climb_too(name: str) -> None:
    problem = LeastSquares(2)
    mask = torch.tensor([[True, False, True, True, False], [False, True, True, False, True]])
    problem.cohort.set_mask(mask)
    problem.train(name, [{"lr": 0.05, "momentum": 0.9}, {"lr": 0.1, "momentum": 0.5}], 10)
    assert not problem.cohort.W[~mask].any()
    assert problem.cohort.W[mask].all()
    state = problem.bind(name, [{"lr": 0.1, "momentum": 0.9}] * 2)
    problem.oracle.draw(problem.index(0), 0)
    state.step(1.0, problem.oracle)
    assert not state.row_state(0)["state"]["momentum"][~mask[0]].any()


def test_a_run_whose_gradient_is_zero_stays() -> None:
    problem = LeastSquares(1, noise=0.0)
    problem.cohort.W[0] = torch.from_numpy(problem.best)
    problem.cohort.set_mask(torch.zeros(1, 5, dtype=torch.bool))
    for name in NAMES:
        path = problem.train(name, [{"lr": 0.1}], 2)
        assert torch.equal(path[-1], path[0])


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("sam", {"lr": 0.1, "rho": -1.0}, "sam.rho = -1.0: must be at least 0"),
        ("sam", {"lr": 0.0}, "sam.lr = 0.0: must be greater than 0"),
        ("asam", {"lr": 0.1, "eta": -0.5}, "asam.eta = -0.5: must be at least 0"),
        ("gsam", {"lr": 0.1, "alpha": -1.0}, "gsam.alpha = -1.0: must be at least 0"),
        (
            "gradient_norm",
            {"lr": 0.1, "nesterov": True},
            "gradient_norm: nesterov = true needs momentum above 0 and dampening = 0",
        ),
    ],
)
def test_wrong_hyperparameters_are_refused_by_name(
    name: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_optimizer(name, options, name)
    assert str(caught.value) == sentence
