"""What is given wrongly is told in a sentence; what is not given is left out, and said once."""

import copy
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from tests.instruments.loops import digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

import thalweg as tw
from thalweg.errors import InputError
from thalweg.execute import Progress
from thalweg.instruments import Instruments
from thalweg.study import build_study


def parts() -> tuple[nn.Module, torch.optim.Optimizer]:
    network = nn.Linear(64, 10)
    return network, torch.optim.SGD(network.parameters(), lr=0.1)


def step(watch: Instruments, network: nn.Module, optimizer: Any, told: bool = True) -> None:
    x, y = digits(20)
    optimizer.zero_grad()
    loss = cross_entropy(network(x), y)
    loss.backward()
    if told:
        watch.batch(x, y, loss)
    optimizer.step()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"preset": "all"}, "preset"),
        ({"instruments": ["nose"]}, "did you mean 'noise'"),
        ({"groups": 1}, "groups"),
        ({"when": "last:3"}, 'must be "every:N"'),
        ({"when": "often"}, 'must be "every:N"'),
        ({"examples": 0}, "examples"),
        ({"preset": "full", "train": digits(30), "examples": 31}, "the 30 there are"),
        ({"preset": "full", "train": 3}, "train = int"),
        (
            {"preset": "full", "train": [(torch.ones(2, 3), None), (torch.ones(2, 4), None)]},
            "alike",
        ),
        ({"preset": "full", "validation": (torch.ones(3, 64), torch.ones(3))}, "classes"),
        ({"out": "somewhere"}, "study = None"),
    ],
)
def test_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as found:
        Instruments(*parts(), **{"loss": cross_entropy, **options})
    assert "\n" not in str(found.value)


def test_networks_that_cannot_be_watched() -> None:
    network, optimizer = parts()
    with pytest.raises(InputError, match="none of the model's parameters"):
        Instruments(nn.Linear(3, 3), optimizer)
    with pytest.raises(InputError, match="bfloat16"):
        Instruments(network.bfloat16(), optimizer)
    with pytest.raises(InputError, match=r"must be a torch.optim.Optimizer"):
        Instruments(network, "sgd")  # type: ignore[arg-type]
    mixed = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
    with pytest.raises(InputError, match="float64"):
        Instruments(mixed, torch.optim.SGD(mixed.parameters(), lr=0.1))


def test_what_was_not_given_is_left_out_and_said_once() -> None:
    network, optimizer = parts()
    watch = Instruments(network, optimizer, "full", when="every:1")
    with watch, pytest.warns(UserWarning) as warned:
        for _ in range(3):
            step(watch, network, optimizer)
    assert len(warned) == 1
    told = str(warned[0].message)
    assert "noise, alpha (need loss=" in told and "classes (need validation=" in told
    assert set(watch.left_out) == {"noise", "alpha", "full_gradient", "edge", "features", "classes"}
    figures = set(watch.frame()["figure"])
    assert figures >= {"loss", "gradient_norm", "update_ratio", "distance", "update_cosine"}
    assert watch.gradients == 0


def test_nothing_need_be_told_at_all() -> None:
    network, optimizer = parts()
    watch = Instruments(network, optimizer, "standard", when="every:1")
    with watch, pytest.warns(UserWarning, match="loss"):
        for _ in range(2):
            step(watch, network, optimizer, told=False)
    found = set(watch.frame().drop_nulls("step")["figure"])
    assert found == {"gradient_norm", "update_ratio", "distance", "update_cosine"}


def test_what_was_told_once_must_be_told_again() -> None:
    network, optimizer = parts()
    watch = Instruments(network, optimizer, loss=cross_entropy, when="every:1")
    with watch:
        step(watch, network, optimizer)
        with pytest.raises(InputError, match=r"step 1: watch\.batch"):
            step(watch, network, optimizer, told=False)


def test_a_loss_of_each_example_is_refused() -> None:
    network, optimizer = parts()

    def each(outputs: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(outputs, targets, reduction="none")

    with (
        Instruments(network, optimizer, loss=each) as watch,
        pytest.raises(InputError, match=r"loss: gives Tensor of shape \(5,\); must give the mean"),
    ):
        step(watch, network, optimizer)


def test_an_epoch_has_known_figures() -> None:
    with (
        Instruments(*parts()) as watch,
        pytest.raises(InputError, match="test_acc: must be one of"),
    ):
        watch.epoch(test_acc=0.5)


def test_a_study_that_was_run_is_not_added_to(tmp_path: Path) -> None:
    table = {
        "study": {"name": "mine", "seeds": 1},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [4]},
        "train": {"epochs": 1, "batch_size": 500},
        "optimizer": {"name": "sgd", "lr": 0.1},
    }
    out = tmp_path / "out"
    tw.Study(build_study(table)).run(out, jobs=1, progress=Progress(quiet=True))
    with (
        pytest.raises(InputError, match="was run in"),
        Instruments(*parts(), out=out, study="mine"),
    ):
        pass


class Attended(nn.Module):
    """Takes a dictionary, gives one; two of its weights are one, and a buffer is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.attend = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.out = nn.Linear(8, 11, bias=False)
        self.out.weight = self.embed.weight
        self.register_buffer("places", torch.randn(6, 8), persistent=False)

    def forward(self, tokens: Tensor, mask: Tensor, scale: float = 1.0) -> dict[str, Tensor]:
        states = self.attend(self.embed(tokens) + self.places, src_key_padding_mask=mask)
        return {"logits": self.out(states) * scale}


def test_a_network_that_takes_dictionaries_with_tied_weights() -> None:
    torch.manual_seed(0)
    network = Attended()
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for n, p in network.named_parameters() if "attend" in n]},
            {"params": [network.embed.weight], "lr": 1e-4},
        ],
        lr=1e-3,
    )
    tokens = torch.randint(0, 11, (24, 6))
    mask = torch.zeros(24, 6, dtype=torch.bool)
    batch = {"tokens": tokens, "mask": mask, "scale": 0.5}

    def loss_of(outputs: dict[str, Tensor], targets: Tensor) -> Tensor:
        return cross_entropy(outputs["logits"].flatten(0, 1), targets.flatten())

    before = copy.deepcopy(network.state_dict())
    with (
        Instruments(
            *(network, optimizer, "full"), loss=loss_of, train=(batch, tokens), when="every:1"
        ) as watch,
        pytest.warns(UserWarning, match=r"classes \(need validation=, examples with classes\)$"),
    ):
        for _ in range(2):
            optimizer.zero_grad()
            loss = loss_of(network(**batch), tokens)
            loss.backward()
            watch.batch(batch, tokens, loss)
            optimizer.step()
    frame = watch.frame().filter(pl.col("step") == 1)
    found = dict(zip(frame["figure"], frame["value"], strict=True))
    assert set(watch.left_out) == {"classes"}
    assert found["edge"] > 0 and found["full_gradient_norm"] > 0 and found["noise"] > 0
    assert any(not torch.equal(before[name], each) for name, each in network.state_dict().items())


def test_regression_by_batches_of_a_loader() -> None:
    network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.RMSprop(network.parameters(), lr=0.01)
    data = torch.utils.data.TensorDataset(torch.randn(64, 3), torch.randn(64, 1))
    loader = torch.utils.data.DataLoader(data, batch_size=16, shuffle=True)
    names = ["full_gradient", "edge", "features", "alpha"]
    state = torch.get_rng_state()
    watch = Instruments(
        *(network, optimizer), instruments=names, loss=mse_loss, train=loader, when="every:2"
    )
    assert torch.equal(torch.get_rng_state(), state)  # though the loader has shuffled
    with watch:
        for x, y in loader:
            optimizer.zero_grad()
            loss = mse_loss(network(x), y)
            loss.backward()
            watch.batch(x, y, loss)
            optimizer.step()
    # α 1, the full gradient 4, features 4/3, products 2·4 each.
    assert watch.expected_gradients(16) == pytest.approx((1 + 4 + 4 / 3 + 2 * 4 * 10) / 2)
    assert watch.gradients >= 2 * (1 + 4 + 4 / 3 + 2 * 4)
    assert watch.frame().filter(pl.col("step") == 2)["value"].is_finite().all()
    assert 0 < watch.seconds < 20


@pytest.mark.parametrize(("preset", "each"), [("cheap", 0), ("standard", 1 / 16)])
def test_the_cost_is_declared_beforehand(preset: str, each: float) -> None:
    network, optimizer = parts()
    watch = Instruments(network, optimizer, preset, loss=cross_entropy)
    assert watch.expected_gradients(20) == each
    with watch:
        for _ in range(32):
            step(watch, network, optimizer)
    assert watch.gradients == 32 * each
    costs = watch.frame().filter(pl.col("step").is_null())
    assert costs["figure"].to_list() == ["seconds", "gradient_evaluations"]
    assert costs["value"].to_list() == [pytest.approx(watch.seconds), 32 * each]
