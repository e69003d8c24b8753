"""LeNet-5 against the same network in plain layers and conventional order, in float64."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import cross_entropy

from thalweg.errors import InputError
from thalweg.models import build_model

SHAPE = (1, 28, 28)


def reference(name: str) -> nn.Sequential:
    if name == "lenet5":
        return nn.Sequential(
            *[nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)],
            *[nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()],
            *[nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)],
        )
    return nn.Sequential(
        *[nn.ZeroPad2d(2), nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)],
        *[nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()],
        *[nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)],
    )


def images(kind: str, generator: torch.Generator) -> Tensor:
    """Images whose pooling windows tie nowhere, everywhere, or nearly everywhere."""
    x = torch.randn(6, *SHAPE, generator=generator, dtype=torch.float64)
    if kind == "uniform":
        return torch.full_like(x, -0.8102)
    if kind == "background":
        background = torch.full_like(x, -0.8102)
        background[..., 8:20, 10:18] = x[..., 8:20, 10:18]
        return background
    return x


def loss_and_gradients(module: nn.Module, x: Tensor, y: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    outputs = module(x)
    wanted = [*module.parameters(), x]
    return [outputs, *torch.autograd.grad(cross_entropy(outputs, y), wanted)]


@pytest.mark.parametrize("kind", ["random", "background", "uniform"])
@pytest.mark.parametrize("name", ["lenet5", "lenet5-tanh"])
def test_equals_plain_layers_in_conventional_order(name: str, kind: str) -> None:
    generator = torch.Generator().manual_seed(3)
    module = build_model(name, {}, SHAPE, 10, seed=1, init=None).double()
    plain = reference(name).double()
    with torch.no_grad():
        for theirs, ours in zip(plain.parameters(), module.parameters(), strict=True):
            theirs.copy_(ours)
    x = images(kind, generator)
    y = torch.randint(0, 10, (len(x),), generator=generator)
    for ours, theirs in zip(
        loss_and_gradients(module, x, y), loss_and_gradients(plain, x, y), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_ties_at_zero_pass_no_gradient_in_either_order() -> None:
    module = build_model("lenet5", {}, SHAPE, 10, seed=1, init=None).double()
    plain = reference("lenet5").double()
    with torch.no_grad():
        module.conv1.bias.zero_()
        for theirs, ours in zip(plain.parameters(), module.parameters(), strict=True):
            theirs.copy_(ours)
    x, y = torch.zeros(2, *SHAPE, dtype=torch.float64), torch.tensor([1, 2])
    for ours, theirs in zip(
        loss_and_gradients(module, x, y), loss_and_gradients(plain, x, y), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "count"), [("lenet5", 44_426), ("lenet5-tanh", 61_706)])
def test_parameter_count_and_names(name: str, count: int) -> None:
    module = build_model(name, {}, SHAPE, 10, seed=1, init=None)
    assert sum(p.numel() for p in module.parameters()) == count
    layers = ("conv1", "conv2", "fc1", "fc2", "fc3")
    assert list(module.state_dict()) == [f"{x}.{y}" for x in layers for y in ("weight", "bias")]


def test_layer_sizes() -> None:
    module = build_model("lenet5", {}, SHAPE, 10, seed=1, init=None)
    assert module.fc1.weight.numel() == 30_720
    assert module.fc2.weight.numel() == 10_080


@pytest.mark.parametrize("name", ["lenet5", "lenet5-tanh"])
def test_stacked_networks_equal_each_alone(name: str) -> None:
    generator = torch.Generator().manual_seed(5)
    modules = [build_model(name, {}, SHAPE, 10, seed, None).double() for seed in range(3)]
    x, y = images("background", generator), torch.arange(6)
    stacked = {
        key: torch.stack([m.state_dict()[key] for m in modules]).requires_grad_()
        for key in modules[0].state_dict()
    }

    def outputs_of(parameters: dict[str, Tensor]) -> Tensor:
        return functional_call(modules[0], parameters, (x,))

    outputs = vmap(outputs_of)(stacked)
    loss = sum(cross_entropy(outputs[k], y) for k in range(3))
    gradients = torch.autograd.grad(loss, list(stacked.values()))
    for k, module in enumerate(modules):
        alone, *expected, _ = loss_and_gradients(module, x, y)
        torch.testing.assert_close(outputs[k], alone, rtol=1e-12, atol=1e-12)
        for found, wanted in zip(gradients, expected, strict=True):
            torch.testing.assert_close(found[k], wanted, rtol=1e-12, atol=1e-12)


def test_convolutions_run_channels_last() -> None:
    module = build_model("lenet5", {}, SHAPE, 10, seed=1, init=None)
    seen = []
    module.conv2.register_forward_hook(lambda _, __, output: seen.append(output))
    module(torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(0)))
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert not seen[0].is_contiguous()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (784,)])
@pytest.mark.parametrize("name", ["lenet5", "lenet5-tanh"])
def test_other_input_shapes_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        build_model(name, {}, shape, 10, seed=1, init=None)
    assert str(caught.value) == f"model {name!r}: takes inputs of shape (1, 28, 28), not {shape}"


def test_there_are_no_options() -> None:
    with pytest.raises(InputError, match=r"^model: unknown key 'width' \(allowed: none\)$"):
        build_model("lenet5", {"width": 3}, SHAPE, 10, seed=1, init=None)
