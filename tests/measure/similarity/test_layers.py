"""Which layers a network's features are taken from."""

import numpy as np
import pytest
import torch
from tests.measure.curvature.written_out import network, task
from torch import Tensor, nn

from thalweg.data import Split, Task
from thalweg.errors import InputError
from thalweg.measure import curvature_of, measure
from thalweg.measure.activations import NAMES, activations
from thalweg.measure.similarity import cka, class_separation, effective_rank, layer_features
from thalweg.measure.subject import Subject
from thalweg.models import build_model

F64 = torch.float64


def test_of_a_perceptron() -> None:
    module, data = network("mlp"), task("mlp")
    found = layer_features(Subject.of(module, data, dtype=F64))
    x, _ = data.train.batch(slice(0, 37))
    first = torch.tanh(x @ module.layers[0].weight.T + module.layers[0].bias)
    second = torch.tanh(first @ module.layers[1].weight.T + module.layers[1].bias)
    assert list(found) == ["tanh 1", "tanh 2", "output"]
    for features, expected in zip(found.values(), (first, second, module(x)), strict=True):
        assert torch.allclose(features, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "units"),
    [
        ("lenet5", {"relu 1": 864, "relu 2": 256, "relu 3": 120, "relu 4": 84, "output": 10}),
        (
            "lenet5-tanh",
            {"tanh 1": 4704, "tanh 2": 1600, "tanh 3": 120, "tanh 4": 84, "output": 10},
        ),
    ],
)
def test_of_convolutions_a_pixel_is_a_unit(model: str, units: dict[str, int]) -> None:
    draw = torch.Generator().manual_seed(0)
    split = Split(torch.rand(8, 1, 28, 28, generator=draw), torch.arange(8))
    images = Task("x", "cross_entropy", 10, (), split, None, split)
    module = build_model(model, {}, (1, 28, 28), 10, 0, None).eval()
    found = layer_features(Subject.of(module, images))
    assert {name: features.shape[1] for name, features in found.items()} == units


def test_of_a_recurrence_the_last_state_of_each_layer() -> None:
    module, data = network("rnn"), task("rnn")
    found = layer_features(Subject.of(module, data, dtype=F64))
    x, _ = data.train.batch(slice(0, 37))
    _, states = module.rnn(x.squeeze(1))
    assert list(found) == ["rnn 1", "rnn 2", "output"]
    assert torch.allclose(found["rnn 1"], states[0], atol=1e-12)
    assert torch.allclose(found["rnn 2"], states[1], atol=1e-12)
    assert torch.allclose(found["output"], module(x), atol=1e-12)


class Reads(nn.Module):
    def __init__(self, recurrence: nn.Module) -> None:
        super().__init__()
        self.recurrence = recurrence

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.recurrence(x)[0][:, -1]
        return out


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_pytorch_s_own_recurrences(kind: type[nn.RNNBase]) -> None:
    module = Reads(kind(5, 4, 2, batch_first=True))
    found, outputs = activations(module, torch.rand(3, 6, 5), set(NAMES.values()))
    assert [name for name, _ in found] == [kind.__name__.lower()] * 2
    assert torch.equal(found[1][1], outputs)


@pytest.mark.parametrize(
    "call",
    [
        nn.Tanh(),
        nn.Sigmoid(),
        nn.GELU(),
        nn.SiLU(inplace=True),
        nn.ELU(),
        nn.LeakyReLU(),
        Tensor.tanh,
    ],
)
def test_every_nonlinearity_is_seen_once(call: nn.Module) -> None:
    class Module(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * call(x * 1)

    ((_, found),), outputs = activations(Module(), torch.randn(4, 3), set(NAMES.values()))
    assert torch.equal(2 * found, outputs)


def test_of_many_examples_some_are_taken_evenly() -> None:
    module, data = network("mlp"), task("mlp")
    subject = Subject.of(module, data, dtype=F64)
    found = layer_features(subject, most=10)["output"]
    x, _ = data.train.batch(torch.tensor([i * 37 // 10 for i in range(10)]))
    assert torch.allclose(found, module(x), atol=1e-12)


def test_the_probe_puts_them_together() -> None:
    module, data = network("mlp", 3), task("mlp")
    found = measure(curvature_of(module, data, dtype=F64), ["similarity"], {"compared": 30})
    figures = found["similarity"]
    subject = Subject.of(module, data, dtype=F64)
    layers = layer_features(subject, most=30)
    _, classes = data.train.batch(torch.tensor([i * 37 // 30 for i in range(30)]))
    features = [*layers.values()]
    assert figures["layer"] == [*layers]
    assert figures["units"] == [5, 4, 3]
    assert figures["compared"] == 30
    assert np.array(figures["cka"]) == pytest.approx(cka(features, features).numpy())
    assert np.diag(figures["cka"]) == pytest.approx([1, 1, 1])
    assert figures["effective_rank"] == pytest.approx([*map(effective_rank, features)])
    expected = [class_separation(each, classes) for each in features]
    assert figures["class_separation"] == pytest.approx(expected)


def test_a_regression_has_no_classes() -> None:
    matrix = curvature_of(network("regression"), task("regression"), dtype=F64)
    figures = measure(matrix, ["similarity"], {})["similarity"]
    assert figures["layer"] == ["tanh 1", "output"]
    assert "class_separation" not in figures


def test_too_few_examples_get_a_sentence() -> None:
    matrix = curvature_of(network("mlp"), task("mlp"), examples=3, dtype=F64)
    with pytest.raises(InputError, match="examples = 3: must be at least 4 to compare layers"):
        measure(matrix, ["similarity"], {})
    with pytest.raises(InputError, match="compared = 3: must be at least 4"):
        measure(matrix, ["similarity"], {"compared": 3})
