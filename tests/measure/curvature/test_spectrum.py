"""Eigenvalues, trace and density against the whole spectrum of the dense matrix."""

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import eigsh
from tests.measure.curvature.written_out import dense, eigenvalues, network, task

from thalweg.errors import InputError
from thalweg.measure.curvature import CurvatureMatrix, curvature_of

F64 = torch.float64


def spectrum(kind: str) -> list[float]:
    return list(eigenvalues(dense(kind, "hessian", network(kind), task(kind))))


def hessian(kind: str, **options: object) -> CurvatureMatrix:
    return curvature_of(network(kind), task(kind), dtype=F64, **options)  # type: ignore[arg-type]


def test_both_ends_of_the_spectrum(kind: str) -> None:
    expected = torch.tensor(spectrum(kind), dtype=F64)
    for end, values in (("largest", expected[:3]), ("smallest", expected.flip(0)[:3])):
        found = hessian(kind).top(3, end, tolerance=1e-7)  # type: ignore[arg-type]
        assert found.converged.all()
        torch.testing.assert_close(found.values[0], values, rtol=1e-6, atol=1e-9)
        H = dense(kind, "hessian", network(kind), task(kind))
        for value, vector, residual in zip(
            found.values[0], found.vectors[0], found.residuals[0], strict=True
        ):
            true = (H @ vector - value * vector).norm()
            assert true <= residual + 1e-9
            assert vector.norm() == pytest.approx(1)
            assert vector[vector.abs().argmax()] > 0


def test_a_loose_tolerance_costs_less_and_what_has_not_converged_is_flagged() -> None:
    loose, tight = (hessian("mlp").top(2, tolerance=t) for t in (1e-2, 1e-8))
    assert loose.products < tight.products
    assert bool(loose.converged.all() and tight.converged.all())
    stopped = hessian("mlp").top(2, tolerance=1e-8, products=4)
    assert stopped.products == 4
    assert not stopped.converged.any()
    assert (stopped.residuals > 1e-8 * stopped.values.abs()).all()


def test_all_eigenvalues_of_a_matrix_and_their_sum(kind: str) -> None:
    expected = torch.tensor(spectrum(kind), dtype=F64)
    matrix = hessian(kind)
    found = matrix.top(len(expected), tolerance=1e-6, products=2 * len(expected))
    torch.testing.assert_close(found.values[0], expected, rtol=1e-5, atol=1e-7)
    exact = matrix.trace(products=3 * len(expected))
    assert exact.values[0] == pytest.approx(float(expected.sum()), rel=1e-8)
    assert exact.errors[0] == 0


def test_the_start_of_a_trajectory_s_next_point_is_warm() -> None:
    matrix = hessian("conv")
    cold = matrix.top(2, tolerance=1e-4)
    warm = CurvatureMatrix(matrix.subject, matrix.operator, cold.vectors.sum(1))
    again = warm.top(2, tolerance=1e-4)
    assert again.products < cold.products / 2
    torch.testing.assert_close(again.values, cold.values, rtol=1e-3, atol=1e-8)


def test_rows_are_solved_as_alone() -> None:
    modules, data = [network("mlp", seed) for seed in range(3)], task("mlp")
    together = curvature_of(modules, data, dtype=F64).top(2, tolerance=1e-8)
    assert together.converged.all()
    for row, module in enumerate(modules):
        alone = curvature_of(module, data, dtype=F64).top(2, tolerance=1e-8)
        torch.testing.assert_close(together.values[row], alone.values[0], rtol=1e-6, atol=1e-9)


def test_scipy_s_solver_finds_the_same() -> None:
    matrix = hessian("mlp")
    values = eigsh(matrix.linear_operator(), k=2, which="LA", return_eigenvectors=False)
    found = matrix.top(2, tolerance=1e-7)
    assert np.sort(values)[::-1] == pytest.approx(found.values[0].numpy(), rel=1e-6)


def test_the_trace_lies_within_its_error(kind: str) -> None:
    expected = sum(spectrum(kind))
    z = []
    for seed in range(20):
        found = hessian(kind, seed=seed).trace(products=18)
        if found.errors[0] == 0:
            assert found.values[0] == pytest.approx(expected, rel=1e-8)
            return
        z.append(float((found.values[0] - expected) / found.errors[0]))
    assert np.median(np.abs(z)) < 1.5
    assert abs(np.mean(z)) < 1.5


def test_the_density_has_the_moments_of_the_spectrum(kind: str) -> None:
    expected = np.array(spectrum(kind))
    found = hessian(kind).density(starts=30, steps=20)
    assert found.weights.sum(2).numpy() == pytest.approx(1)
    mean, deviation = found.moments()
    spread = expected.std() / np.sqrt(30)
    assert float(mean) == pytest.approx(expected.mean(), abs=4 * spread)
    assert float(deviation) == pytest.approx(expected.std(), rel=0.5)
    places, curve = found.curve()
    assert torch.trapezoid(curve, places, dim=1).item() == pytest.approx(1, abs=1e-3)
    assert found.nodes.amax().item() == pytest.approx(expected.max(), rel=1e-3)
    assert found.nodes.amin().item() == pytest.approx(expected.min(), rel=1e-2, abs=1e-4)


def test_an_exhausted_space_goes_on_elsewhere() -> None:
    """The empirical Fisher matrix of three examples has rank three."""
    data, module = task("mlp", examples=3), network("mlp")
    matrix = curvature_of(module, data, "empirical_fisher", dtype=F64)
    found = matrix.top(6, tolerance=1e-6)
    expected = eigenvalues(dense("mlp", "empirical_fisher", module, data))
    assert found.values[0, :3].tolist() == pytest.approx(expected[:3], rel=1e-6)
    assert found.values[0, 3:].tolist() == pytest.approx([0, 0, 0], abs=1e-9)


def test_more_eigenvalues_than_weights_are_refused() -> None:
    with pytest.raises(InputError, match="top = 36: must be from 1 to the 35 weights"):
        hessian("mlp", parameters=["layers.0.*"]).top(36)
    with pytest.raises(InputError, match="top = 0"):
        hessian("mlp").top(0)
