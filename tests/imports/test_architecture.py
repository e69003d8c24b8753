from itertools import starmap

import pytest
import torch
from tests.imports.conftest import HIDDEN, LAYERS, network
from torch import nn

from thalweg.errors import InputError
from thalweg.imports.architecture import recognise, rename
from thalweg.models import build_model


def test_the_recurrent_network_is_recognised_with_its_sizes() -> None:
    weights = network(0)
    found = recognise("f", weights, None)
    assert found.model.name == "rnn"
    assert found.model.options["hidden"] == HIDDEN
    assert found.model.options["layers"] == LAYERS
    assert found.names == {name: name for name in weights}
    assert found.parameters == sum(value.numel() for value in weights.values())


def test_the_full_size_of_the_public_study_is_recognised() -> None:
    weights = build_model("rnn", {}, (1, 28, 28), 10, 0, None).state_dict()
    assert recognise("f", weights, "rnn").model.options["hidden"] == 256


@pytest.mark.parametrize("name", ["lenet5", "lenet5-tanh"])
def test_lenet_is_recognised_under_other_names(name: str) -> None:
    ours = build_model(name, {}, (1, 28, 28), 10, 0, None).state_dict()
    theirs = {
        key.replace("conv", "features.").replace("fc", "classifier."): value
        for key, value in reversed(ours.items())
    }
    found = recognise("f", theirs, None)
    assert found.model.name == name
    assert all(torch.equal(theirs[key], ours[own]) for key, own in found.names.items())
    assert len(found.names) == len(ours)


def test_a_convolution_over_all_of_its_input_is_a_linear_layer() -> None:
    theirs = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten()),
        *(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )
    found = recognise("f", theirs.state_dict(), None)
    assert found.model.name == "lenet5-tanh"
    ours = build_model("lenet5-tanh", {}, (1, 28, 28), 10, 0, None)
    ours.load_state_dict(dict(starmap(found.ours, theirs.state_dict().items())))
    images = torch.randn(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(images), theirs(images))


def test_layers_of_one_shape_are_told_by_their_order() -> None:
    theirs = nn.Sequential(nn.Linear(1, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 1))
    told = {"name": "mlp", "widths": [5, 5], "activation": "tanh"}
    found = recognise("f", theirs.state_dict(), told)
    assert found.names["2.bias"] == "layers.1.bias"
    swapped = dict(sorted(theirs.state_dict().items(), reverse=True))
    with pytest.raises(InputError, match="fit no"):
        recognise("f", swapped, told)


def test_a_recurrent_network_in_another_is_found_by_the_ends_of_its_names() -> None:
    theirs = {f"model.core.{key}": value for key, value in network(0).items()}
    names = recognise("f", theirs, "rnn").names
    assert names["model.core.fc.bias"] == "fc.bias"
    assert names["model.core.rnn.weight_hh_l1"] == "rnn.weight_hh_l1"


@pytest.mark.parametrize(
    ("weights", "told", "sentence"),
    [
        (nn.Linear(3, 2).state_dict(), None, "f: its shapes fit no rnn or lenet5 or lenet5-tanh, "),
        (network(0), "lenet5", "f: its shapes fit no lenet5; it has rnn.weight_ih_l0 6×8"),
        (network(0), {"name": "rnn", "hidden": 5}, "fit no"),
        (network(0), "lenet6", "unknown model 'lenet6'; did you mean 'lenet5'"),
        (nn.LSTM(8, 4).state_dict(), None, "fit no"),
    ],
)
def test_what_fits_no_model_is_told_in_a_sentence(
    weights: dict[str, torch.Tensor], told: object, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        recognise("f", weights, told)


def test_masks_are_found_by_the_ends_of_their_names() -> None:
    weights = network(0)
    mask = torch.ones(HIDDEN, HIDDEN, dtype=torch.bool)
    assert rename("f", {"weight_hh_l1": mask}, weights) == {"weight_hh_l1": "rnn.weight_hh_l1"}
    with pytest.raises(InputError, match="has a mask of 'weight_hh_l9'"):
        rename("f", {"weight_hh_l9": mask}, weights)
    with pytest.raises(InputError, match=r"shape \(6, 6\), but must have that of .* \(10, 6\)"):
        rename("f", {"fc.weight": mask}, weights)
