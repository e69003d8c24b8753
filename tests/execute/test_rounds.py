"""Rounds of pruning: each begins from what the one before left, and ends with a trained ticket."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from thalweg import Results
from thalweg.cohort.order import epoch_order
from thalweg.cohort.planner import Plan
from thalweg.execute import Resources
from thalweg.execute.models import load_named_task
from thalweg.execute.prepare import prepare
from thalweg.models import build_model
from thalweg.spec import RunSpec
from thalweg.store import RunDirectory, Store
from thalweg.study import load_study

Run = Callable[..., Results]
Write = Callable[..., Path]

TRAIN = {"epochs": 3, "batch_size": 128}
MOMENTUM = {"name": "sgd", "lr": 0.05, "momentum": 0.9}
IMP = {"name": "imp", "target": 0.8, "rounds": 2}


def lineage(
    study: Path, out: Path, arm: str = "", seed: int = 0
) -> list[tuple[RunSpec, RunDirectory]]:
    """Return the runs of an arm's ticket, the dense one first."""
    points = [p for p in load_study(study).points if not arm or p.arm == arm]
    (final,) = [spec for spec in points[0].specs if spec.seed == seed]
    return [(spec, Store(out).run(spec.id)) for spec in final.lineage]


def finals(out: Path) -> dict[str, bytes]:
    return {p.parent.name: p.read_bytes() for p in out.glob("runs/*/final.safetensors")}


def weights(run: RunDirectory) -> dict[str, Tensor]:
    return load_file(run.path / "final.safetensors")


def flat(named: dict[str, Tensor]) -> np.ndarray[Any, Any]:
    return np.concatenate([named[name].numpy().ravel() for name in sorted(named)])


def prunable(named: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in named.items() if "weight" in name}


def rounds(write: Write, **options: Any) -> Path:
    return write(train=TRAIN, optimizer=MOMENTUM, sparsity={**IMP, **options})


def test_masks_are_the_largest_of_the_round_before(
    tmp_path: Path, write_study: Write, run_here: Run
) -> None:
    """Against NumPy: exactly so many, within the mask before, held to the end, and trained."""
    study, out = rounds(write_study, rounds=3, schedule="linear"), tmp_path / "out"
    run_here(study, out)
    found = lineage(study, out)
    assert [spec.round for spec, _ in found] == [0, 1, 2, 3]
    total = 64 * 16 + 16 * 10
    before = np.ones(total, dtype=bool)
    for (_, parent), (spec, run) in pairwise(found):
        assert spec.rounds is not None
        keep = spec.rounds.keep[-1]
        magnitude = np.where(before, np.abs(flat(prunable(weights(parent)))), -1)
        order = np.argsort(-magnitude, kind="stable")[: int(keep * total + 1e-6)]
        expected = np.zeros(total, dtype=bool)
        expected[order] = True
        masks = run.masks()
        assert masks is not None
        assert np.array_equal(flat(masks), expected)
        last = flat(prunable(weights(run)))
        assert np.array_equal(last != 0, expected)
        rewound = build_model("mlp", {"widths": [16]}, (64,), 10, 0, None).state_dict()
        moved = last[expected] != flat(prunable(rewound))[expected]
        assert moved.mean() > 0.8  # those of pixels that are never inked have no gradient
        status = run.status()["sparsity"]
        assert (status["weights"], status["nonzero"]) == (total, len(order))
        assert status["round"] == spec.round
        before = expected
    assert [round(spec.rounds.keep[-1], 4) for spec, _ in found[1:] if spec.rounds] == [
        0.7333,
        0.4667,
        0.2,
    ]


@pytest.mark.parametrize(
    ("rewind", "gamma"),
    [(each, 0.5) for each in ("init", "epoch:1", "step:13", "lr:1", "none")] + [("lr:1", 0.1)],
)
def test_a_round_is_the_training_that_pytorch_does(
    rewind: str, gamma: float, tmp_path: Path, write_study: Write, run_here: Run
) -> None:
    """A plain loop with the same batches, from the rewound weights, mask applied at every step, and
    with a schedule of its own where one is given.
    """
    study, out = tmp_path / "study.toml", tmp_path / "out"
    schedule = {"name": "step", "every_epochs": 1, "gamma": 0.5}
    own = {} if gamma == 0.5 else {"lr_schedule": {**schedule, "gamma": gamma}}
    study = write_study(
        train={**TRAIN, "schedule": schedule},
        optimizer=MOMENTUM,
        sparsity={**IMP, "rounds": 1, "rewind": rewind, **own},
    )
    run_here(study, out)
    (dense, before), (_, ticket) = lineage(study, out)
    task = load_named_task(dense.task, None)
    N = len(task.train)
    steps = -(-N // 128)
    trained, masks = weights(before), ticket.masks()
    assert masks is not None

    def loop(
        state: dict[str, Tensor], first: int, last: int, mask: dict[str, Tensor], fixed: bool
    ) -> dict[str, Tensor]:
        module = build_model("mlp", {"widths": [16]}, task.shape, task.outputs, 0, None)
        module.load_state_dict(state)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
        named = dict(module.named_parameters())
        for step in range(first, last):
            fall = gamma if mask else 0.5
            optimizer.param_groups[0]["lr"] = 0.05 * fall ** (2 if fixed else step // steps)
            with torch.no_grad():
                for name, kept in mask.items():
                    named[name].mul_(kept)
            order = epoch_order([0], step // steps, N)
            start = step % steps * 128
            inputs, targets = task.train.batch(order[start : start + 128])
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(inputs), targets).backward()
            for name, kept in mask.items():
                gradient = named[name].grad
                assert gradient is not None
                gradient.mul_(kept)
            optimizer.step()
        return {name: tensor.detach() for name, tensor in module.state_dict().items()}

    initial = build_model("mlp", {"widths": [16]}, task.shape, task.outputs, 0, None).state_dict()
    first = {"init": 0, "epoch:1": steps, "step:13": 13, "lr:1": steps, "none": 0}[rewind]
    begun = trained if rewind in ("lr:1", "none") else loop(initial, 0, first, {}, False)
    expected = loop(begun, first, 3 * steps, masks, rewind == "none")
    found = weights(ticket)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-5)
    assert ticket.status()["examples"] == sum(
        len(range(step % steps * 128, min(N, (step % steps + 1) * 128)))
        for step in range(first, 3 * steps)
    )


@pytest.mark.parametrize(
    ("state", "rewind"), [("reset", "epoch:1"), ("rewind", "epoch:1"), ("keep", "none")]
)
def test_the_optimizer_s_state_is_a_choice(
    state: str, rewind: str, tmp_path: Path, write_study: Write, run_here: Run
) -> None:
    """The momentum of a round whose learning rate is tiny is what it began with, decayed."""
    out = tmp_path / "out"
    study = rounds(write_study, rounds=1, rewind=rewind, optimizer_state=state)
    run_here(study, out)
    (_, dense), (spec, _) = lineage(study, out)
    training, _ = prepare([spec], Plan("autograd", 1, ""), Resources("cpu", 1, 1), Store(out))
    momentum = training.row_state(0)["optimizer"]["state"]["momentum"]
    if state == "reset":
        assert not momentum.any()
    else:
        snapshot = dense.load_snapshot("end" if state == "keep" else rewind)
        kept = snapshot["optimizer"]["state"]["momentum"]
        assert kept.any()
        assert torch.equal(momentum, kept)
    assert training.epoch == (0 if rewind == "none" else 1)


def test_arms_share_the_dense_run_and_their_first_rounds(
    tmp_path: Path, write_study: Write, run_here: Run
) -> None:
    study, out = tmp_path / "study.toml", tmp_path / "out"
    study = write_study(
        study={"name": "study", "seeds": 1},
        train=TRAIN,
        arms={
            "dense": {},
            "two": {"sparsity": {"name": "imp", "keep": [0.5, 0.25]}},
            "three": {"sparsity": {"name": "imp", "keep": [0.5, 0.25, 0.1]}},
            "shuffled": {
                "sparsity": {"name": "imp", "keep": [0.5, 0.25], "control": "shuffled_layerwise"}
            },
        },
    )
    run_here(study, out)
    assert len(finals(out)) == 5  # dense, 0.5, 0.25, 0.1 and the control
    ticket, control = (lineage(study, out, arm)[-1][1].masks() for arm in ("two", "shuffled"))
    assert ticket is not None
    assert control is not None
    for name, mask in ticket.items():
        assert mask.sum() == control[name].sum()
        assert not torch.equal(mask, control[name])


def test_a_snapshot_wanted_later_is_taken_without_touching_the_run(
    tmp_path: Path, write_study: Write, run_here: Run
) -> None:
    dense = write_study("dense", train=TRAIN, optimizer=MOMENTUM)
    study = rounds(write_study, rewind="epoch:1", optimizer_state="rewind")
    at_once, later = tmp_path / "at-once", tmp_path / "later"
    run_here(study, at_once)
    run_here(dense, later)
    before = {path: path.stat().st_mtime_ns for path in later.glob("runs/*/*")}
    run_here(study, later)
    after = {path: path.stat().st_mtime_ns for path in later.glob("runs/*/*")}
    assert before.items() < after.items()
    assert finals(at_once) == finals(later)
    assert not list(later.glob("runs/*/checkpoint-*"))


def test_killed_in_any_round_it_ends_with_the_very_bits(
    tmp_path: Path, write_study: Write, run_here: Run, start: Callable[..., Any]
) -> None:
    study = write_study(
        model={"name": "mlp", "widths": [32]},
        train={"epochs": 8, "batch_size": 16},
        optimizer=MOMENTUM,
        sparsity={**IMP, "rounds": 3, "rewind": "epoch:1", "optimizer_state": "keep"},
    )
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run_here(study, whole, backend="autograd")
    for complete in (3, 5):  # of 8 runs: in rounds 1 and 2
        driver = start(study, broken, 1, "autograd")
        driver.wait_until(lambda least=complete: len(finals(broken)) >= least)
        driver.kill_all()
    assert len(finals(broken)) < 8, "it was done before it could be killed"
    run_here(study, broken, backend="autograd")
    assert finals(broken) == finals(whole)


def test_a_ticket_shares_the_fate_of_the_run_it_is_pruned_from(
    tmp_path: Path, write_study: Write, run_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setenv("THALWEG_TEST_BROKEN", str(tmp_path))
    monkeypatch.syspath_prepend(Path(__file__).parent)
    study = write_study(
        study={"name": "study", "seeds": 1},
        train=TRAIN,
        optimizer={"name": "sgd", "lr": 1e30},
        sparsity=IMP,
        arms={"diverged": {}, "failed": {"optimizer": {"name": "strangers:Broken", "lr": 0.1}}},
    )
    results = run_here(study, out)
    diverged = [run.status() for _, run in lineage(study, out, "diverged")]
    assert [status["status"] for status in diverged] == ["diverged"] * 3
    assert [status["gradient_evaluations"] > 0 for status in diverged] == [True, False, False]
    failed = [run.status() for _, run in lineage(study, out, "failed")]
    assert [status["status"] for status in failed] == ["failed"] * 3
    assert "the run it is pruned from" in failed[-1]["message"]
    assert len(results.failed) == 3
    frame = results.frame().filter(arm="diverged")
    assert frame["status"].to_list() == ["diverged"]


def test_recurrent_weights_are_pruned_and_kept_so(
    tmp_path: Path, write_study: Write, run_here: Run
) -> None:
    out = tmp_path / "out"
    study = write_study(
        study={"name": "study", "seeds": 1},
        task={"name": "digits", "size": 28},
        model={"name": "rnn", "hidden": 8, "layers": 2},
        optimizer={"name": "adam", "lr": 0.01},
        train={"epochs": 2, "batch_size": 256, "average": "ema"},
        sparsity={**IMP, "rounds": 1, "target": 0.5, "scope": "erk"},
    )
    run_here(study, out)
    (_, ticket) = lineage(study, out)[-1]
    masks, last = ticket.masks(), weights(ticket)
    assert masks is not None
    assert sum("weight_hh" in name for name in masks) == 2
    for name, mask in masks.items():
        assert torch.equal(last[name] != 0, mask), name
    json.dumps(ticket.status()["sparsity"])
