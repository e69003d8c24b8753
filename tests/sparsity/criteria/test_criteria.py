"""Every criterion against dense arithmetic in double precision."""

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, mse_loss, unfold

from thalweg.errors import InputError
from thalweg.models import build_model
from thalweg.models.rnn import RowRNN
from thalweg.sparsity import CRITERIA, prunable, score, select


def network(name: str) -> nn.Module:
    options: dict[str, Any] = {"mlp": {"widths": [12]}, "rnn": {"hidden": 9, "layers": 2}}
    return build_model(name, options.get(name, {}), (1, 28, 28), 10, 3, None).double()


def images(count: int = 7) -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(1)
    x = torch.randn(count, 1, 28, 28, generator=stream, dtype=torch.float64)
    return x, torch.randint(0, 10, (count,), generator=stream)


def small() -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    """A network whose Hessian can be written out: a convolution, tanh, and two linear layers."""
    torch.manual_seed(2)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 4)
    )
    return model.double(), (torch.randn(6, 1, 4, 4).double(), torch.tensor([0, 1, 2, 3, 1, 2]))


def test_magnitude() -> None:
    model = network("lenet5")
    found = score(model, ["fc2.weight", "conv1.bias"])
    for name, values in found.items():
        assert np.array_equal(values.numpy(), np.abs(model.get_parameter(name).detach().numpy()))


def test_random_is_uniform_and_depends_on_name_and_seed_alone() -> None:
    model = network("lenet5")
    found = score(model, prunable(model), "random", seed=5)
    ordered = np.sort(found["fc1.weight"].numpy().ravel())
    steps = np.arange(1, len(ordered) + 1) / len(ordered)
    assert np.abs(ordered - steps).max() < 1.63 / np.sqrt(len(ordered))  # Kolmogorov, 1 %
    again = score(model, ["fc1.weight"], "random", seed=5)
    assert torch.equal(again["fc1.weight"], found["fc1.weight"])
    other = score(model, ["fc1.weight"], "random", seed=6)
    assert not torch.equal(other["fc1.weight"], found["fc1.weight"])


@pytest.mark.parametrize("name", ["mlp", "lenet5", "rnn"])
def test_snip_is_the_derivative_by_a_mask(name: str) -> None:
    """The paper's definition: |∂L(c ⊙ w)/∂c| at c = 1."""
    model, (x, y) = network(name), images()
    names = prunable(model)
    weights = {key: model.get_parameter(key).detach() for key in names}
    masks = {key: torch.ones_like(w, requires_grad=True) for key, w in weights.items()}
    masked = {key: masks[key] * w for key, w in weights.items()}
    expected = torch.autograd.grad(
        cross_entropy(functional_call(model, masked, (x,)), y), list(masks.values())
    )
    found = score(model, names, "snip", (x, y))
    for key, values in zip(names, expected, strict=True):
        torch.testing.assert_close(found[key], values.abs(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("criterion", ["snip", "grasp", "activation"])
def test_ragged_batches_are_one_batch(criterion: str) -> None:
    model, (x, y) = small()
    names = prunable(model)
    whole = score(model, names, criterion, (x, y))
    parts = [[x[:4], y[:4]], [x[4:], y[4:]]]
    cut = score(model, names, criterion, iter(parts))
    for name in names:
        torch.testing.assert_close(cut[name], whole[name], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("temperature", [1.0, 200.0])
def test_grasp_is_weight_times_hessian_gradient(temperature: float) -> None:
    model, (x, y) = small()
    names = prunable(model)
    weights = [model.get_parameter(name).detach() for name in names]
    sizes = [w.numel() for w in weights]

    def loss(flat: Tensor) -> Tensor:
        parts = [p.view(w.shape) for p, w in zip(flat.split(sizes), weights, strict=True)]
        outputs = functional_call(model, dict(zip(names, parts, strict=True)), (x,))
        return cross_entropy(outputs / temperature, y)

    flat = torch.cat([w.flatten() for w in weights])
    hessian = torch.autograd.functional.hessian(loss, flat)
    gradient = torch.autograd.functional.jacobian(loss, flat)
    expected = flat * (hessian @ gradient)
    table = {"name": "grasp", "temperature": temperature}
    found = torch.cat([s.flatten() for s in score(model, names, table, (x, y)).values()])
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-18)

    # To first order, shrinking a weight by the fraction ε changes ‖g‖² by −2ε times its score, so
    # the weights kept are those without which the gradient would be smaller.
    q = int(expected.abs().argmax())
    shrunk = flat.clone()
    shrunk[q] *= 1 - 1e-6
    slope = torch.autograd.functional.jacobian(loss, shrunk)
    change = (slope @ slope - gradient @ gradient) / 1e-6
    torch.testing.assert_close(change, -2 * found[q], rtol=1e-4, atol=0)


def test_grasp_of_a_recurrent_network() -> None:
    """Against central differences of the gradient along itself."""
    model, (x, y) = network("rnn"), images()
    names = prunable(model)
    table = {"name": "grasp", "temperature": 1.0}
    found = score(model, names, table, (x, y))

    def gradient(point: nn.Module) -> list[Tensor]:
        loss = cross_entropy(point(x), y)
        return list(torch.autograd.grad(loss, [point.get_parameter(name) for name in names]))

    def moved(step: float) -> list[Tensor]:
        point = copy.deepcopy(model)
        with torch.no_grad():
            for name, g in zip(names, along, strict=True):
                point.get_parameter(name).add_(step * g)
        return gradient(point)

    along = gradient(model)
    for name, up, down in zip(names, moved(1e-4), moved(-1e-4), strict=True):
        expected = model.get_parameter(name).detach() * (up - down) / 2e-4
        torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-7)


def test_grasp_where_there_is_no_curvature() -> None:
    data = (torch.ones(2, 3), torch.zeros(2))
    found = score(nn.Linear(3, 1), ["weight"], "grasp", data, lambda o, _: o.mean())
    assert torch.equal(found["weight"], torch.zeros(1, 3))


def relu_mlp(widths: list[int], bias: bool) -> nn.Sequential:
    torch.manual_seed(4)
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out, bias=bias), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def flow_scores(matrices: list[np.ndarray]) -> list[np.ndarray]:
    """Return |W_l| ⊙ (flow into its inputs and out of its outputs) of a product of matrices."""
    into = [np.ones(matrices[0].shape[1])]
    for matrix in matrices[:-1]:
        into.append(matrix @ into[-1])
    out = [np.ones(matrices[-1].shape[0])]
    for matrix in matrices[:0:-1]:
        out.append(matrix.T @ out[-1])
    return [m * np.outer(o, i) for m, i, o in zip(matrices, into, out[::-1], strict=True)]


def test_synflow_of_a_product_of_matrices() -> None:
    model = relu_mlp([5, 7, 6, 3], bias=False)
    names = prunable(model)
    found = score(model, names, {"name": "synflow", "shape": [5]})
    matrices = [np.abs(model.get_parameter(n).detach().double().numpy()) for n in names]
    for name, expected in zip(names, flow_scores(matrices), strict=True):
        np.testing.assert_allclose(found[name].numpy(), expected, rtol=1e-12)


def test_synflow_is_conserved_from_layer_to_layer() -> None:
    """Theorem 1 of the paper: without biases every layer's scores have the same sum."""
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False),
        nn.ReLU(),
        nn.Conv2d(3, 4, 3, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 5, bias=False),
    )
    data = (torch.zeros(2, 1, 6, 6), torch.zeros(2))
    sums = [s.sum() for s in score(model, prunable(model), "synflow", data).values()]
    torch.testing.assert_close(sums[1:], [sums[0]] * 2, rtol=1e-12, atol=0)


def test_synflow_counts_biases_by_their_magnitude() -> None:
    model = relu_mlp([2, 3, 1], bias=True)
    W1, b1, W2, _ = (p.detach().double().abs().numpy() for p in model.parameters())
    found = score(model, ["2.weight"], {"name": "synflow", "shape": [2]})
    np.testing.assert_allclose(found["2.weight"].numpy(), W2 * (W1 @ np.ones(2) + b1), rtol=1e-12)


def test_synflow_overflows_in_single_precision_only() -> None:
    model = relu_mlp([60] * 40, bias=False)
    names = prunable(model)
    table = {"name": "synflow", "shape": [60]}
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(10)
    assert select(score(model, names, table), 0.1)
    with pytest.raises(InputError, match=r"scores of '0.weight': must be finite numbers"):
        select(score(model, names, {**table, "double": False}), 0.1)


def test_activation_of_linear_layers() -> None:
    model, (x, y) = network("mlp"), images()
    found = score(model, prunable(model), "activation", (x, y))
    first, second = (model.get_parameter(name).detach().numpy() for name in found)
    inputs = x.flatten(1).numpy()
    hidden = np.maximum(inputs @ first.T + model.get_parameter("layers.0.bias").detach().numpy(), 0)
    for w, seen, values in zip((first, second), (inputs, hidden), found.values(), strict=True):
        expected = np.abs(w) * np.linalg.norm(seen, axis=0)
        np.testing.assert_allclose(values.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "options",
    [{}, {"padding": 1, "stride": 2}, {"groups": 2, "dilation": 2}, {"padding_mode": "circular"}],
    ids=str,
)
def test_activation_of_convolutions(options: dict[str, Any]) -> None:
    layer = nn.Conv2d(4, 6, 3, **{"padding": 2, **options}).double()
    x = torch.randn(3, 4, 9, 9, dtype=torch.float64)
    found = score(layer, ["weight"], "activation", (x, torch.zeros(3)))["weight"]
    padding = layer._reversed_padding_repeated_twice
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    patches = unfold(nn.functional.pad(x, padding, mode), 3, layer.dilation, 0, layer.stride)
    norms = patches.square().sum((0, 2)).sqrt().view(layer.groups, 1, 4 // layer.groups, 3, 3)
    weight = layer.weight.detach().abs().view(layer.groups, -1, 4 // layer.groups, 3, 3)
    torch.testing.assert_close(found, (weight * norms).view(found.shape), rtol=1e-12, atol=0)


def test_activation_of_a_recurrent_network() -> None:
    model, (x, y) = network("rnn"), images()
    assert isinstance(model, RowRNN)
    found = score(model, prunable(model), "activation", (x, y))
    assert not model.unrolled
    p = {name: value.detach().numpy() for name, value in model.rnn.named_parameters()}
    rows = x[:, 0].numpy()
    for layer in range(2):
        states = [np.zeros((len(rows), 9))]
        for t in range(28):
            states.append(
                np.tanh(
                    rows[:, t] @ p[f"weight_ih_l{layer}"].T
                    + p[f"bias_ih_l{layer}"]
                    + states[-1] @ p[f"weight_hh_l{layer}"].T
                    + p[f"bias_hh_l{layer}"]
                )
            )
        before = np.stack(states[:-1], 1)
        for kind, seen in (("ih", rows), ("hh", before)):
            key = f"weight_{kind}_l{layer}"
            expected = np.abs(p[key]) * np.sqrt((seen**2).sum((0, 1)))
            np.testing.assert_allclose(found[f"rnn.{key}"].numpy(), expected, rtol=1e-10)
        rows = np.stack(states[1:], 1)


def test_the_loss_by_default_and_given() -> None:
    torch.manual_seed(0)
    model, x, y = nn.Linear(3, 2).double(), torch.randn(5, 3).double(), torch.randn(5, 2).double()
    (expected,) = torch.autograd.grad(mse_loss(model(x), y), model.weight)
    found = score(model, ["weight"], "snip", (x, y))["weight"]
    torch.testing.assert_close(found, (model.weight * expected).abs().detach())
    doubled = score(model, ["weight"], "snip", (x, y), lambda o, t: 2 * mse_loss(o, t))["weight"]
    torch.testing.assert_close(doubled, 2 * found)


@pytest.mark.parametrize("criterion", [each.name for each in CRITERIA])
@pytest.mark.parametrize("training", [True, False])
def test_the_model_stays_as_it_was(criterion: str, training: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(16, 3),
    ).train(training)
    model[1].eval()
    model[0].bias.requires_grad_(False)
    x, y = torch.randn(6, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1, 2])
    cross_entropy(model(x), y).backward()
    state = copy.deepcopy(model.state_dict())
    gradients = {name: (p.grad, p.requires_grad) for name, p in model.named_parameters()}
    values = {name: g.clone() for name, (g, _) in gradients.items() if g is not None}
    modes = [part.training for part in model.modules()]
    drawn = torch.random.get_rng_state()
    with torch.no_grad():
        first = score(model, prunable(model), criterion, (x, y), seed=1)
    second = score(model, prunable(model), criterion, (x, y), seed=1)
    for name, values_ in first.items():
        assert torch.equal(values_, second[name]) and not values_.requires_grad
        assert values_.shape == model.get_parameter(name).shape
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    for name, p in model.named_parameters():
        assert (p.grad, p.requires_grad) == gradients[name] or p.grad is gradients[name][0]
        assert p.requires_grad is gradients[name][1]
        if name in values:
            assert torch.equal(p.grad, values[name])
    assert modes == [part.training for part in model.modules()]
    assert torch.equal(drawn, torch.random.get_rng_state())


def test_what_is_refused() -> None:
    model, (x, y) = network("mlp"), images()
    names = prunable(model)
    for criterion, data, message in [
        ("snipp", None, r"unknown criterion 'snipp'; did you mean 'snip'\?"),
        ({"temperature": 1}, None, r"criterion: needs a name \(allowed: magnitude, random"),
        ({"name": "grasp", "temperature": 0}, (x, y), "criterion.temperature = 0: must be greater"),
        ("snip", None, r"criterion 'snip': needs data, a batch \(inputs, targets\)"),
        ("activation", [], "criterion 'activation': needs data"),
        ("snip", x, r"data: must be a batch \(inputs, targets\) of tensors, or such batches"),
        ("snip", 3, "data: must be a batch"),
        ("synflow", None, "criterion 'synflow': needs the shape of one input"),
    ]:
        with pytest.raises(InputError, match=message):
            score(model, names, criterion, data)
    fused = nn.LSTM(3, 2, batch_first=True)

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = fused

        def forward(self, x: Tensor) -> Tensor:
            return self.rnn(x)[0][:, -1]

    with pytest.raises(InputError, match=r"not those of 'rnn.weight_ih_l0'"):
        score(Last(), ["rnn.weight_ih_l0"], "activation", (torch.ones(1, 2, 3), torch.ones(1, 2)))
