"""Active, distinct and dead units, and the rank of the Jacobian, where they are known."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.measure.curvature.written_out import network as small_network
from tests.measure.curvature.written_out import task as small_task
from torch import Tensor, nn
from torch.nn.functional import relu

from thalweg.data import Split, Task
from thalweg.measure.activations import activations
from thalweg.measure.features import feature_figures, jacobian_rank
from thalweg.measure.subject import Subject

F64 = torch.float64
X = torch.randn(50, 3, generator=torch.Generator().manual_seed(5), dtype=F64)


class Chosen(nn.Module):
    """Six units: x₀, x₁, twice x₀, −x₂, one that is never active, one that always is."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(3, 6).double()
        self.out = nn.Linear(6, 2).double()
        weight = [[1, 0, 0], [0, 1, 0], [2, 0, 0], [0, 0, -1], [0, 0, 0], [0, 0, 0]]
        with torch.no_grad():
            self.hidden.weight.copy_(torch.tensor(weight))
            self.hidden.bias.copy_(torch.tensor([0, 0, 0, 0, -1, 1]))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(relu(self.hidden(x)))
        return out


def subject(module: nn.Module, outputs: int = 2) -> Subject:
    targets = torch.randint(outputs, (50,), generator=torch.Generator().manual_seed(6))
    split = Split(X, targets, dtype=F64)
    return Subject.of(
        module, Task("x", "cross_entropy", outputs, (), split, None, split), dtype=F64
    )


def test_dead_units_and_duplicates_are_told_apart() -> None:
    (found,) = feature_figures(subject(Chosen()))
    positive = [(X[:, 0] > 0), (X[:, 1] > 0), (X[:, 0] > 0), (X[:, 2] < 0)]
    shares = [float(each.double().mean()) for each in positive] + [0.0, 1.0]
    assert found["active"] == pytest.approx([np.mean(shares)])
    assert found["feature_sparsity"] == pytest.approx(np.mean(shares))
    distinct = [shares[0], shares[1], shares[3], 1.0]  # the constant unit correlates with none
    assert found["active_distinct"] == pytest.approx([np.mean(distinct)])
    assert found["feature_sparsity_distinct"] == pytest.approx(np.mean(distinct))
    assert found["dead"] == pytest.approx([1 / 6])
    assert found["duplicate"] == pytest.approx([1 / 6])


@pytest.mark.parametrize(
    "call", [relu, torch.relu, nn.ReLU(), Tensor.relu, nn.ReLU(inplace=True), torch.relu_]
)
def test_every_way_to_call_a_relu_is_seen_once(call: Callable[[Tensor], Tensor]) -> None:
    class Module(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return call(x * 1) + 1

    ((name, seen),), outputs = activations(Module(), X, ["relu", "tanh"])
    assert name == "relu"
    assert torch.equal(seen, X.clamp(min=0))
    assert torch.equal(outputs, seen + 1)


def test_a_network_without_relu_has_no_features() -> None:
    (found,) = feature_figures(subject(nn.Linear(3, 2).double()))
    assert np.isnan(found["feature_sparsity"])
    assert found["active"] == []


@pytest.mark.parametrize("kind", ["mlp", "conv", "rnn", "regression"])
def test_the_rank_is_that_of_the_dense_jacobian(kind: str) -> None:
    module, data = small_network(kind), small_task(kind)
    measured = Subject.of(module, data, dtype=F64)
    x, y = data.train.batch(slice(0, 20))
    rows = []
    for i in range(20):
        output = module(x[i : i + 1])[0, 0 if kind == "regression" else int(y[i])]
        rows.append(
            torch.cat([g.flatten() for g in torch.autograd.grad(output, module.parameters())])
        )
    sizes = np.linalg.svd(torch.stack(rows).numpy(), compute_uv=False)
    rank, effective = jacobian_rank(measured, 0, 20)
    assert rank == (sizes / sizes[0] >= 1e-4).sum()
    shares = sizes[sizes > 0] / sizes.sum()
    assert effective == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-5)


def test_the_rank_of_a_line_is_what_it_must_be() -> None:
    """∂(w·x + b)/∂(w, b) of one class is (x, 1): two classes of four weights."""
    rank, effective = jacobian_rank(subject(nn.Linear(3, 2).double()), 0, 50)
    assert rank == 8
    assert 4 < effective < 8
