"""Building models by name or reference, and what is said of those that do not fit."""

import sys
from pathlib import Path

import pytest
import torch

from thalweg.errors import InputError
from thalweg.models import MODELS, build_model, parse_init

USER_MODULE = '''
import torch
from torch import nn

class Net(nn.Module):
    """A small network."""

    def __init__(self, width=4, *, outputs=3):
        super().__init__()
        self.hidden = nn.Linear(6, width)
        self.last = nn.Linear(width, outputs)

    def forward(self, x):
        return self.last(self.hidden(x.flatten(1)).tanh())

SHARED = nn.Sequential(nn.Flatten(), nn.Linear(6, 3))

def shared():
    return SHARED

def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))

def dropout():
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(6, 3))

def not_a_module():
    return [1, 2]

def broken():
    raise RuntimeError("no luck\\nat all")

class Pair(Net):
    def forward(self, x):
        return x, x

class Frozen(Net):
    def __init__(self):
        super().__init__()
        self.requires_grad_(False)

number = 3
'''
SHAPE = (1, 2, 3)


@pytest.fixture(autouse=True)
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_models.py").write_text(USER_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "their_models", raising=False)


@pytest.mark.parametrize("name", ["lenet5", "lenet5-tanh", "mlp", "rnn"])
def test_weights_are_a_function_of_the_seed(name: str) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = build_model(name, {}, (1, 28, 28), 10, seed=1, init=None).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    again = build_model(name, {}, (1, 28, 28), 10, seed=1, init=None).state_dict()
    other = build_model(name, {}, (1, 28, 28), 10, seed=2, init=None).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not any(torch.equal(first[key], other[key]) for key in first if "weight" in key)


def test_every_model_has_a_summary() -> None:
    assert MODELS.names() == ["lenet5", "lenet5-tanh", "mlp", "rnn"]
    assert all(entry.summary for entry in MODELS)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_users_class_by_reference(seed: int) -> None:
    options = {"width": 5}
    module = build_model("their_models:Net", options, SHAPE, 3, seed, None)
    again = build_model("their_models:Net", options, SHAPE, 3, seed, None)
    assert module.hidden.weight.shape == (5, 6)
    assert torch.equal(module.hidden.weight, again.hidden.weight)
    assert module.training


def test_a_users_summary_is_the_first_line_of_its_docstring() -> None:
    assert MODELS["their_models:Net"].summary == "A small network."


def test_a_named_init_draws_over_a_users_weights() -> None:
    init = parse_init({"name": "orthogonal", "bias": "zero"})
    module = build_model("their_models:Net", {}, SHAPE, 3, 1, init)
    product = module.hidden.weight @ module.hidden.weight.T
    torch.testing.assert_close(product, torch.eye(4))
    assert not module.hidden.bias.any()


def test_an_object_returned_twice_carries_nothing_over() -> None:
    first = build_model("their_models:shared", {}, SHAPE, 3, 1, None)
    start = first[1].weight.detach().clone()
    with torch.no_grad():
        first[1].weight.add_(1.0)
    second = build_model("their_models:shared", {}, SHAPE, 3, 1, None)
    assert torch.equal(second[1].weight, start)


def test_what_a_module_draws_on_import_is_fixed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_rng_state()
    drawn = []
    for seed in (1, 2):
        monkeypatch.delitem(sys.modules, "their_models", raising=False)
        drawn.append(build_model("their_models:shared", {}, SHAPE, 3, seed, None)[1].weight)
    assert torch.equal(*drawn)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_a_lazy_module_is_drawn_from_the_seed() -> None:
    before = torch.get_rng_state()
    first, again, other = (
        build_model("their_models:lazy", {}, SHAPE, 3, seed, None)[1].weight for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_is_ready_to_train() -> None:
    assert build_model("their_models:dropout", {}, SHAPE, 3, 1, None)[1].training


@pytest.mark.parametrize(
    ("name", "options", "shape", "sentence"),
    [
        ("lenet", {}, SHAPE, "unknown model 'lenet'; did you mean 'lenet5'? (allowed: lenet5, "),
        ("their_models:Nut", {}, SHAPE, "'their_models:Nut': unknown name 'Nut'; did you "),
        ("no_such_place:Net", {}, SHAPE, "'no_such_place:Net': cannot import 'no_such_place' ("),
        (
            "their_models:Net",
            {"widht": 3},
            SHAPE,
            "their_models:Net: unknown key 'widht'; did you mean 'width'? (allowed: width, "
            "outputs)",
        ),
        (
            "their_models:number",
            {},
            SHAPE,
            "model 'their_models:number': must be an nn.Module class or a function that returns "
            "a module, not an object of type int",
        ),
        (
            "their_models:SHARED",
            {},
            SHAPE,
            "model 'their_models:SHARED': must be an nn.Module class or a function that returns "
            "a module, not an object of type Sequential",
        ),
        (
            "their_models:not_a_module",
            {},
            SHAPE,
            "model 'their_models:not_a_module': returned a list, not an nn.Module",
        ),
        (
            "their_models:broken",
            {},
            SHAPE,
            "model 'their_models:broken': building it raised RuntimeError: no luck",
        ),
        (
            "their_models:Net",
            {"outputs": 7},
            SHAPE,
            "model 'their_models:Net': two inputs of shape (1, 2, 3) must give outputs of shape "
            "(2, 3), not (2, 7)",
        ),
        (
            "their_models:Pair",
            {},
            SHAPE,
            "model 'their_models:Pair': two inputs of shape (1, 2, 3) must give outputs of shape "
            "(2, 3), not tuple",
        ),
        (
            "their_models:Net",
            {},
            (1, 8, 8),
            "model 'their_models:Net': two inputs of shape (1, 8, 8) raised RuntimeError: mat1 ",
        ),
        (
            "their_models:Frozen",
            {},
            SHAPE,
            "model 'their_models:Frozen': has no parameter to train",
        ),
    ],
)
def test_what_cannot_be_used_gets_one_sentence(
    name: str, options: dict[str, object], shape: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        build_model(name, options, shape, 3, seed=1, init=None)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_construction_is_on_the_cpu_whatever_the_default_device() -> None:
    torch.set_default_device("meta")
    try:
        module = build_model("their_models:Net", {}, SHAPE, 3, 1, None)
    finally:
        torch.set_default_device(None)
    assert {p.device.type for p in module.parameters()} == {"cpu"}
