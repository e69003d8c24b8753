import pytest
import torch
from torch.nn.utils import clip_grad_norm_

from thalweg.cohort.clipping import clip_rows_


def gradients() -> torch.Tensor:
    G = torch.randn(4, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return G * torch.tensor([[1.0], [1e-3], [1e3], [0.0]])


def clipped(row: torch.Tensor, limit: float) -> torch.Tensor:
    parameters = [torch.nn.Parameter(torch.zeros(20)), torch.nn.Parameter(torch.zeros(5, 6))]
    for parameter, piece in zip(parameters, row.split([20, 30]), strict=True):
        parameter.data = parameter.data.double()
        parameter.grad = piece.view(parameter.shape).clone()
    clip_grad_norm_(parameters, limit)
    return torch.cat([parameter.grad.flatten() for parameter in parameters])


@pytest.mark.parametrize("limit", [0.01, 1.0, 1e4])
def test_equals_clip_grad_norm(limit: float) -> None:
    G = gradients()
    wanted = torch.stack([clipped(row, limit) for row in G])
    clip_rows_(G, limit)
    torch.testing.assert_close(G, wanted, rtol=1e-12, atol=0)
    assert (G.norm(dim=1) <= limit).all()


def test_every_run_may_have_a_bound_of_its_own_or_none() -> None:
    G = gradients()
    limits = [0.5, 1e-4, float("inf"), 2.0]
    wanted = torch.stack([clipped(row, limit) for row, limit in zip(G, limits, strict=True)])
    clip_rows_(G, torch.tensor(limits, dtype=torch.float64).unsqueeze(1))
    torch.testing.assert_close(G, wanted, rtol=1e-12, atol=0)
    assert torch.equal(G[2], gradients()[2])


def test_a_row_that_is_not_finite_touches_no_other() -> None:
    G = gradients()
    G[1, 3] = float("inf")
    clip_rows_(G, 0.5)
    assert torch.isfinite(G[[0, 2, 3]]).all()
    torch.testing.assert_close(G[0], clipped(gradients()[0], 0.5), rtol=1e-12, atol=0)
