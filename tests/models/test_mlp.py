import pytest
import torch
from torch import nn

from thalweg.errors import InputError
from thalweg.models import build_model

LAYERS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU}


@pytest.mark.parametrize("activation", LAYERS)
def test_equals_plain_layers(activation: str) -> None:
    options = {"widths": [5, 4], "activation": activation}
    module = build_model("mlp", options, (1, 3, 3), 2, seed=1, init=None).double()
    plain = nn.Sequential(
        *[nn.Flatten(), nn.Linear(9, 5), LAYERS[activation]()],
        *[nn.Linear(5, 4), LAYERS[activation](), nn.Linear(4, 2)],
    ).double()
    with torch.no_grad():
        for theirs, ours in zip(plain.parameters(), module.parameters(), strict=True):
            theirs.copy_(ours)
    x = torch.randn(7, 1, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(module(x), plain(x), rtol=1e-12, atol=1e-12)
    found = torch.autograd.grad(module(x).square().sum(), list(module.parameters()))
    wanted = torch.autograd.grad(plain(x).square().sum(), list(plain.parameters()))
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


def test_default_widths_and_names() -> None:
    module = build_model("mlp", {}, (1, 28, 28), 10, seed=1, init=None)
    assert {name: tuple(p.shape) for name, p in module.named_parameters()} == {
        "layers.0.weight": (256, 784),
        "layers.0.bias": (256,),
        "layers.1.weight": (128, 256),
        "layers.1.bias": (128,),
        "layers.2.weight": (10, 128),
        "layers.2.bias": (10,),
    }


def test_regression_network_of_the_studies() -> None:
    options = {"widths": [100, 100], "activation": "tanh"}
    module = build_model("mlp", options, (1,), 1, seed=1, init=None)
    assert sum(p.numel() for p in module.parameters()) == 200 + 10_100 + 101


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"widths": []}, "model.widths = []: must not be empty"),
        ({"widths": [10, 0]}, "model.widths.1 = 0: must be at least 1"),
        ({"widths": [-3]}, "model.widths.0 = -3: must be at least 1"),
        ({"widths": [2.5]}, "model.widths.0 = 2.5: must be a whole number"),
        ({"widths": [True]}, "model.widths.0 = True: must be a whole number"),
        ({"widths": ["wide"]}, "model.widths.0 = 'wide': must be a whole number"),
        ({"widths": 100}, "model.widths = 100: must be a list"),
        (
            {"activation": "swish"},
            "model.activation = 'swish': must be 'relu', 'tanh', 'sigmoid' or 'gelu'",
        ),
        (
            {"width": [3]},
            "model: unknown key 'width'; did you mean 'widths'? (allowed: widths, activation)",
        ),
    ],
)
def test_wrong_options_get_one_sentence(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        build_model("mlp", options, (1,), 1, seed=1, init=None)
    assert str(caught.value) == sentence
