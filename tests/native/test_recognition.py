"""Which networks are recognised as chains of known layers, and what is said of the others."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as users write it
from torch.nn.utils import parametrizations

from thalweg.cohort import planner
from thalweg.cohort.layout import Layout
from thalweg.cohort.planner import examine
from thalweg.native import Chain, Unsupported, recognize

IMAGE, VECTOR = (2, 8, 8), (6,)
CONVOLUTION = ["convolution", "max_pool", "activation", "linear"]
Forward = Callable[[Any, Tensor], Tensor]


class Net(nn.Module):
    """conv 2→3 3×3 and two linear layers, in the way that the given function says."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.same = nn.Conv2d(2, 2, 3, padding=1)
        self.fc = nn.Linear(27, 4)
        self.wide = nn.Linear(108, 4)
        self.square = nn.Linear(4, 4)
        self._forward = forward

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(self, x)


class Own(nn.Module):
    """A part of the user's own, in which tracing goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.inner(x))


def pooled(self: Any, x: Tensor) -> Tensor:
    return F.max_pool2d(F.relu(self.conv(x)), 2)


def with_size(self: Any, x: Tensor) -> Tensor:
    batch = x.size(0)
    return self.fc(pooled(self, x).view(batch, 27))


def with_shape(self: Any, x: Tensor) -> Tensor:
    x = pooled(self, x)
    return self.fc(x.reshape((x.shape[0], -1)))


def with_size_argument(self: Any, x: Tensor) -> Tensor:
    x = pooled(self, x)
    return self.fc(x.view(x.size(0), -1))


def in_place(self: Any, x: Tensor) -> Tensor:
    x = F.relu(self.conv(x), inplace=True)
    return self.fc(F.max_pool2d(x, kernel_size=2).relu_().flatten(1))


RECOGNISED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], list[str]]] = {
    "sequential": (
        lambda: nn.Sequential(
            *[nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4)]
        ),
        IMAGE,
        CONVOLUTION,
    ),
    "nested, identity, in place": (
        lambda: nn.Sequential(
            nn.Sequential(nn.Identity(), nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True)),
            nn.Sequential(nn.MaxPool2d((2, 2), stride=2), nn.Flatten(), nn.Identity()),
            nn.Linear(27, 4),
        ),
        IMAGE,
        CONVOLUTION,
    ),
    "view with a size": (lambda: Net(with_size_argument), IMAGE, CONVOLUTION),
    "size taken before": (lambda: Net(with_size), IMAGE, CONVOLUTION),
    "reshape with a shape": (lambda: Net(with_shape), IMAGE, CONVOLUTION),
    "reshape to known features": (
        lambda: Net(lambda self, x: self.fc(pooled(self, x).reshape(-1, 27))),
        IMAGE,
        CONVOLUTION,
    ),
    "torch.flatten": (
        lambda: Net(lambda self, x: self.fc(torch.flatten(pooled(self, x), 1))),
        IMAGE,
        CONVOLUTION,
    ),
    "flatten by keyword": (
        lambda: Net(lambda self, x: self.fc(pooled(self, x).flatten(start_dim=1, end_dim=-1))),
        IMAGE,
        CONVOLUTION,
    ),
    "in-place functions": (
        lambda: Net(in_place),
        IMAGE,
        ["convolution", "max_pool", "activation", "activation", "linear"],
    ),
    "pooling by position": (
        lambda: Net(lambda self, x: self.fc(F.max_pool2d(self.conv(x), 2, 2, 0, 1).flatten(1))),
        IMAGE,
        ["convolution", "max_pool", "linear"],
    ),
    "average pooling by keyword": (
        lambda: Net(
            lambda self, x: self.fc(
                F.avg_pool2d(self.conv(x), kernel_size=2, stride=(2, 2), padding=0).flatten(1)
            )
        ),
        IMAGE,
        ["convolution", "average_pool", "linear"],
    ),
    "pooling with zeros and Nones": (
        lambda: Net(
            lambda self, x: self.fc(
                torch.max_pool2d(self.conv(x), 2, stride=2, padding=(0, 0), dilation=1).flatten(1)
            )
        ),
        IMAGE,
        ["convolution", "max_pool", "linear"],
    ),
    "functions and methods": (
        lambda: Net(
            lambda self, x: self.wide(
                F.gelu(torch.sigmoid(self.conv(x).tanh()), approximate="none").flatten(1)
            )
        ),
        IMAGE,
        ["convolution", "activation", "activation", "activation", "linear"],
    ),
    "a map that ends in a flattening": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 5), nn.Flatten()),
        IMAGE,
        ["convolution"],
    ),
    "mlp on vectors": (
        lambda: nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 4)),
        VECTOR,
        ["linear", "activation", "linear"],
    ),
    "a part of the user's own": (
        lambda: nn.Sequential(Own(), nn.Linear(5, 4)),
        VECTOR,
        ["linear", "activation", "linear"],
    ),
    "parameters that are not used": (
        lambda: Net(lambda self, x: self.square(x)),
        (4,),
        ["linear"],
    ),
}


def find(module: nn.Module, shape: tuple[int, ...]) -> Chain:
    return recognize(module, shape, Layout.of(module).slices)


@pytest.mark.parametrize("name", RECOGNISED)
def test_recognised(name: str) -> None:
    make, shape, kinds = RECOGNISED[name]
    assert [layer.kind for layer in find(make(), shape).layers] == kinds


@pytest.mark.parametrize("name", RECOGNISED)
def test_the_planner_agrees(name: str, kernels: None) -> None:
    """Outputs and gradient are autograd's, or it would not be taken."""
    make, shape, _ = RECOGNISED[name]
    traits = examine(make(), shape)
    assert traits.unchained == ""
    assert traits.chain is not None


def linear(**changes: Any) -> nn.Module:
    return nn.Sequential(*changes.values(), nn.Linear(6, 4))


def convolution(**options: Any) -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 4, 3, **options), nn.Flatten(), nn.LazyLinear(4))


def skip(self: Any, x: Tensor) -> Tensor:
    x = x + self.same(x)
    return self.fc(pooled(self, x).flatten(1))


def twice(self: Any, x: Tensor) -> Tensor:
    return self.square(torch.relu(self.square(x)))


def branch(self: Any, x: Tensor) -> Tensor:
    x = self.square(x)
    return -x if x.sum() > 0 else x


def tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
    module[2].weight = module[0].weight
    return module


def frozen() -> nn.Module:
    module = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    module[2].bias.requires_grad_(False)
    return module


def hooked(register: str) -> nn.Module:
    module = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    getattr(module[2], register)(lambda *arguments: None)
    return module


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        return self.fc(x)


class Modes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x)
        return x if self.training else torch.relu(x)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 5, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0]


def functional(function: Callable[[Tensor], Tensor]) -> nn.Module:
    return Net(lambda self, x: self.wide(function(self.conv(x)).flatten(1)))


REFUSED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "batch norm": (lambda: linear(a=nn.BatchNorm1d(6)), VECTOR, "module '0' is no layer"),
    "dropout": (lambda: linear(a=nn.Dropout(0.5)), VECTOR, "module '0' is no layer"),
    "layer norm": (lambda: linear(a=nn.LayerNorm(6)), VECTOR, "module '0' is no layer"),
    "leaky relu": (lambda: linear(a=nn.LeakyReLU()), VECTOR, "module '0' is no layer"),
    "groups": (lambda: convolution(groups=2), IMAGE, "module '0': groups"),
    "dilation": (lambda: convolution(dilation=2), IMAGE, "module '0': groups, dilation"),
    "padding mode": (
        lambda: convolution(padding=1, padding_mode="circular"),
        IMAGE,
        "module '0': groups, dilation or a padding mode",
    ),
    "same padding": (lambda: convolution(padding="same"), IMAGE, "module '0': groups, dilation"),
    "ceil mode": (
        lambda: nn.Sequential(nn.MaxPool2d(3, ceil_mode=True), nn.Flatten(), nn.Linear(18, 4)),
        IMAGE,
        "module '0': padding, dilation or ceil_mode",
    ),
    "average with a padding": (
        lambda: nn.Sequential(nn.AvgPool2d(2, padding=1), nn.Flatten(), nn.Linear(50, 4)),
        IMAGE,
        "module '0': padding",
    ),
    "average with a divisor": (
        lambda: nn.Sequential(nn.AvgPool2d(2, divisor_override=3), nn.Flatten(), nn.Linear(32, 4)),
        IMAGE,
        "module '0': padding, ceil_mode or divisor_override",
    ),
    "padded pooling function": (
        lambda: functional(lambda x: F.max_pool2d(x, 3, 1, 1)),
        IMAGE,
        "operation 'max_pool2d': padding",
    ),
    "padded pooling by keyword": (
        lambda: functional(lambda x: F.max_pool2d(x, 3, stride=1, padding=1)),
        IMAGE,
        "operation 'max_pool2d': padding",
    ),
    "dilated pooling function": (
        lambda: functional(lambda x: F.max_pool2d(x, 2, 1, dilation=2)),
        IMAGE,
        "operation 'max_pool2d': padding, dilation",
    ),
    "average function with a divisor": (
        lambda: functional(lambda x: F.avg_pool2d(x, 1, divisor_override=2)),
        IMAGE,
        "operation 'avg_pool2d': padding, dilation, ceil_mode or a divisor",
    ),
    "adaptive pooling": (
        lambda: functional(lambda x: F.adaptive_max_pool2d(x, 6)),
        IMAGE,
        "'adaptive_max_pool2d' is no layer",
    ),
    "skip connection": (lambda: Net(skip), IMAGE, "operation 'add'"),
    "scaled outputs": (lambda: Net(lambda self, x: 2 * self.square(x)), (4,), "operation 'mul'"),
    "two branches": (
        lambda: Net(lambda self, x: torch.cat([self.square(x), self.square(x)])),
        (4,),
        "module 'square' is not one layer after the other",
    ),
    "not the last layer's output": (
        lambda: Net(lambda self, x: (torch.relu(self.square(x)), x)[1]),
        (4,),
        "something else than the last layer's output",
    ),
    "two inputs": (TwoInputs, VECTOR, "more than one input"),
    "shared layer": (lambda: Net(twice), (4,), "module 'square' has weights that are used twice"),
    "tied weights": (tied, VECTOR, "module '2' has weights that are used twice"),
    "frozen": (frozen, VECTOR, "parameter '2.bias' is frozen"),
    "forward hook": (lambda: hooked("register_forward_hook"), VECTOR, "module '2' has hooks"),
    "pre-hook": (lambda: hooked("register_forward_pre_hook"), VECTOR, "module '2' has hooks"),
    "backward hook": (
        lambda: hooked("register_full_backward_hook"),
        VECTOR,
        "module '2' has hooks",
    ),
    "weight norm": (
        lambda: nn.Sequential(nn.Tanh(), parametrizations.weight_norm(nn.Linear(6, 4))),
        VECTOR,
        "'1",
    ),
    "spectral norm": (
        lambda: nn.Sequential(nn.Tanh(), parametrizations.spectral_norm(nn.Linear(6, 4))),
        VECTOR,
        "'1",
    ),
    "control flow on data": (lambda: Net(branch), (4,), "it cannot be traced"),
    "other in evaluation": (Modes, VECTOR, "something else in evaluation than in training"),
    "not a vector": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3)), IMAGE, "its output is no vector"),
    "a map of one pixel": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 8)),
        IMAGE,
        "its output is no vector",
    ),
    "nothing": (lambda: Net(lambda self, x: x), (4,), "its output is no vector"),
    "linear on maps": (lambda: nn.Sequential(nn.Linear(8, 4)), IMAGE, "module '0' does not fit"),
    "batch dimension flattened": (
        lambda: Net(lambda self, x: self.wide(self.conv(x).flatten(end_dim=1))),
        IMAGE,
        "operation 'flatten' is no layer",
    ),
    "size of a channel": (
        lambda: Net(lambda self, x: self.wide(self.conv(x).view(x.size(dim=1), -1))),
        IMAGE,
        "operation 'size'",
    ),
    "sequences": (lambda: nn.Sequential(nn.Linear(6, 4)), (5, 6), "neither vectors nor images"),
    "GELU by tanh": (lambda: linear(a=nn.GELU("tanh")), VECTOR, "module '0': approximate GELU"),
    "GELU function by tanh": (
        lambda: functional(lambda x: F.gelu(x, approximate="tanh")),
        IMAGE,
        "operation 'gelu' is no layer",
    ),
    "LSTM": (Recurrent, (8, 8), "neither vectors nor images"),
    "LSTM on vectors": (
        lambda: nn.Sequential(nn.Linear(6, 8), nn.LSTM(8, 4)),
        VECTOR,
        "module '1' is no layer",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, shape, reason = REFUSED[name]
    module = make()
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in module.parameters()):
        module(torch.zeros(2, *shape))
    with pytest.raises(Unsupported) as refusal:
        find(module, shape)
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weight_norm_by_hooks() -> None:
    module = nn.Sequential(nn.utils.weight_norm(nn.Linear(6, 4)))
    with pytest.raises(Unsupported, match="module '0' has hooks"):
        find(module, VECTOR)


class Counting(nn.Module):
    """Counts its calls in an attribute and a buffer, and draws a random number."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 4)
        self.register_buffer("calls", torch.zeros(()))
        self.count = 0

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        self.calls += 1
        torch.rand(1)
        return self.layer(x)


@pytest.mark.parametrize("make", [Counting, lambda: nn.Sequential(nn.Linear(6, 4), nn.ReLU(True))])
@pytest.mark.parametrize("training", [True, False])
def test_recognition_changes_nothing(make: Any, training: bool) -> None:
    module = make().train(training)
    twin, generator = copy.deepcopy(module), torch.get_rng_state()
    try:
        find(module, VECTOR)
    except Unsupported:
        assert make is Counting
    assert torch.equal(torch.get_rng_state(), generator)
    assert getattr(module, "count", 0) == 0
    assert all(part.training == training for part in module.modules())
    assert module.state_dict().keys() == twin.state_dict().keys()
    for name, value in twin.state_dict().items():
        assert torch.equal(module.state_dict()[name], value)
    for ours, theirs in zip(module.modules(), twin.modules(), strict=True):
        assert ours.__dict__.keys() == theirs.__dict__.keys()
    assert all(p.grad is None and p.requires_grad for p in module.parameters())


def wrong(change: Callable[[Any], Any]) -> Callable[..., Chain]:
    """Return a recognition that gets one layer wrong."""

    def recognise(*arguments: Any) -> Chain:
        chain = recognize(*arguments)
        return replace(chain, layers=tuple(change(list(chain.layers))))

    return recognise


def with_layer(number: int, **fields: Any) -> Callable[[list[Any]], list[Any]]:
    def change(layers: list[Any]) -> list[Any]:
        layers[number] = replace(layers[number], **fields)
        return layers

    return change


MISTAKES = {
    "another activation": with_layer(2, activation="gelu"),
    "no bias": with_layer(0, bias=-1),
    "another bias": with_layer(0, bias=0),
    "weights elsewhere": with_layer(3, weight=1),
    "another pooling": with_layer(1, kind="average_pool"),
    "another window": with_layer(1, kernel=(1, 2)),
    "a layer too few": lambda layers: [*layers[:2], *layers[3:]],
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistaken_chain_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch, kernels: None
) -> None:
    make, shape, _ = RECOGNISED["sequential"]
    module = make()
    assert examine(module, shape).chain is not None
    monkeypatch.setattr(planner, "recognize", wrong(MISTAKES[name]))
    traits = examine(module, shape)
    assert traits.chain is None
    assert traits.unchained != ""
