"""Hessian products: both backends against dense Hessians in double precision."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import hessian
from torch.func import functional_call

from thalweg.cohort import AutogradBackend, Cohort
from thalweg.cohort.backend import Batch
from thalweg.cohort.compiled import NativeBackend
from thalweg.cohort.layout import Layout
from thalweg.cohort.losses import example_losses
from thalweg.data import Split
from thalweg.models.rnn import RowRNN
from thalweg.native import recognize

NETWORKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)), (5,)),
    "conv": (
        lambda: nn.Sequential(
            *[nn.Conv2d(1, 2, 3, padding=1), nn.GELU(), nn.MaxPool2d(2), nn.Conv2d(2, 2, 2)],
            *[nn.Sigmoid(), nn.Flatten(), nn.Linear(8, 3)],
        ),
        (1, 6, 6),
    ),
    "rnn": (lambda: RowRNN(3, 4, 2, "tanh", 3), (1, 4, 3)),
}


def cohort_of(name: str, rows: int) -> Cohort:
    make, _ = NETWORKS[name]
    modules = [make() for _ in range(rows)]
    return Cohort(modules, range(rows), torch.device("cpu"), torch.float64)


def split_of(shape: tuple[int, ...], loss: str) -> Split:
    x = torch.randn(23, *shape, dtype=torch.float64)
    y = torch.arange(23) % 3 if loss == "cross_entropy" else torch.randn(23, 3).double()
    return Split(x, y, dtype=torch.float64)


def dense(cohort: Cohort, row: int, split: Split, index: Tensor, loss: Any) -> Tensor:
    """Return one run's Hessian ``(D, D)``."""
    x, y = split.batch(index)

    def mean_loss(w: Tensor) -> Tensor:
        outputs = functional_call(cohort.module, cohort.layout.views(w), (x,))
        return example_losses(loss, outputs, y).mean()

    found: Tensor = hessian(mean_loss, cohort.W[row])
    return found


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "per row"])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_against_dense_hessians(
    name: str, rows: int, shared: bool, loss: Any, kernels: None, close: Any
) -> None:
    shape = NETWORKS[name][1]
    cohort, split = cohort_of(name, rows), split_of(shape, loss)
    index = torch.randint(0, 23, (17,) if shared else (rows, 17))
    V = torch.randn_like(cohort.W)
    batch = Batch(split, index, 0)
    chain = recognize(cohort.module, shape, Layout.of(cohort.module).slices)
    weights = cohort.W.clone()
    native = NativeBackend(loss, chain).product(cohort, batch, V)
    autograd = AutogradBackend(loss, stacked=False).product(cohort, batch, V)
    assert torch.equal(cohort.W, weights)
    for k in range(rows):
        expected = dense(cohort, k, split, index if shared else index[k], loss) @ V[k]
        assert close(native[k], expected, 1e-12)
        assert close(autograd[k], expected, 1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_masks_do_not_matter(name: str, kernels: None) -> None:
    """A product is of the loss as a function of all weights, whichever may move."""
    shape = NETWORKS[name][1]
    cohort, split = cohort_of(name, 2), split_of(shape, "cross_entropy")
    cohort.set_mask(torch.rand(cohort.W.shape) < 0.5)
    chain = recognize(cohort.module, shape, Layout.of(cohort.module).slices)
    backends = [NativeBackend("cross_entropy", chain), AutogradBackend("cross_entropy", False)]
    batch, V = Batch(split, torch.arange(20), 0), torch.randn_like(cohort.W)
    masked = [backend.product(cohort, batch, V) for backend in backends]
    cohort.mask = None
    for backend, before in zip(backends, masked, strict=True):
        assert torch.equal(backend.product(cohort, batch, V), before)
        assert before.count_nonzero() > 0.6 * before.numel()


def test_products_are_linear_and_symmetric(kernels: None) -> None:
    shape = NETWORKS["conv"][1]
    cohort, split = cohort_of("conv", 1), split_of(shape, "mse")
    chain = recognize(cohort.module, shape, Layout.of(cohort.module).slices)
    backend, batch = NativeBackend("mse", chain), Batch(split, torch.arange(23), 0)
    u, v = torch.randn_like(cohort.W), torch.randn_like(cohort.W)
    Hu, Hv = (backend.product(cohort, batch, direction) for direction in (u, v))
    assert torch.allclose((v * Hu).sum(), (u * Hv).sum(), 1e-11)
    both = backend.product(cohort, batch, 2 * u - 3 * v)
    assert torch.allclose(both, 2 * Hu - 3 * Hv, 1e-10, 1e-12)
    assert not backend.product(cohort, batch, torch.zeros_like(u)).any()
