"""Gauss–Newton products against the matrix itself, from the Jacobian of the outputs."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, mse_loss

from thalweg.cohort import AutogradBackend, Batch, Cohort, GradientBackend, NativeBackend, Oracle
from thalweg.cohort.planner import examine
from thalweg.data import Split
from thalweg.models import build_model

NETWORKS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "mlp": ({"widths": [6, 5], "activation": "tanh"}, (1, 3, 4)),
    "lenet5": ({}, (1, 28, 28)),
    "rnn": ({"hidden": 5, "layers": 2}, (1, 4, 3)),
}
LOSSES = {"cross_entropy": cross_entropy, "mse": mse_loss}
OUTPUTS, EXAMPLES = 3, 6


def networks(name: str, rows: int) -> list[nn.Module]:
    options, shape = NETWORKS[name]
    return [build_model(name, options, shape, OUTPUTS, seed, None).double() for seed in range(rows)]


def examples(name: str, loss: str) -> Split:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(EXAMPLES, *NETWORKS[name][1], generator=generator, dtype=torch.float64)
    classes = torch.randint(0, OUTPUTS, (EXAMPLES,), generator=generator)
    values = torch.randn(EXAMPLES, OUTPUTS, generator=generator, dtype=torch.float64)
    return Split(x, classes if loss == "cross_entropy" else values, dtype=torch.float64)


def directions(cohort: Cohort) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(cohort.W.shape, generator=generator, dtype=torch.float64)


def dense_product(module: nn.Module, loss: str, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """Jᵀ·∇²L·J·v, J and the Hessian ∇²L of the mean loss in all outputs written out."""
    named = dict(module.named_parameters())

    def outputs(*values: Tensor) -> Tensor:
        found: Tensor = functional_call(module, dict(zip(named, values, strict=True)), (x,))
        return found

    jacobian = torch.autograd.functional.jacobian(outputs, tuple(named.values()))
    z = module(x).detach()
    J = torch.cat([part.reshape(z.numel(), -1) for part in jacobian], 1)
    H = torch.autograd.functional.hessian(lambda z: LOSSES[loss](z, y), z)
    return J.T @ (H.reshape(z.numel(), z.numel()) @ (J @ v))


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NETWORKS)
def test_products(name: str, loss: Any, rows: int) -> None:
    modules, split = networks(name, rows), examples(name, loss)
    cohort = Cohort(modules, range(rows), dtype=torch.float64)
    V = directions(cohort)
    index = torch.arange(2) if rows == 1 else torch.tensor([[0, 1], [3, 4], [5, 2]])
    backend = AutogradBackend(loss, stacked=rows > 1, label_smoothing=0.1)
    found = backend.gauss_newton(cohort, Batch(split, index, 0), V)
    for k, module in enumerate(modules):
        x, y = split.batch(index if rows == 1 else index[k])
        wanted = dense_product(module, loss, x, y, V[k])
        torch.testing.assert_close(found[k], wanted, rtol=1e-9, atol=1e-13)
    assert (found * V).sum(1).min() > 0


def test_the_compiled_backend_gives_them_too() -> None:
    modules = networks("mlp", 2)
    cohort = Cohort(modules, range(2), dtype=torch.float64)
    chain = examine(modules[0], (1, 3, 4)).chain
    if chain is None:
        pytest.skip("the compiled kernels were not built")
    batch = Batch(examples("mlp", "cross_entropy"), torch.arange(EXAMPLES), 0)
    backends: list[GradientBackend] = [
        NativeBackend("cross_entropy", chain),
        AutogradBackend("cross_entropy", stacked=False),
    ]
    ours, wanted = (each.gauss_newton(cohort, batch, directions(cohort)) for each in backends)
    assert torch.equal(ours, wanted)


def test_the_oracle_masks_freezes_and_counts() -> None:
    modules, split = networks("mlp", 3), examples("mlp", "cross_entropy")
    cohort = Cohort(modules, range(3), dtype=torch.float64)
    mask = torch.rand(cohort.W.shape, generator=torch.Generator().manual_seed(4)) < 0.6
    cohort.set_mask(mask)
    oracle = Oracle(cohort, AutogradBackend("cross_entropy", stacked=False), split, EXAMPLES)
    oracle.draw(torch.arange(EXAMPLES), 0)
    oracle.frozen.add(1)
    V = directions(cohort) * mask
    found = oracle.gauss_newton(V, torch.tensor([True, True, False]))
    assert not found[~mask].any()
    assert not found[1].any()
    assert [asked.products for asked in oracle.asked] == [1, 1, 0]
    for k in (0, 2):
        modules[k].load_state_dict(cohort.state(k))
        x, y = split.batch(slice(None))
        wanted = dense_product(modules[k], "cross_entropy", x, y, V[k]) * mask[k]
        torch.testing.assert_close(found[k], wanted, rtol=1e-9, atol=1e-13)


def test_batch_statistics_stay_as_they_are() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, OUTPUTS)).double()
    cohort = Cohort([module], [0], dtype=torch.float64)
    before = {name: buffer.clone() for name, buffer in cohort.buffers.items()}
    x = torch.randn(EXAMPLES, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    batch = Batch(Split(x, torch.arange(EXAMPLES) % 3, dtype=torch.float64), torch.arange(6), 0)
    backend = AutogradBackend("cross_entropy", stacked=False)
    backend.gauss_newton(cohort, batch, directions(cohort))
    backend.product(cohort, batch, directions(cohort))
    assert all(torch.equal(cohort.buffers[name], value) for name, value in before.items())
