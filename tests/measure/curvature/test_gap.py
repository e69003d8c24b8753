import pytest
import torch
from tests.measure.curvature.written_out import dense, eigenvalues, network, task

from thalweg.errors import InputError
from thalweg.measure.curvature import curvature_of

F64 = torch.float64


def test_the_gap_of_the_whole_split_has_the_solver_s_error_alone() -> None:
    data = task("mlp")
    matrix = curvature_of(network("mlp"), data, dtype=F64)
    found = matrix.top(2, tolerance=1e-4)
    gap = matrix.gap(found)
    first, second, *_ = eigenvalues(dense("mlp", "hessian", network("mlp"), data))
    assert abs(float(gap.difference) - (first - second)) <= float(gap.difference_error) + 1e-9
    assert abs(float(gap.ratio) - first / second) <= float(gap.ratio_error) + 1e-9
    assert float(gap.difference_error) <= 2e-4 * first
    assert float(gap.ratio) >= 1


def test_the_gap_of_a_sample_says_how_it_would_differ_on_another() -> None:
    """The errors are those that many samples show."""
    data = task("conv", examples=600)
    module = network("conv")
    differences, errors = [], []
    for seed in range(25):
        matrix = curvature_of(module, data, examples=200, seed=seed, dtype=F64)
        gap = matrix.gap(matrix.top(2, tolerance=1e-6))
        differences.append(gap.difference[0] if gap.difference[0] == gap.difference[0] else 0.0)
        errors.append(gap.difference_error[0])
    spread = torch.tensor(differences, dtype=F64).std()
    typical = torch.stack(errors).median()
    assert 0.4 < float(typical / spread) < 2.5


def test_what_has_not_converged_has_no_gap() -> None:
    matrix = curvature_of(network("mlp"), task("mlp"), dtype=F64)
    gap = matrix.gap(matrix.top(2, tolerance=1e-9, products=3))
    assert gap.difference.isnan().all()
    assert gap.ratio.isnan().all()
    with pytest.raises(InputError, match="takes two eigenvalues"):
        matrix.gap(matrix.top(1))


def test_a_ratio_below_the_noise_is_undefined() -> None:
    """Rank one: the second eigenvalue is nothing but rounding."""
    matrix = curvature_of(network("mlp"), task("mlp", examples=1), "empirical_fisher", dtype=F64)
    gap = matrix.gap(matrix.top(2))
    assert gap.ratio.isnan().all()
    assert not gap.difference.isnan().any()
