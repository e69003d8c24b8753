"""Which parameters are pruned."""

import pytest
from torch import nn

from thalweg.errors import InputError
from thalweg.models import build_model
from thalweg.sparsity import prunable


def model(name: str) -> nn.Module:
    options = {"layers": 2, "hidden": 4} if name == "rnn" else {}
    return build_model(name, options, (1, 28, 28), 10, 0, None)


def test_weights_of_the_studies_networks() -> None:
    lenet = [f"{layer}.weight" for layer in ("conv1", "conv2", "fc1", "fc2", "fc3")]
    assert prunable(model("lenet5")) == lenet
    assert prunable(model("lenet5"), first=False, last=False) == lenet[1:-1]
    assert prunable(model("mlp")) == [f"layers.{i}.weight" for i in range(3)]
    recurrent = [f"rnn.weight_{kind}_l{layer}" for layer in (0, 1) for kind in ("ih", "hh")]
    assert prunable(model("rnn")) == [*recurrent, "fc.weight"]
    assert prunable(model("rnn"), first=False) == [*recurrent[2:], "fc.weight"]
    assert prunable(model("rnn"), last=False) == recurrent


def test_kinds_of_layers() -> None:
    network = nn.ModuleDict(
        {
            "embedding": nn.Embedding(5, 3),
            "norm": nn.BatchNorm1d(3),
            "conv": nn.Conv1d(3, 4, 2),
            "transposed": nn.ConvTranspose2d(3, 4, 2),
            "lstm": nn.LSTM(3, 4, bidirectional=True, proj_size=2),
            "cell": nn.GRUCell(3, 4),
            "layer_norm": nn.LayerNorm(3),
            "head": nn.Linear(3, 2),
        }
    )
    network["tied"] = nn.Linear(3, 2)
    network["tied"].weight = network["head"].weight
    weights = ["weight_ih_l0", "weight_hh_l0", "weight_hr_l0"]
    assert prunable(network) == [
        "conv.weight",
        "transposed.weight",
        *(f"lstm.{w}{way}" for way in ("", "_reverse") for w in weights),
        "cell.weight_ih",
        "cell.weight_hh",
        "head.weight",
    ]
    found = prunable(network, first=False, last=False)
    assert (found[0], found[-1]) == ("transposed.weight", "cell.weight_hh")


def test_patterns() -> None:
    lenet = model("lenet5")
    assert prunable(lenet, "fc2.*") == ["fc2.weight", "fc2.bias"]
    assert prunable(lenet, ["fc?.weight", "conv1.weight"], last=False) == [
        "conv1.weight",
        "fc1.weight",
        "fc2.weight",
    ]
    with pytest.raises(InputError, match=r"parameters: 'rnn\*' matches none of conv1.weight, conv"):
        prunable(lenet, ["fc1.weight", "rnn*"])
    with pytest.raises(InputError, match=r"nothing is left of fc3.weight without the first or"):
        prunable(lenet, "fc3.weight", last=False)
    with pytest.raises(
        InputError, match=r"parameters: the model has no weights of .* weight, bias"
    ):
        prunable(nn.LayerNorm(3))
