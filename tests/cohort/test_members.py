"""A cohort equals its members trained alone."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch

from thalweg.cohort import Cost, Layout, Listener, Training
from thalweg.optim import OPTIMIZERS

SGD = [
    {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01},
    {"lr": 0.1, "momentum": 0.5},
    {"lr": 0.02, "momentum": 0.9, "dampening": 0.1},
]
ADAM = [{"lr": 0.01}, {"lr": 0.003, "weight_decay": 0.1}, {"lr": 0.01, "eps": 1e-4}]
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "sgd": SGD,
    "sgd_eg": [{**options, "lr": 4 * options["lr"]} for options in SGD],
    "adam": ADAM,
    "adamw": ADAM,
    # Where gradients are all rounding a small ε makes of it steps as long as any other's.
    "adan": [{"lr": 0.01, "eps": 1e-4}, {"lr": 0.003, "eps": 1e-3}, {"lr": 0.005, "eps": 1e-4}],
    "prodigy": [{"d0": 1e-3}, {"d0": 1e-3, "d_coef": 2.0}, {"d0": 1e-3, "weight_decay": 0.1}],
    "signsgd": [{"lr": 0.01, "momentum": m} for m in (0.9, 0.5, 0.8)],
    "gd_sign": SGD,
    "rmsprop": [{"lr": 0.01, "momentum": m, "centered": True} for m in (0.9, 0.5, 0.8)],
    # Each run searches for a time of its own.
    "armijo": [{"lr": 1.0}, {"lr": 30.0, "c": 0.5}, {"lr": 300.0, "beta": 0.7}],
    # Undamped Newton steps along negative curvature let rounding grow.
    "newton_cg": [{"lr": lr, "damping": 20.0, "cg_iterations": 4} for lr in (1.0, 0.5, 0.8)],
    # At the first steps m/√v is a sign; with ε above rounding, not that of a gradient of rounding.
    "soap": [{"lr": lr, "eps": 1e-5} for lr in (0.01, 0.003, 0.02)],
    "torch.optim:RMSprop": [
        {"lr": 0.01, "momentum": 0.5},
        {"lr": 0.002},
        {"lr": 0.01, "alpha": 0.9, "weight_decay": 0.1},
    ],
    "torch.optim:Adam": [{"lr": 0.01}, {"lr": 0.003, "weight_decay": 0.1}, {"lr": 0.02}],
}
ROTATED = {"soap"}  # their state lies in another basis than the mask
NAMES = [*OPTIMIZERS.names(), "torch.optim:RMSprop", "torch.optim:Adam"]
EVERYWHERE = ("sgd", "adam", "sgd_eg", "torch.optim:RMSprop")
"""Tried in every way, for the engine's sake; the others masked and stacked, and convolutional."""
SEEDS = (3, 0, 8)
CLIP = (0.5, float("inf"), 2.0)
MODELS = {
    "mlp": ("digits", {"widths": [9, 7]}, {"epochs": 4, "batch_size": 16}),  # 12 steps
    "lenet5": ("images", {}, {"epochs": 2, "batch_size": 4}),  # 10 steps
    "rnn": ("rows", {"hidden": 6, "layers": 2}, {"epochs": 4, "batch_size": 16}),
}


WAYS = [
    (name, architecture, stacked, masked)
    for name, architecture, stacked, masked in product(NAMES, MODELS, (False, True), (False, True))
    if name in EVERYWHERE
    or (architecture, stacked, masked) in (("mlp", True, True), ("lenet5", False, False))
]


def options_of(name: str) -> list[dict[str, Any]]:
    """A rule that is not in the table is tried with its defaults at three learning rates."""
    return OPTIONS.get(name, [{"lr": 0.01}, {"lr": 0.02}, {"lr": 0.005}])


def set_up(trial, small_task, model, random_mask, name, architecture, dtype, **changes) -> Any:
    task_name, options, settings = MODELS[architecture]
    task = small_task(task_name, dtype)
    network = model(architecture, options, task)
    mask = None
    if changes.pop("masked", False):
        mask = random_mask(len(SEEDS), Layout.of(network(0)).size)
    settings = {**settings, "clip": CLIP, "mask": mask, "evaluate_every": 100, **changes}
    return trial(task, network, name, options_of(name), SEEDS, **settings)


def counts(cost: Cost) -> dict[str, Any]:
    return {name: count for name, count in cost.as_dict().items() if name != "seconds"}


@pytest.mark.parametrize(("name", "architecture", "stacked", "masked"), WAYS)
def test_a_cohort_equals_its_members_trained_alone(
    name: str,
    architecture: str,
    stacked: bool,
    masked: bool,
    trial: Any,
    small_task: Any,
    model: Any,
    random_mask: Any,
) -> None:
    together = set_up(
        *(trial, small_task, model, random_mask, name, architecture, torch.float64),
        masked=masked,
        stacked=stacked,
    )
    training = together.run()
    cohort = training.cohort
    assert torch.isfinite(cohort.W).all()
    for k in range(len(SEEDS)):
        alone = together.member(k)
        start = alone.build().cohort.W
        trained = alone.run()
        end = trained.cohort.W
        assert not torch.equal(start, end)
        torch.testing.assert_close(cohort.W[k : k + 1], end, rtol=1e-9, atol=1e-12)
        # A line search takes the trials its own run needs, and is charged no more.
        assert counts(training.costs[k]) == counts(trained.costs[0])


@pytest.mark.parametrize(
    ("name", "architecture"),
    [way for way in product(NAMES, MODELS) if way[0] in EVERYWHERE or way[1] == "rnn"],
)
def test_in_float32_to_rounding(
    name: str, architecture: str, trial: Any, small_task: Any, model: Any, random_mask: Any
) -> None:
    together = set_up(
        *(trial, small_task, model, random_mask, name, architecture, torch.float32),
        stacked=True,
        epochs=1,
    )
    cohort = together.run().cohort
    for k in range(len(SEEDS)):
        alone = together.member(k)
        start = alone.build().cohort.W
        end = alone.run().cohort.W
        # In norm: Adam gives a gradient that is all rounding a step as long as any other's.
        assert (cohort.W[k] - end).norm() < 1e-4 * (end - start).norm()


class HeldMask(Listener):
    """Checks after every step that nothing moves outside the mask, the optimizer's state included.

    Row 0's state is looked at; every tensor in it of a parameter's shape counts. One may be
    nonzero outside the mask (Adamax keeps ε there), but must be the same everywhere.
    """

    def __init__(self, in_state: bool) -> None:
        self.steps = 0
        self._in_state = in_state

    def on_step(self, training: Training) -> None:
        mask = training.cohort.mask
        assert mask is not None
        outside = ~mask
        assert not training.cohort.W[outside].any()
        assert not training.cohort.G[outside].any()
        self.steps += 1
        if not self._in_state:
            return
        state = training.row_state(0)["optimizer"]
        if "param_groups" in state:  # the adapter: one entry a parameter
            views = training.cohort.layout.views(outside[0]).values()
            pairs = [
                (tensor, view)
                for i, view in enumerate(views)
                for tensor in state["state"].get(i, {}).values()
                if isinstance(tensor, torch.Tensor) and tensor.shape == view.shape
            ]
        else:
            kept = state["state"]
            wholes = {"": outside[0], **training.cohort.layout.views(outside[0])}
            pairs = [
                (x, view)
                for key, x in kept.items()
                if x.shape[-(view := wholes[key.rpartition("/")[0]]).ndim :] == view.shape
            ]
            assert pairs or all(x.numel() == 1 for x in kept.values())  # step sizes
        for tensor, view in pairs:
            idle = tensor[..., view]  # where no gradient was seen, all are the same
            assert (idle == idle[..., :1]).all()


@pytest.mark.parametrize(
    ("name", "stacked"), [*product(NAMES, [True]), *product(EVERYWHERE, [False])]
)
def test_nothing_moves_outside_the_mask(
    name: str, stacked: bool, trial: Any, small_task: Any, model: Any, random_mask: Any
) -> None:
    training = set_up(
        *(trial, small_task, model, random_mask, name, "mlp", torch.float64),
        masked=True,
        stacked=stacked,
    ).build()
    watch = HeldMask(name not in ROTATED)
    training.run(watch)
    assert watch.steps == 12


def test_a_mask_of_the_wrong_shape_or_type_is_refused(
    trial: Any, small_task: Any, model: Any
) -> None:
    task = small_task("digits")
    network = model("mlp", {"widths": [3]}, task)
    cohort = trial(task, network, "sgd", [{"lr": 0.1}], [0]).build().cohort
    with pytest.raises(ValueError, match="a mask must be boolean"):
        cohort.set_mask(torch.ones_like(cohort.W))
    with pytest.raises(ValueError, match="a mask must be boolean"):
        cohort.set_mask(torch.ones(cohort.W.shape[1], dtype=torch.bool))


def test_the_runs_of_a_cohort_must_share_their_structure(
    trial: Any, small_task: Any, model: Any
) -> None:
    task = small_task("digits")
    options = [{"lr": 0.1}, {"lr": 0.1, "momentum": 0.9}]
    pair = trial(task, model("mlp", {"widths": [3]}, task), "sgd", options, [0, 1])
    with pytest.raises(ValueError, match="must share their optimizer's structure"):
        pair.build()


Network = Callable[[int], torch.nn.Module]


class Tied(torch.nn.Module):
    """Two layers that are one, and a parameter that does not train."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(64, 64)
        self.second = torch.nn.Linear(64, 64)
        self.second.weight = self.first.weight
        self.last = torch.nn.Linear(64, 10)
        self.last.bias.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.second(self.first(x.flatten(1)).tanh()).tanh())


@pytest.mark.parametrize("stacked", [False, True], ids=["row by row", "stacked"])
def test_tied_and_frozen_parameters(
    stacked: bool, trial: Any, small_task: Any, seeded: Callable[..., Network]
) -> None:
    task = small_task("digits")
    network = seeded(Tied)
    together = trial(task, network, "sgd", options_of("sgd"), SEEDS, stacked=stacked)
    training = together.run()
    assert training.cohort.layout.names == (
        *("first.weight", "first.bias", "second.bias"),
        "last.weight",
    )
    for k, seed in enumerate(SEEDS):
        alone = together.member(k).run().cohort
        torch.testing.assert_close(training.cohort.W[k : k + 1], alone.W, rtol=1e-9, atol=1e-12)
        assert torch.equal(training.cohort.state(k)["last.bias"], network(seed).last.bias.double())
