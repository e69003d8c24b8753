"""Products against the dense matrix, written out by autograd in double precision."""

import pytest
import torch
from tests.measure.curvature.written_out import dense, network, task
from torch import nn

from thalweg.errors import InputError
from thalweg.measure import subject
from thalweg.measure.curvature import PreconditionedOperator, curvature_of
from thalweg.measure.curvature.operator import Curvature

F64 = torch.float64


@pytest.mark.parametrize("matrix", ["hessian", "gauss_newton", "empirical_fisher"])
@pytest.mark.parametrize("chunk", [1000, 10])
def test_products_are_those_of_the_matrix(
    kind: str, matrix: Curvature, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In batches of 10 the last of 37 examples' has 7."""
    monkeypatch.setattr(subject, "CHUNK", chunk)
    monkeypatch.setattr("thalweg.measure.curvature.operator.EXAMPLES", chunk)
    module, data = network(kind), task(kind)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    found = curvature_of(module, data, matrix, dtype=F64)
    V = torch.randn(4, found.operator.size, dtype=F64)
    expected = V @ dense(kind, matrix, network(kind), data)
    products = found.matvec(V.unsqueeze(0))[0]
    torch.testing.assert_close(products, expected, rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(found.matvec(V[2]), expected[2], rtol=1e-6, atol=1e-12)
    assert found.operator.products == 5
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(p.grad is None for p in module.parameters())


def test_every_row_is_the_network_alone(kind: str) -> None:
    modules, data = [network(kind, seed) for seed in range(3)], task(kind)
    together = curvature_of(modules, data, dtype=F64)
    V = torch.randn(3, 2, together.operator.size, dtype=F64)
    found = together.matvec(V)
    for row, module in enumerate(modules):
        alone = curvature_of(module, data, dtype=F64).matvec(V[row : row + 1])
        assert torch.equal(found[row], alone[0])


def test_a_support_is_a_block_of_the_matrix() -> None:
    module, data = network("mlp"), task("mlp")
    H = dense("mlp", "hessian", network("mlp"), data)
    part = curvature_of(module, data, parameters=["layers.0.*"], dtype=F64)
    inside = torch.zeros(len(H), dtype=torch.bool)
    inside[: 6 * 5 + 5] = True
    v = torch.randn(len(H), dtype=F64)
    expected = torch.where(inside, H @ torch.where(inside, v, 0.0), 0.0)
    torch.testing.assert_close(part.matvec(v), expected, rtol=1e-6, atol=1e-12)
    assert part.operator.dimension == 35

    mask = {"layers.0.weight": torch.rand(5, 6) < 0.5}
    masked = curvature_of(module, data, mask=mask, dtype=F64)
    assert masked.operator.dimension == len(H) - 30 + int(mask["layers.0.weight"].sum())


def test_preconditioned_has_the_eigenvalues_of_the_quotient() -> None:
    module, data = network("mlp"), task("mlp")
    H = dense("mlp", "hessian", network("mlp"), data)
    P = torch.rand(len(H), dtype=F64) + 0.1
    operator = PreconditionedOperator(curvature_of(module, data, dtype=F64).operator, P)
    found = operator(torch.eye(len(H), dtype=F64).unsqueeze(0))[0]
    expected = torch.linalg.eigvals(H / P[:, None]).real.sort().values
    torch.testing.assert_close(torch.linalg.eigvalsh(found), expected, rtol=1e-6, atol=1e-10)
    with pytest.raises(InputError, match="must be positive"):
        PreconditionedOperator(operator, torch.zeros(len(H)))


def test_what_cannot_be_measured_is_refused() -> None:
    module, data = network("mlp"), task("mlp")
    with pytest.raises(InputError, match="examples = 38: must be from 1 to the 37"):
        curvature_of(module, data, examples=38)
    with pytest.raises(InputError, match="split = 'validation': must be one of train, test"):
        curvature_of(module, data, split="validation")
    with pytest.raises(InputError, match="'fc' matches none of layers"):
        curvature_of(module, data, parameters=["fc"])
    with pytest.raises(InputError, match="does not fit task 'drawn'"):
        curvature_of(nn.Linear(5, 3), data)
    with pytest.raises(InputError, match="draws random numbers as it trains; call eval"):
        curvature_of(nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.5)), data)
    with pytest.raises(InputError, match="changes its buffers as it trains; call eval"):
        curvature_of(nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3)), data)
    with torch.no_grad():
        next(iter(module.parameters()))[0] = torch.nan
    with pytest.raises(InputError, match="weights are not finite"):
        curvature_of(module, data)


def test_dropout_and_batch_norm_are_measured_in_evaluation_mode() -> None:
    data = task("mlp")
    module = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 3))
    module = module.double().eval()
    found = curvature_of(module, data, dtype=F64)
    H = dense("mlp", "hessian", module, data)
    v = torch.randn(len(H), dtype=F64)
    torch.testing.assert_close(found.matvec(v), H @ v, rtol=1e-6, atol=1e-12)
    assert not module.training


def test_a_loss_that_is_no_function_of_the_weights_is_refused() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.fc(x) + torch.randn(3)
            return found

    with pytest.raises(InputError, match="differs between two passes"):
        curvature_of(Noisy().eval(), task("mlp"))
