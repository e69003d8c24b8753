"""The two computations of the recurrent network against each other and against `nn.RNN`."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import cross_entropy

from thalweg.errors import InputError
from thalweg.models import build_model

TIGHT = {"rtol": 1e-12, "atol": 1e-12}


def build(seed: int, nonlinearity: str = "tanh", unrolled: bool = False) -> nn.Module:
    options = {"hidden": 9, "layers": 3, "nonlinearity": nonlinearity}
    module = build_model("rnn", options, (1, 8, 6), 4, seed, None).double()
    # Zero biases would hide a bias that is forgotten.
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, std=0.1, generator=generator)
    module.unrolled = unrolled
    return module


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(11)
    x = torch.randn(5, 1, 8, 6, generator=generator, dtype=torch.float64)
    return x, torch.randint(0, 4, (5,), generator=generator)


def gradients(module: nn.Module) -> list[Tensor]:
    x, y = batch()
    return list(torch.autograd.grad(cross_entropy(module(x), y), list(module.parameters())))


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("unrolled", [False, True])
def test_equals_nn_rnn(nonlinearity: str, unrolled: bool) -> None:
    module = build(1, nonlinearity, unrolled)
    x, y = batch()
    states, _ = module.rnn(x.squeeze(1))
    outputs = module.fc(states[:, -1])
    torch.testing.assert_close(module(x), outputs, **TIGHT)
    wanted = torch.autograd.grad(cross_entropy(outputs, y), list(module.parameters()))
    torch.testing.assert_close(gradients(module), list(wanted), **TIGHT)


@pytest.mark.parametrize("unrolled", [False, True])
def test_functional_call_replaces_the_weights(unrolled: bool) -> None:
    module, other = build(1, unrolled=unrolled), build(2, unrolled=unrolled)
    x, _ = batch()
    found = functional_call(module, dict(other.named_parameters()), (x,))
    torch.testing.assert_close(found, other(x), rtol=0, atol=0)
    assert not torch.equal(found, module(x))


def test_weights_that_are_views_into_a_row_are_used() -> None:
    module, other = build(1), build(2)
    x, _ = batch()
    row = torch.cat([p.detach().reshape(-1) for p in module.parameters()])
    start = 0
    for parameter in module.parameters():
        parameter.data = row[start : start + parameter.numel()].view(parameter.shape)
        start += parameter.numel()
    row.copy_(torch.cat([p.detach().reshape(-1) for p in other.parameters()]))
    torch.testing.assert_close(module(x), other(x), rtol=0, atol=0)


def test_stacked_networks_equal_each_alone() -> None:
    modules = [build(seed, unrolled=True) for seed in range(3)]
    x, y = batch()
    stacked = {
        key: torch.stack([m.state_dict()[key] for m in modules]).requires_grad_()
        for key in modules[0].state_dict()
    }

    def loss_of(parameters: dict[str, Tensor]) -> Tensor:
        return cross_entropy(functional_call(modules[0], parameters, (x,)), y)

    found = torch.autograd.grad(vmap(loss_of)(stacked).sum(), list(stacked.values()))
    for k, module in enumerate(modules):
        module.unrolled = False
        torch.testing.assert_close([g[k] for g in found], gradients(module), **TIGHT)


def test_second_derivatives_of_the_unrolled_network() -> None:
    module = build(1, unrolled=True)
    x, _ = batch()
    names, values = zip(*module.named_parameters(), strict=True)

    def outputs(*parameters: Tensor) -> Tensor:
        return functional_call(module, dict(zip(names, parameters, strict=True)), (x[:1],))

    assert torch.autograd.gradgradcheck(outputs, values, fast_mode=True)


def test_names_shapes_and_count() -> None:
    module = build_model("rnn", {}, (1, 28, 28), 10, seed=1, init=None)
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    expected = [f"rnn.{kind}_l{layer}" for layer in range(3) for kind in kinds]
    assert list(module.state_dict()) == [*expected, "fc.weight", "fc.bias"]
    assert module.rnn.weight_ih_l0.shape == (256, 28)
    assert sum(p.numel() for p in module.parameters()) == 338_954


def test_default_initialisation() -> None:
    module = build_model("rnn", {"hidden": 64}, (1, 28, 28), 10, seed=1, init=None)
    for layer in range(3):
        recurrent = getattr(module.rnn, f"weight_hh_l{layer}").detach()
        torch.testing.assert_close(recurrent @ recurrent.T, torch.eye(64), rtol=0, atol=1e-5)
        incoming = getattr(module.rnn, f"weight_ih_l{layer}").detach()
        bound = (6 / sum(incoming.shape)) ** 0.5
        assert 0.98 * bound < incoming.abs().max() <= bound
        assert not getattr(module.rnn, f"bias_ih_l{layer}").any()
        assert not getattr(module.rnn, f"bias_hh_l{layer}").any()


def test_colour_images_are_read_row_by_row() -> None:
    module = build_model("rnn", {"hidden": 5, "layers": 1}, (3, 4, 2), 2, seed=1, init=None)
    x = torch.arange(24.0).view(1, 3, 4, 2)
    rows = torch.stack([torch.cat([x[0, c, r] for c in range(3)]) for r in range(4)])
    states, _ = module.rnn(rows.unsqueeze(0))
    torch.testing.assert_close(module(x), module.fc(states[:, -1]))


@pytest.mark.parametrize(
    ("options", "shape", "sentence"),
    [
        ({"hidden": 0}, (1, 8, 8), "model.hidden = 0: must be at least 1"),
        ({"layers": 1.5}, (1, 8, 8), "model.layers = 1.5: must be a whole number"),
        (
            {"nonlinearity": "sin"},
            (1, 8, 8),
            "model.nonlinearity = 'sin': must be 'tanh' or 'relu'",
        ),
        (
            {},
            (1,),
            "model 'rnn': takes images of shape (channels, rows, columns), not (1,)",
        ),
    ],
)
def test_wrong_input_gets_one_sentence(
    options: dict[str, object], shape: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        build_model("rnn", options, shape, 4, seed=1, init=None)
    assert str(caught.value) == sentence
