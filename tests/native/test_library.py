"""Bad input is refused before memory is touched; strange numbers and many threads do no harm."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from thalweg.native import Chain, Kernel, SampleTensors, recognize, variants
from thalweg.native.layers import Layer, activation

HUGE = 2**40
CONV, ACT, POOL, FC = range(4)
GOOD = (
    Layer("convolution", (2, 6, 6), (3, 4, 4), (3, 3), (1, 1), (0, 0), weight=0, bias=54),
    activation("tanh", (3, 4, 4)),
    Layer("max_pool", (3, 4, 4), (3, 2, 2), (2, 2), (2, 2)),
    Layer("linear", (12, 1, 1), (5, 1, 1), weight=57, bias=117),
)
PARAMETERS = 122
RECURRENT = Layer("recurrent", (1, 6, 4), (3, 1, 1), activation="tanh", hidden=3, depth=2, weight=0)
RECURRENT_PARAMETERS = 3 * (4 + 3 + 2) + 3 * (3 + 3 + 2)


@dataclass(frozen=True)
class Raw(Layer):
    """A layer with numbers that the enumerations do not have."""

    kind_number: int = 0
    activation_number: int = 0

    def encoded(self) -> list[int]:
        numbers = super().encoded()
        numbers[0], numbers[13] = self.kind_number, self.activation_number
        return numbers


def chain(layer: int, **changes: Any) -> Chain:
    layers = list(GOOD)
    layers[layer] = replace(layers[layer], **changes)
    return Chain(tuple(layers), PARAMETERS)


def recurrent(**changes: Any) -> Chain:
    parameters = changes.pop("parameters", RECURRENT_PARAMETERS)
    return Chain((replace(RECURRENT, **changes),), parameters)


def raw(kind: int, activation_number: int) -> Chain:
    shape = (2, 2, 2)
    layer = Raw("activation", shape, shape, kind_number=kind, activation_number=activation_number)
    return Chain((layer,), 0)


REFUSED: dict[str, tuple[Chain, str]] = {
    "no layers": (Chain((), 0), "no layers"),
    "output of a convolution": (chain(CONV, output=(3, 5, 4)), "layer 0: a window"),
    "input of a convolution": (chain(CONV, input=(2, 7, 6)), "layer 0: a window"),
    "kernel beyond its input": (chain(CONV, kernel=(7, 3)), "layer 0: a window"),
    "negative kernel": (chain(CONV, kernel=(-3, 3)), "layer 0: a kernel"),
    "kernel of zero": (chain(POOL, kernel=(0, 2)), "layer 2: a kernel"),
    "huge kernel": (chain(CONV, kernel=(HUGE, 3)), "layer 0: a kernel"),
    "stride of zero": (chain(CONV, stride=(0, 1)), "layer 0: a kernel, stride"),
    "negative stride": (chain(POOL, stride=(2, -2)), "layer 2: a kernel, stride"),
    "huge stride": (chain(CONV, stride=(1, 2**62)), "layer 0: a kernel, stride"),
    "negative padding": (chain(CONV, padding=(-1, 0)), "layer 0: a kernel, stride or padding"),
    "huge padding": (chain(CONV, padding=(HUGE, 0)), "layer 0: a kernel, stride or padding"),
    "padding that fits but is large": (
        chain(CONV, padding=(2**25, 2**25), output=(3, 2**26 + 4, 2**26 + 4)),
        "layer 0: a dimension",
    ),
    "padded pooling": (
        chain(POOL, padding=(1, 1), output=(3, 3, 3)),
        "layer 2: pooling has no padding",
    ),
    "pooling of channels": (chain(POOL, output=(2, 2, 2)), "layer 2: pooling keeps"),
    "huge channels": (chain(CONV, input=(HUGE, 6, 6)), "layer 0: a dimension"),
    "huge map": (chain(ACT, output=(2**20, 2**20, 1)), "layer 1: a layer has more than"),
    "no channels": (chain(CONV, output=(0, 4, 4)), "layer 0: a dimension"),
    "negative rows": (chain(CONV, input=(2, -6, 6)), "layer 0: a dimension"),
    "huge linear": (chain(FC, output=(HUGE, 1, 1)), "layer 3: a dimension"),
    "linear too large for its row": (chain(FC, output=(2**26, 1, 1)), "layer 3: a parameter"),
    "linear with a map for output": (chain(FC, output=(5, 1, 2)), "layer 3: a linear layer"),
    "linear that does not fit": (chain(FC, input=(11, 1, 1)), "layer 3: its input"),
    "pooling that does not fit": (
        chain(POOL, input=(3, 4, 5)),
        "layer 2: its input",
    ),
    "activation that reshapes": (chain(ACT, output=(3, 4, 5)), "layer 1: an activation keeps"),
    "weights outside the row": (chain(FC, weight=63), "layer 3: a parameter lies outside"),
    "weights before the row": (chain(FC, weight=-1), "layer 3: a parameter lies outside"),
    "weights far outside": (chain(FC, weight=2**62), "layer 3: a parameter lies outside"),
    "bias outside the row": (chain(FC, bias=118), "layer 3: a parameter lies outside"),
    "bias far outside": (chain(CONV, bias=2**62), "layer 0: a parameter lies outside"),
    "filters outside the row": (chain(CONV, weight=70), "layer 0: a parameter lies outside"),
    "unknown kind": (raw(6, 0), "layer 0: a layer is of an unknown kind"),
    "negative kind": (raw(-1, 0), "layer 0: a layer is of an unknown kind"),
    "unknown activation": (raw(4, 4), "layer 0: an activation is unknown"),
    "negative activation": (raw(4, -1), "layer 0: an activation is unknown"),
    "no units": (recurrent(hidden=0), "layer 0: a recurrent layer is out of range"),
    "huge units": (recurrent(hidden=HUGE), "layer 0: a recurrent layer is out of range"),
    "no recurrent layers": (recurrent(depth=0), "layer 0: a recurrent layer is out of range"),
    "huge depth": (recurrent(depth=HUGE), "layer 0: a recurrent layer is out of range"),
    "recurrent output": (recurrent(output=(4, 1, 1)), "layer 0: a recurrent layer gives"),
    "recurrent row": (
        recurrent(parameters=RECURRENT_PARAMETERS - 1),
        "layer 0: a parameter lies outside",
    ),
    "negative row": (replace(chain(ACT), parameters=-1), "number of parameters"),
    "huge row": (replace(chain(ACT), parameters=2**41), "number of parameters"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_networks(name: str, kernels: None) -> None:
    wrong, reason = REFUSED[name]
    with pytest.raises(ValueError, match=reason):
        Kernel(wrong, "mse")


@pytest.mark.parametrize(
    "layer", [replace(GOOD[ACT], kind="softmax"), activation("swish", (1, 1, 1))]
)
def test_unknown_names(layer: Layer, kernels: None) -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        Kernel(Chain((layer,), 0), "mse")


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, math.nan, math.inf])
def test_refused_smoothing(smoothing: float, kernels: None) -> None:
    with pytest.raises(ValueError, match="label smoothing"):
        Kernel(chain(ACT), "cross_entropy", smoothing)


def test_refused_losses_and_variants(kernels: None) -> None:
    with pytest.raises(ValueError, match="'hinge'"):
        Kernel(chain(ACT), "hinge")
    missing = [name for name in ("avx2", "avx512") if name not in variants()]
    for name in ["sse9", "portable ", *missing]:
        with pytest.raises(ValueError, match="cannot run the kernels asked for"):
            Kernel(chain(ACT), "mse", variant=name)
    for name in variants():
        assert Kernel(chain(ACT), "mse", variant=name).variant == name
    assert Kernel(chain(ACT), "mse").variant == variants()[0]


Arguments = dict[str, Any]


def arguments(dtype: torch.dtype = torch.float64) -> Arguments:
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(2, PARAMETERS, generator=generator, dtype=dtype)
    return {
        "W": W,
        "V": torch.ones_like(W),
        "inputs": torch.randn(9, 2, 6, 6, generator=generator, dtype=dtype),
        "targets": torch.arange(9) % 5,
        "index": torch.arange(7),
        "out": torch.zeros_like(W),
        "weights": torch.ones(7, dtype=dtype),
    }


def call(given: Arguments, loss: str = "cross_entropy", variant: str = "") -> Tensor:
    """Call whatever takes one of the arguments."""
    kernel = Kernel(Chain(GOOD, PARAMETERS), loss, variant=variant)
    samples = SampleTensors(given["inputs"], given["targets"])
    W, index = given["W"], given["index"]
    kernel.outputs(W, samples, index)
    kernel.product(W, given["V"], samples, index, given["out"])
    return kernel.gradient(W, samples, index, given["out"], given["weights"])


def changed(name: str, value: Callable[[Any], Any]) -> Callable[[Arguments], Arguments]:
    return lambda given: {**given, name: value(given[name])}


def element(name: str, at: int, value: int) -> Callable[[Arguments], Arguments]:
    def change(tensor: Tensor) -> Tensor:
        tensor = tensor.clone()
        tensor[at] = value
        return tensor

    return changed(name, change)


WRONG_CALLS: dict[str, tuple[Callable[[Arguments], Arguments], str]] = {
    "index too large": (element("index", 3, 9), "sample's number"),
    "index negative": (element("index", 6, -1), "sample's number"),
    "index huge": (element("index", 0, 2**62), "sample's number"),
    "index of a second row": (
        changed("index", lambda i: torch.stack([i, i + 5])),
        "sample's number",
    ),
    "class too large": (element("targets", 2, 5), "class is out of range"),
    "class negative": (element("targets", 0, -100), "class is out of range"),
    "class huge": (element("targets", 0, HUGE), "class is out of range"),
    "empty batch": (changed("index", lambda i: i[:0]), "at least one sample"),
    "index for other rows": (changed("index", lambda i: i.expand(3, -1)), "index must be"),
    "index of three dimensions": (changed("index", lambda i: i.expand(2, 2, -1)), "index must be"),
    "index a number": (changed("index", lambda i: i[0]), "index must be"),
    "W too wide": (changed("W", lambda W: torch.cat([W, W], 1)), "W must be"),
    "W too narrow": (changed("W", lambda W: W[:, 1:]), "W must be"),
    "W not contiguous": (changed("W", lambda W: W.T.contiguous().T), "contiguous rows"),
    "W a row": (changed("W", lambda W: W[0]), "W must be"),
    "W half": (changed("W", lambda W: W.half()), "float32 or float64"),
    "W on another device": (changed("W", lambda W: W.to("meta")), "on the CPU"),
    "direction of another type": (changed("V", lambda V: V.float()), "a direction must"),
    "direction too narrow": (changed("V", lambda V: V[:, 1:]), "a direction must"),
    "direction of other strides": (changed("V", lambda V: V.T.contiguous().T), "a direction must"),
    "result of another type": (changed("out", lambda out: out.float()), "the result must be"),
    "result too small": (changed("out", lambda out: out[:1]), "the result must be"),
    "result overlapping itself": (
        changed("out", lambda out: out[:1].expand(2, -1)),
        "the result must be",
    ),
    "weights too short": (changed("weights", lambda w: w[1:]), "weights must be"),
    "weights of another type": (changed("weights", lambda w: w.float()), "weights must be"),
    "weights with gaps": (
        changed("weights", lambda w: torch.ones(14, dtype=w.dtype)[::2]),
        "weights must be",
    ),
    "inputs of another size": (changed("inputs", lambda x: x[..., 1:]), "an input must hold 72"),
    "fewer targets than inputs": (changed("targets", lambda y: y[1:]), "9 inputs but 8 targets"),
    "real targets for classes": (changed("targets", lambda y: y.double()), "int64 classes"),
    "small integers for classes": (changed("targets", lambda y: y.int()), "int64 classes"),
}


@pytest.mark.parametrize("name", WRONG_CALLS)
def test_refused_calls(name: str, kernels: None) -> None:
    call(arguments())
    change, reason = WRONG_CALLS[name]
    with pytest.raises(ValueError, match=reason):
        call(change(arguments()))


@pytest.mark.parametrize("targets", [torch.arange(9), torch.zeros(9, 4), torch.zeros(9)])
def test_refused_real_targets(targets: Tensor, kernels: None) -> None:
    with pytest.raises(ValueError, match="a target must hold 5 real values"):
        call({**arguments(), "targets": targets}, "mse")


def test_samples_serve_both_precisions(kernels: None) -> None:
    """Use in single precision leaves nothing behind that double precision would read."""
    given = arguments()
    targets = torch.randn(9, 5, dtype=torch.float64)
    kernel, samples = Kernel(chain(ACT), "mse"), SampleTensors(given["inputs"], targets)
    first = kernel.gradient(given["W"], samples, given["index"], given["out"])
    single = kernel.gradient(given["W"].float(), samples, given["index"], given["out"].float())
    assert torch.allclose(single, first, 1e-5)
    assert torch.equal(kernel.gradient(given["W"], samples, given["index"], given["out"]), first)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "relu": (
        lambda: nn.Sequential(
            *[nn.Conv2d(1, 3, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 5)]
        ),
        (1, 6, 6),
    ),
    "tanh": (
        lambda: nn.Sequential(
            *[nn.Conv2d(1, 3, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 5)]
        ),
        (1, 6, 6),
    ),
    "sigmoid": (lambda: nn.Sequential(nn.Linear(6, 7), nn.Sigmoid(), nn.Linear(7, 5)), (6,)),
    "gelu": (lambda: nn.Sequential(nn.Linear(6, 7), nn.GELU(), nn.Linear(7, 5)), (6,)),
}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["weights", "inputs"])
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_not_finite_shows(
    name: str,
    where: str,
    value: float,
    dtype: torch.dtype,
    variant: str,
    problem: Any,
    noise: Any,
    classes: Any,
) -> None:
    """In the loss or the gradient of that row, and in no other row."""
    make, shape = NETWORKS[name]
    module, x = make(), noise(20, *shape)
    case = problem(module, x, classes(20, 5))
    W, kernel, clean = case.matrix(dtype), case.kernel(variant), case.found(dtype, variant)
    index = torch.stack([torch.arange(10), torch.arange(10, 20)])
    if where == "weights":
        W[1, :] = value
    else:
        x[13] = value
    G, HV = torch.empty_like(W), torch.empty_like(W)
    samples = case.samples
    losses = kernel.gradient(W, samples, index, G)
    kernel.product(W, case.directions(dtype), samples, index, HV)
    assert not (losses[1].isfinite() and G[1].isfinite().all())
    assert losses[0].isfinite() and G[0].isfinite().all() and HV[0].isfinite().all()
    assert kernel.outputs(W, samples, index)[0].isfinite().all()
    # Nothing stays behind in the working memory.
    x[13] = noise(20, *shape)[13]
    again = case.found(dtype, variant)
    assert torch.equal(again.gradient, clean.gradient)
    assert torch.equal(again.product, clean.product)


def test_many_python_threads(variant: str, classes: Any) -> None:
    """One network and one set of samples, used by several threads in either precision at once."""
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(144, 5))
    parameters = sum(p.numel() for p in module.parameters())
    slices, start = {}, 0
    for name, parameter in module.named_parameters():
        slices[name] = slice(start, start + parameter.numel())
        start += parameter.numel()
    kernel = Kernel(recognize(module, (1, 8, 8), slices), "cross_entropy", variant=variant)
    images = torch.randn(200, 1, 8, 8, dtype=torch.float64)
    samples = SampleTensors(images, classes(200, 5))
    torch.set_num_threads(2)  # of each call; put back by a fixture

    def work(seed: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        dtype = torch.float64 if seed % 2 else torch.float32
        W = torch.randn(3, parameters, generator=generator, dtype=dtype)
        G, HV = torch.empty_like(W), torch.empty_like(W)
        index = torch.randperm(200, generator=generator)
        losses = kernel.gradient(W, samples, index, G)
        kernel.product(W, W, samples, index[:20], HV)
        return [losses, G, HV, kernel.outputs(W, samples, index[:50])]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(work, [seed % 16 for seed in range(64)]))
    alone = [work(seed) for seed in range(16)]
    for number, found in enumerate(together):
        for ours, theirs in zip(found, alone[number % 16], strict=True):
            assert torch.equal(ours, theirs)


def test_many_networks(kernels: None) -> None:
    """Working memory kept for one network is not used for another."""
    for widths in [(4, 3), (40, 30), (2, 2), (4, 3)]:
        inputs, outputs = widths
        layer = Layer("linear", (inputs, 1, 1), (outputs, 1, 1), weight=0)
        kernel = Kernel(Chain((layer,), inputs * outputs), "mse")
        W = torch.ones(1, inputs * outputs, dtype=torch.float64)
        samples = SampleTensors(torch.ones(3, inputs).double(), torch.zeros(3, outputs).double())
        found = kernel.gradient(W, samples, torch.arange(3), torch.empty_like(W))
        assert found.item() == inputs**2
