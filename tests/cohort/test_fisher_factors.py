"""Kronecker factors against the definition, one example and one position at a time."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, log_softmax, mse_loss, pad

from thalweg.cohort import AutogradBackend, Batch, Cohort, GradientBackend, NativeBackend, Oracle
from thalweg.cohort.backend import FisherFactors
from thalweg.cohort.fisher_blocks import find_blocks
from thalweg.cohort.planner import examine
from thalweg.data import Split
from thalweg.models.rnn import RowRNN

B, C = 3, 3
Seen = dict[str, list[tuple[Tensor, Tensor]]]
"""By weight, (ā, s) at each position."""
Plain = Callable[[nn.Module, Tensor], tuple[Tensor, Seen]]
"""A network written out for one example: its outputs, and what its weights saw."""


def affine(layer: nn.Linear | nn.Conv2d, a: Tensor) -> tuple[Tensor, Tensor]:
    s = layer.weight.flatten(1) @ a
    if layer.bias is None:
        return a, s
    return torch.cat([a, a.new_ones(1)]), s + layer.bias


class Perceptron(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 4, bias=False), nn.ReLU(inplace=True), nn.Linear(4, C))


def perceptron(net: Any, x: Tensor) -> tuple[Tensor, Seen]:
    first = affine(net[0], x)
    last = affine(net[2], first[1].relu())
    return last[1], {"0.weight": [first], "2.weight": [last]}


CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "strided": {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
    "dilated": {"kernel_size": 2, "dilation": (1, 2), "padding": "same", "bias": False},
    "circular": {"kernel_size": 3, "padding": 1, "padding_mode": "circular"},
}


class Images(nn.Module):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 3, **options)
        self.norm = nn.GroupNorm(1, 3)
        self.last = nn.LazyLinear(C)
        self(torch.zeros(1, 2, 5, 4))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.norm(self.convolution(x).relu_()).flatten(1))
        return out


def images(net: Any, x: Tensor) -> tuple[Tensor, Seen]:
    layer = net.convolution
    if layer.padding == "same":
        x = pad(x, (1, 1, 0, 1))  # 2 columns and 1 row more
    elif layer.padding_mode == "circular":
        x = pad(x[None], (1, 1, 1, 1), mode="circular")[0]
    else:
        x = pad(x, (0, 0, 1, 1))
    height, width = ((n - 1) * d for n, d in zip(layer.kernel_size, layer.dilation, strict=True))
    (down, right), (d, e) = layer.stride, layer.dilation
    seen = []
    rows = range(0, x.shape[1] - height, down)
    columns = range(0, x.shape[2] - width, right)
    for i in rows:
        for j in columns:
            patch = x[:, i : i + height + 1 : d, j : j + width + 1 : e]
            seen.append(affine(layer, patch.flatten()))
    maps = torch.stack([s for _, s in seen], 1).view(1, -1, len(rows), len(columns))
    last = affine(net.last, net.norm(maps.relu()).flatten())
    return last[1], {"convolution.weight": seen, "last.weight": [last]}


class Sequences(nn.Module):
    """PyTorch's fused recurrence as anyone would use it."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(4, 3, 2, nonlinearity="relu", bias=False)
        self.last = nn.Linear(3, C)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.rnn(x.transpose(0, 1))[1][-1])
        return out


def sequences(net: Any, x: Tensor) -> tuple[Tensor, Seen]:
    activate = torch.tanh if net.rnn.nonlinearity == "tanh" else torch.relu
    seen: Seen = {}
    sequence = list(x.flatten(0, -2) if x.ndim == 2 else x.transpose(0, 1).flatten(1))
    for layer in range(2):
        weights = [getattr(net.rnn, f"weight_{kind}_l{layer}") for kind in ("ih", "hh")]
        biases = [getattr(net.rnn, f"bias_{kind}_l{layer}", None) for kind in ("ih", "hh")]
        h, states = x.new_zeros(3), []
        for step in sequence:
            inputs = [step, h]
            s = sum(linear(a, W, b) for a, W, b in zip(inputs, weights, biases, strict=True))
            for kind, a, bias in zip(("ih", "hh"), inputs, biases, strict=True):
                a = a if bias is None else torch.cat([a, a.new_ones(1)])
                seen.setdefault(f"rnn.weight_{kind}_l{layer}", []).append((a, s))
            h = activate(s)
            states.append(h)
        sequence = states
    readout = net.fc if hasattr(net, "fc") else net.last
    last = affine(readout, h)
    name = "fc.weight" if hasattr(net, "fc") else "last.weight"
    return last[1], {**seen, name: [last]}


class Twice(nn.Module):
    """One weight at two places of a network."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(6, 6)
        self.last = nn.Linear(6, C)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.shared(self.shared(x).tanh()).tanh())
        return out


def twice(net: Any, x: Tensor) -> tuple[Tensor, Seen]:
    first = affine(net.shared, x)
    second = affine(net.shared, first[1].tanh())
    last = affine(net.last, second[1].tanh())
    return last[1], {"shared.weight": [first, second], "last.weight": [last]}


CASES: dict[str, tuple[Callable[[], nn.Module], Plain, tuple[int, ...]]] = {
    "perceptron": (Perceptron, perceptron, (6,)),
    **{
        name: (lambda options=options: Images(**options), images, (2, 5, 4))
        for name, options in CONVOLUTIONS.items()
    },
    "nn.RNN": (Sequences, sequences, (4, 4)),
    "rnn": (lambda: RowRNN(4, 3, 2, "tanh", C), sequences, (1, 5, 4)),
    "twice": (Twice, twice, (6,)),
}


def output_gradients(z: Tensor, loss: str, y: Tensor | None) -> list[Tensor]:
    """Gradients in one example's outputs: that at y, or at all targets, weighted."""
    if y is not None:
        z = z.detach().requires_grad_()
        value = cross_entropy(z, y) if loss == "cross_entropy" else mse_loss(z, y)
        return list(torch.autograd.grad(value, z))
    p = log_softmax(z.detach(), 0).exp()
    if loss == "cross_entropy":
        return [p[c] ** 0.5 * (p - torch.eye(C, dtype=z.dtype)[c]) for c in range(C)]
    return [(2 / C) ** 0.5 * torch.eye(C, dtype=z.dtype)[c] for c in range(C)]


def plain_factors(
    net: nn.Module, plain: Plain, x: Tensor, loss: str, y: Tensor | None
) -> dict[str, tuple[Tensor, Tensor]]:
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for n in range(len(x)):
        z, seen = plain(net, x[n])
        assert torch.allclose(z, net(x[n : n + 1])[0], 1e-10, 1e-12)
        for name, positions in seen.items():
            A = sum(torch.outer(a, a) for a, _ in positions) / len(positions) / len(x)
            S = torch.zeros(1)
            for gradient in output_gradients(z, loss, None if y is None else y[n]):
                sums = [s for _, s in positions]
                deltas = torch.autograd.grad(z, sums, gradient, retain_graph=True)
                S = S + sum(torch.outer(delta, delta) for delta in deltas) / len(x)
            before = found.get(name, (torch.zeros(1), torch.zeros(1)))
            found[name] = (before[0] + A.detach(), before[1] + S)
    return found


def networks(name: str, rows: int) -> list[nn.Module]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return [CASES[name][0]().double() for _ in range(rows)]


def examples(shape: tuple[int, ...], loss: str) -> Split:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(B, *shape, generator=generator, dtype=torch.float64)
    y = torch.randn(B, C, generator=generator, dtype=torch.float64)
    return Split(x, y.argmax(1) if loss == "cross_entropy" else y, dtype=torch.float64)


def compare(found: FisherFactors, k: int, wanted: dict[str, tuple[Tensor, Tensor]]) -> None:
    assert found.factors.keys() == wanted.keys()
    for name, pair in wanted.items():
        for ours, plain in zip(found.factors[name], pair, strict=True):
            torch.testing.assert_close(ours[k], plain, rtol=1e-10, atol=1e-13)


@pytest.mark.filterwarnings("ignore:Using padding=.same.")  # an odd padding is wanted
@pytest.mark.parametrize("fisher", ["exact", "empirical"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("name", CASES)
def test_factors(name: str, loss: Any, fisher: Any) -> None:
    _, plain, shape = CASES[name]
    modules, split = networks(name, 2), examples(shape, loss)
    cohort = Cohort(modules, range(2), dtype=torch.float64)
    batch = Batch(split, torch.arange(B), 0)
    found = AutogradBackend(loss, stacked=True).fisher_factors(cohort, batch, fisher)
    assert found.gradients == (C if fisher == "exact" else 1)
    x, y = split.batch(slice(None))
    for k, module in enumerate(modules):
        compare(found, k, plain_factors(module, plain, x, loss, y if fisher != "exact" else None))
    blocks = find_blocks(cohort.module)
    for name, (A, S) in found.factors.items():
        assert A.shape == (2, blocks[name].inputs, blocks[name].inputs)
        assert S.shape == (2, blocks[name].outputs, blocks[name].outputs)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_sampled_factors_have_the_exact_ones_for_their_mean(loss: Any) -> None:
    modules, split = networks("perceptron", 1), examples((6,), loss)
    cohort = Cohort(modules, [7], dtype=torch.float64)
    backend = AutogradBackend(loss, stacked=False)

    def factor(fisher: Any, step: int) -> Tensor:
        batch = Batch(split, torch.arange(B), step)
        return backend.fisher_factors(cohort, batch, fisher).factors["2.weight"][1][0]

    draws = torch.stack([factor("sampled", step) for step in range(300)])
    error = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - factor("exact", 0)).abs() < 4 * error).all()
    assert (error < 0.15 * factor("exact", 0).diagonal().max()).all()
    assert torch.equal(factor("sampled", 3), draws[3])
    assert not torch.equal(draws[3], draws[4])


def test_a_draw_is_of_the_seed_alone() -> None:
    modules, split = networks("perceptron", 1) * 3, examples((6,), "cross_entropy")
    cohort = Cohort(modules, [4, 5, 4], dtype=torch.float64)
    backend = AutogradBackend("cross_entropy", stacked=False)
    batch = Batch(split, torch.arange(B), 0)
    S = backend.fisher_factors(cohort, batch, "sampled").factors["2.weight"][1]
    assert torch.equal(S[0], S[2])
    assert not torch.equal(S[0], S[1])


def test_the_compiled_backend_gives_them_too() -> None:
    modules = networks("rnn", 2)
    chain = examine(modules[0], (1, 5, 4)).chain
    if chain is None:
        pytest.skip("the compiled kernels were not built")
    cohort = Cohort(modules, range(2), dtype=torch.float64)
    batch = Batch(examples((1, 5, 4), "cross_entropy"), torch.arange(B), 0)
    backends: list[GradientBackend] = [
        NativeBackend("cross_entropy", chain),
        AutogradBackend("cross_entropy", stacked=False),
    ]
    ours, wanted = (each.fisher_factors(cohort, batch, "sampled").factors for each in backends)
    for name, pair in wanted.items():
        assert all(torch.equal(a, b) for a, b in zip(ours[name], pair, strict=True))


def test_the_oracle_counts_and_frozen_rows_disturb_no_other() -> None:
    modules, split = networks("perceptron", 3), examples((6,), "cross_entropy")
    cohort = Cohort(modules, range(3), dtype=torch.float64)
    oracle = Oracle(cohort, AutogradBackend("cross_entropy", stacked=False), split, B)
    oracle.draw(torch.arange(B), 0)
    before = oracle.fisher_factors("sampled")
    assert [asked.gradient_evaluations for asked in oracle.asked] == [2] * 3
    assert [asked.examples for asked in oracle.asked] == [2 * B] * 3
    oracle.fisher_factors("exact")
    assert oracle.asked[0].gradient_evaluations == 2 + C
    cohort.W[1] = float("nan")
    oracle.frozen.add(1)
    for name, pair in oracle.fisher_factors("sampled").items():
        for now, then in zip(pair, before[name], strict=True):
            assert torch.equal(now[[0, 2]], then[[0, 2]])
            assert not now[1].any()


class Odd(nn.Module):
    """Layers that are no blocks, or are used otherwise than by their own call."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(2, 2, 1, groups=2)
        self.two_ways = nn.RNN(2, 2, bidirectional=True)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)
        self.unused = nn.Linear(2, 2)
        self.norm = nn.BatchNorm1d(2)
        self.last = nn.Linear(2, C)

    def forward(self, x: Tensor) -> Tensor:
        x = self.grouped(x[:, :, None, None])[:, :, 0, 0]
        x = self.frozen(self.two_ways(x)[0][:, :2])
        out: Tensor = self.last(self.norm(x @ self.unused.weight))
        return out


def test_other_layers_are_left_out_and_buffers_as_they_are() -> None:
    with torch.random.fork_rng(devices=[]):
        cohort = Cohort([Odd()], [0], dtype=torch.float64)
    assert list(find_blocks(cohort.module)) == ["unused.weight", "last.weight"]
    before = {name: buffer.clone() for name, buffer in cohort.buffers.items()}
    batch = Batch(examples((2,), "cross_entropy"), torch.arange(B), 0)
    backend = AutogradBackend("cross_entropy", stacked=False)
    found = backend.fisher_factors(cohort, batch, "sampled")
    assert list(found.factors) == ["last.weight"]
    assert all(torch.equal(cohort.buffers[name], value) for name, value in before.items())


class Scales(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(C))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


def test_a_network_without_blocks_has_no_factors() -> None:
    cohort = Cohort([Scales()], [0], dtype=torch.float64)
    batch = Batch(examples((C,), "mse"), torch.arange(B), 0)
    found = AutogradBackend("mse", stacked=False).fisher_factors(cohort, batch, "sampled")
    assert not found.factors
