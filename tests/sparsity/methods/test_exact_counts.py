"""As many weights as asked for after every step of every method, whatever the optimizer."""

from typing import Any

import pytest
from tests.sparsity.methods.trials import METHODS, WEIGHTS, Watch, chosen
from torch import Tensor

from thalweg.cohort import Training
from thalweg.cohort.planner import Plan
from thalweg.execute import Resources
from thalweg.execute.prepare import prepare
from thalweg.spec import RunSpec

OPTIMIZERS: list[dict[str, Any]] = [
    {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    {"name": "adamw", "lr": 0.01, "weight_decay": 0.1},
    {"name": "soap", "lr": 0.01},
    {"name": "sgd_eg", "lr": 0.1, "momentum": 0.9},
    {"name": "torch.optim:RMSprop", "lr": 0.01, "momentum": 0.9},
]
EPOCHS, STEPS_PER_EPOCH = 4, 3
K = WEIGHTS // 5
DENSE, SPARSE = [WEIGHTS], [K]


def ramp(steps: list[int], start: int, end: int) -> list[int]:
    """Return how many weights Zhu & Gupta's ramp leaves, at the steps where a mask is chosen."""
    left = [1 - 0.8 * (1 - (1 - min(max((t - start) / (end - start), 0), 1)) ** 3) for t in steps]
    return [int(each * WEIGHTS + 1e-6) for each in left]


AFTER_STEP: dict[str, list[int]] = {
    "one_shot": DENSE * 2 + SPARSE * 10,
    "gradual": DENSE * 3 + [n for n in ramp([4, 6, 8], 2, 9) for _ in "12"][:5] + SPARSE * 4,
    "projection": SPARSE * 12,
    "set": SPARSE * 12,
    "rigl": SPARSE * 12,
    "acdc": DENSE * 2 + SPARSE * 3 + DENSE * 3 + SPARSE * 4,
    "ste": SPARSE * 12,
    "top_kast": SPARSE * 12,
    "dpf": DENSE * 2 + [n for n in ramp([3, 6], 0, 9) for _ in "123"] + SPARSE * 4,
}
"""How many weights may be nonzero where the networks are judged, after each of the steps."""

FILLED = ("projection", "ste", "top_kast", "dpf")
"""Methods that choose by size alone. Where a mask stands, a weight within it may yet be 0: one
that has just grown, or that no example moves."""


def training(name: str, optimizer: dict[str, Any], average: str | None) -> Training:
    train = {"epochs": EPOCHS, "batch_size": 512}
    spec = RunSpec.parse(
        {
            "task": "digits",
            "model": {"name": "mlp", "widths": [12]},
            "optimizer": optimizer,
            "train": train if average is None else {**train, "average": average},
            "sparsity": {"name": name, **METHODS[name]},
        }
    )
    return prepare([spec], Plan("autograd", 1, ""), Resources("cpu", 1, 1))[0]


def judged(training: Training) -> tuple[int, Tensor | None]:
    """Return how many weights are nonzero where the network is judged, and the mask."""
    with training.judged():
        nonzero = int((chosen(training, training.cohort.W) != 0).sum())
    mask = training.cohort.mask
    return nonzero, None if mask is None else chosen(training, mask)[0]


@pytest.mark.parametrize("average", [None, "ema"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: str(o["name"]))
@pytest.mark.parametrize("name", AFTER_STEP)
def test_after_every_step(name: str, optimizer: dict[str, Any], average: str | None) -> None:
    found = training(name, optimizer, average)
    assert found.steps_per_epoch == STEPS_PER_EPOCH
    watch = Watch(judged)
    found.run(watch)
    assert len(watch.seen) == len(AFTER_STEP[name])
    for (nonzero, mask), allowed in zip(watch.seen, AFTER_STEP[name], strict=True):
        assert nonzero <= allowed
        if name in FILLED:
            assert nonzero == allowed
        elif mask is not None:
            assert mask.sum() == allowed
    last, _ = watch.seen[-1]
    if name not in ("set", "rigl"):
        assert last == K
