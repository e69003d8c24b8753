import math

import pytest
import torch
from torch import nn

from thalweg.errors import InputError
from thalweg.models import INITS, build_model, parse_init
from thalweg.models.init import initialize


def draw(table: str | dict[str, object], *shape: int, seed: int = 0) -> torch.Tensor:
    init = parse_init(table)
    assert init is not None
    weight = torch.empty(shape)
    init.fill(weight, torch.Generator().manual_seed(seed))
    return weight


def test_orthogonal_rows_of_a_flattened_convolution() -> None:
    weight = draw({"name": "orthogonal", "gain": 2.0}, 16, 6, 5, 5).flatten(1)
    torch.testing.assert_close(weight @ weight.T, 4 * torch.eye(16), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("table", "std"),
    [
        ({"name": "xavier_uniform"}, math.sqrt(2 / 900)),
        ({"name": "xavier_normal", "gain": 3.0}, 3 * math.sqrt(2 / 900)),
        ({"name": "kaiming_uniform"}, math.sqrt(2 / 600)),
        ({"name": "kaiming_normal", "nonlinearity": "tanh"}, 5 / 3 / math.sqrt(600)),
        ({"name": "lognormal"}, math.sqrt(2 / 600)),
        ({"name": "lognormal", "mean_std_ratio": 4.0, "nonlinearity": "linear"}, 600**-0.5),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_standard_deviation_and_mean(table: dict[str, object], std: float) -> None:
    weight = draw(table, 300, 600)
    # 180,000 draws: the sampling error of either figure is well below 1 %.
    assert weight.std().item() == pytest.approx(std, rel=0.02)
    assert abs(weight.mean().item()) < 0.01 * std


def test_uniform_inits_fill_their_bounds() -> None:
    assert draw("kaiming_uniform", 300, 600).abs().max().item() == pytest.approx(0.1, rel=1e-3)


def test_fan_in_of_a_convolution_counts_its_kernel() -> None:
    weight = draw({"name": "lognormal", "nonlinearity": "linear"}, 400, 10, 5, 5)
    assert weight.std().item() == pytest.approx(250**-0.5, rel=0.03)


@pytest.mark.parametrize("ratio", [0.7, 1.5])
def test_lognormal_magnitudes_and_signs(ratio: float) -> None:
    weight = draw({"name": "lognormal", "mean_std_ratio": ratio}, 400, 1000)
    magnitude = weight.abs()
    assert magnitude.min() > 0
    assert (magnitude.mean() / magnitude.std()).item() == pytest.approx(ratio, rel=0.03)
    logs = magnitude.log()
    skewness = ((logs - logs.mean()) / logs.std()).pow(3).mean().item()
    assert abs(skewness) < 0.02
    assert (weight > 0).float().mean().item() == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize("name", INITS)
def test_a_network_is_drawn_from_its_seed_and_nothing_else(name: str) -> None:
    before = torch.get_rng_state()

    def weights(seed: int) -> dict[str, torch.Tensor]:
        return build_model("mlp", {"widths": [7]}, (5,), 3, seed, parse_init(name)).state_dict()

    first, again, other = weights(1), weights(1), weights(2)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["layers.0.weight"], other["layers.0.weight"])
    own = build_model("mlp", {"widths": [7]}, (5,), 3, 1, None).state_dict()
    assert not torch.equal(first["layers.0.weight"], own["layers.0.weight"])
    assert torch.equal(first["layers.0.bias"], own["layers.0.bias"])


def test_zero_biases_leave_norm_scales_alone() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.RNN(3, 2))
    init = parse_init({"name": "orthogonal", "bias": "zero"})
    assert init is not None
    initialize(module, init, torch.Generator().manual_seed(0))
    assert not module[0].bias.any()
    assert not module[2].bias_hh_l0.any()
    assert torch.equal(module[1].weight, torch.ones(3))


def test_every_init_has_a_summary() -> None:
    assert all(init.summary for init in INITS.values())


def test_default_is_none() -> None:
    assert parse_init("default") is None
    assert parse_init({"name": "default"}) is None


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            "orthogonl",
            "model.init.name: unknown init 'orthogonl'; did you mean 'orthogonal'? (allowed: "
            "default, orthogonal, xavier_uniform, xavier_normal, kaiming_uniform, "
            "kaiming_normal, lognormal)",
        ),
        ({"gain": 1.0}, "model.init.name: is missing and has no default"),
        ({"name": 3}, "model.init.name = 3: must be a string"),
        ({"name": "default", "gain": 1.0}, "model.init.gain: the init 'default' takes no options"),
        (
            {"name": "orthogonal", "gian": 1.0},
            "model.init: unknown key 'gian'; did you mean 'gain'? (allowed: name, bias, gain)",
        ),
        ({"name": "orthogonal", "gain": 0.0}, "model.init.gain = 0.0: must be greater than 0"),
        (
            {"name": "lognormal", "mean_std_ratio": -1.5},
            "model.init.mean_std_ratio = -1.5: must be greater than 0",
        ),
        (
            {"name": "orthogonal", "bias": "one"},
            "model.init.bias = 'one': must be 'zero' or 'keep'",
        ),
    ],
)
def test_wrong_tables_get_one_sentence(table: str | dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_init(table)
    assert str(caught.value) == sentence
