"""A watched training is the unwatched one, to the bit."""

from typing import Any

import pytest
import torch
from tests.instruments.loops import Make, digits, state_of, stranger, train
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from thalweg.instruments import Instruments

EVERYTHING: dict[str, Any] = {
    "preset": "full",
    "when": "every:2",
    "loss": cross_entropy,
    "train": digits(60),
    "validation": digits(40),
}

OPTIMIZERS: dict[str, Make] = {
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-4),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(a == b)


@pytest.mark.parametrize("preset", ["cheap", "standard", "full"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weights_buffers_gradients_modes_and_random_state(name: str, preset: str) -> None:
    plain = train(stranger(), OPTIMIZERS[name])
    watched = train(stranger(), OPTIMIZERS[name], **{**EVERYTHING, "preset": preset})
    for key in ("losses", "modes", "drawn", "state", "optimizer"):
        assert same(watched[key], plain[key]), key
    frame = watched["watch"].frame()
    assert frame["step"].drop_nulls().unique().sort().to_list() == [0, 2, 4, 6, 8]
    assert (watched["watch"].gradients > 0) == (preset != "cheap")
    assert {True, False} == set(plain["modes"][0])


def test_a_looked_at_pass_draws_what_the_step_drew() -> None:
    """α is about one function: with a step of length 0 its two ends are the same, dropout or no."""
    network = stranger()
    x, y = digits(20)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-9)
    losses = []

    def noted(outputs: Tensor, targets: Tensor) -> Tensor:
        losses.append(cross_entropy(outputs, targets))
        return losses[-1]

    with Instruments(
        network, optimizer, instruments=["alpha"], when="every:1", loss=noted
    ) as watch:
        for _ in range(3):
            optimizer.zero_grad()
            loss = cross_entropy(network(x), y)
            loss.backward()
            watch.batch(x, y, loss)
            optimizer.step()
            assert losses[-1].item() == pytest.approx(loss.item(), rel=1e-6)
    assert len(losses) == 3


def accumulate(network: nn.Module, watching: bool) -> tuple[dict[str, Tensor], Any]:
    """Train with gradients of three batches, clipped."""
    x, y = digits()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    watch = Instruments(network, optimizer, **{**EVERYTHING, "when": "every:1"})
    torch.manual_seed(0)
    with watch if watching else torch.enable_grad():
        for step in range(3):
            optimizer.zero_grad()
            for part in range(3):
                rows = slice(36 * step + 12 * part, 36 * step + 12 * part + 12)
                loss = cross_entropy(network(x[rows]), y[rows])
                (loss / 3).backward()
                watch.batch(x[rows], y[rows], loss) if watching else None
            norm = clip_grad_norm_(network.parameters(), 0.5)
            watch.clipping(norm, 0.5) if watching else None
            optimizer.step()
    return state_of(network), watch


def test_gradients_that_are_accumulated_and_clipped() -> None:
    plain, _ = accumulate(stranger(), False)
    watched, watch = accumulate(stranger(), True)
    assert same(watched, plain)
    figures = watch.frame().filter(watch.frame()["step"] == 2)
    found = dict(zip(figures["figure"], figures["value"], strict=True))
    assert found["clipped"] == 1
    assert found["gradient_norm"] > 0.5
    assert found["noise"] > 0


def accumulated(parts: int) -> dict[str, float]:
    """Return the figures of one step on 24 examples in so many passes."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10)).double()
    x, y = digits(24)
    x = x.double()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    names = ["loss", "gradient", "noise", "alpha", "movement"]
    with Instruments(network, optimizer, instruments=names, loss=cross_entropy) as watch:
        for own, targets in zip(x.split(24 // parts), y.split(24 // parts), strict=True):
            loss = cross_entropy(network(own), targets)
            (loss / parts).backward()
            watch.batch(own, targets, loss)
        optimizer.step()
    frame = watch.frame().drop_nulls("step")
    return dict(zip(frame["figure"], frame["value"], strict=True))


@pytest.mark.parametrize("parts", [2, 3])
def test_a_step_of_several_batches_is_one_of_all_of_them(parts: int) -> None:
    whole = accumulated(1)
    assert whole["alpha"] < 0
    assert accumulated(parts) == pytest.approx(whole, rel=1e-9, nan_ok=True)


def test_a_step_that_a_scaler_skips_leaves_no_batch_behind() -> None:
    network = nn.Linear(64, 10)
    x, y = digits(20)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    with Instruments(network, optimizer, loss=cross_entropy, when="every:1") as watch:
        for step in range(3):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = cross_entropy(network(x).float(), y)
            scaler.scale(loss).backward()
            if step == 1:
                network.weight.grad[0, 0] = torch.inf
            watch.batch(x, y, loss)
            scaler.step(optimizer)
            scaler.update()
    frame = watch.frame()
    assert frame["step"].max() == 1  # two steps were taken
    norms = frame.filter(frame["figure"] == "gradient_norm")["value"].to_list()
    assert all(0.1 < norm < 10 for norm in norms)  # not 1,024 times as long
    assert frame.filter(frame["figure"] == "noise")["value"].is_finite().all()


@pytest.mark.parametrize("name", ["sgd", "lbfgs"])
def test_an_optimizer_that_calls_for_the_gradient(name: str) -> None:
    def run(watching: bool) -> tuple[dict[str, Tensor], list[float], Any]:
        network = stranger()
        x, y = digits(40)
        optimizer: torch.optim.Optimizer = (
            torch.optim.SGD(network.parameters(), lr=0.1)
            if name == "sgd"
            else torch.optim.LBFGS(network.parameters(), lr=0.5, max_iter=4)
        )
        losses: list[float] = []
        watch = Instruments(network, optimizer, **{**EVERYTHING, "when": "every:1"})

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = cross_entropy(network(x), y)
            loss.backward()
            losses.append(loss.item())
            if watching:
                watch.batch(x, y, loss)
            return loss

        torch.manual_seed(0)
        with watch if watching else torch.enable_grad():
            for _ in range(3):
                optimizer.step(closure)
        return state_of(network), losses, watch

    plain, losses, _ = run(False)
    watched, same_losses, watch = run(True)
    assert same(watched, plain) and losses == same_losses
    frame = watch.frame()
    first = frame.filter((frame["figure"] == "loss") & (frame["step"] == 0))["value"].item()
    assert first == pytest.approx(losses[0])
    assert frame.filter(frame["figure"] == "edge")["value"].is_null().all() == (
        name == "lbfgs"
    ) or (frame.filter(frame["figure"] == "edge")["value"].is_nan().all() == (name == "lbfgs"))


def test_under_autocast_as_the_step_was() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    x, y = digits(20)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-9)
    kinds: list[torch.dtype] = []

    def noted(outputs: Tensor, targets: Tensor) -> Tensor:
        kinds.append(outputs.dtype)
        return cross_entropy(outputs, targets)

    names = ["alpha", "full_gradient"]
    with Instruments(network, optimizer, instruments=names, loss=noted, train=(x, y)) as watch:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = cross_entropy(network(x), y)
        loss.backward()
        watch.batch(x, y, loss)
        optimizer.step()
    assert kinds == [torch.bfloat16, torch.float32]
