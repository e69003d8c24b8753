"""The frame of rounds against the files of the run directories."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tests.store.checksums import renew_checksums

from thalweg import Results
from thalweg.store import Store
from thalweg.store.assemble import read_results
from thalweg.store.query import query
from thalweg.store.results import ROUNDS

STEPS_PER_EPOCH = 9  # 1,150 training examples in batches of 128
SIZES = {"layers.0.weight": 64 * 16, "layers.1.weight": 16 * 10}
TOTAL = sum(SIZES.values())


def rows(store: Store, arm: str) -> list[dict[str, Any]]:
    frame = read_results(store, "pruned").rounds
    return frame.filter(frame["arm"] == arm).to_dicts()


def weights(store: Store, run: str) -> dict[str, NDArray[np.float32]]:
    return load_file(store.run(run).path / "final.safetensors")


def test_every_round_of_every_arm_has_a_row(pruned_by_rounds: Store) -> None:
    frame = read_results(pruned_by_rounds, "pruned").rounds
    assert dict(frame.schema) == ROUNDS
    assert frame.select("arm", "seed", "round").rows() == [
        *(("ticket", seed, r) for seed in (0, 1) for r in (0, 1, 2)),
        *(("ticket random", seed, r) for seed in (0, 1) for r in (0, 1, 2)),
        *(("first", seed, r) for seed in (0, 1) for r in (0, 1)),
        *(("wild", seed, r) for seed in (0, 1) for r in (0, 1, 2)),
    ]
    ticket, control = rows(pruned_by_rounds, "ticket"), rows(pruned_by_rounds, "ticket random")
    same = [a["run"] == b["run"] for a, b in zip(ticket, control, strict=True)]
    assert same == [True, True, False] * 2


@pytest.mark.parametrize("arm", ["ticket", "ticket random", "first"])
def test_figures_are_those_of_the_files(pruned_by_rounds: Store, arm: str) -> None:
    for row in rows(pruned_by_rounds, arm):
        run = pruned_by_rounds.run(row["run"])
        found = weights(pruned_by_rounds, row["run"])
        nonzero = {name: np.count_nonzero(found[name]) for name in SIZES}
        assert row["kept"] == sum(nonzero.values()) / TOTAL
        assert json.loads(row["layers"]) == {name: n / SIZES[name] for name, n in nonzero.items()}
        assert (row["forward_flops"], row["nonzero_flops"]) == (
            2 * TOTAL,
            2 * sum(nonzero.values()),
        )
        one, two = (found[name] != 0 for name in SIZES)
        fed, read = one.any(axis=1), two.any(axis=0)
        effective = one[read].sum() + two[:, fed].sum()
        assert row["effective_density"] == effective / TOTAL
        assert row["dead"] == (~fed).sum() + (~two[:, fed].any(axis=1)).sum()
        assert row["zombies"] == (~read).sum()
        for metric in ("test_loss", "test_accuracy", "validation_loss", "validation_accuracy"):
            assert row[metric] == run.status()[metric]
        if row["round"] > 0:
            masks = load_file(run.path / "masks.safetensors")
            assert {name: mask.sum() for name, mask in masks.items()} == nonzero
    assert {row["dead"] > 0 for row in rows(pruned_by_rounds, arm) if row["kept"] < 0.1} == {True}


def test_trained_counts_the_steps_after_the_pruning(pruned_by_rounds: Store) -> None:
    for row in rows(pruned_by_rounds, "ticket"):
        epochs = 2 if row["round"] else 3  # rewound to the first epoch
        assert (row["steps"], row["epochs"]) == (epochs * STEPS_PER_EPOCH, epochs)
        assert row["trained"] is True
        assert pruned_by_rounds.run(row["run"]).status()["gradient_evaluations"] == row["steps"]
    assert {(row["steps"], row["trained"]) for row in rows(pruned_by_rounds, "first")} == {
        (27, True)
    }


def test_rounds_after_a_divergence_were_not_trained(pruned_by_rounds: Store) -> None:
    for row in rows(pruned_by_rounds, "wild"):
        assert row["status"] == "diverged"
        assert (row["trained"], row["steps"] > 0) == ((row["round"] == 0,) * 2)
        if row["round"] > 0:
            assert row["kept"] is row["dead"] is row["nonzero_flops"] is row["layers"] is None


def test_runs_have_the_figures_of_their_last_round(pruned_by_rounds: Store) -> None:
    results = read_results(pruned_by_rounds, "pruned")
    last = {row["run"]: row for row in results.rounds.to_dicts() if row["round"] > 0}
    for run in results.runs.to_dicts():
        for name in ("kept", "effective_density", "dead", "zombies", "nonzero_flops"):
            assert run[name] == last[run["run"]][name]
    assert set(results.masks) == {run for run, row in last.items() if row["status"] == "done"}


def test_dense_runs_have_no_sparsity(small: Store) -> None:
    results = read_results(small, "small")
    assert results.rounds.is_empty() and results.masks == {}
    assert results.runs["kept"].null_count() == len(results.runs)


def test_sql_has_the_same_rows(pruned_by_rounds: Store) -> None:
    found = query(pruned_by_rounds, "SELECT * EXCLUDE study FROM rounds WHERE study = 'pruned'")
    assert found.equals(Results("pruned", pruned_by_rounds, {}).rounds())
    kept = query(
        pruned_by_rounds, "SELECT max(kept) AS kept FROM runs JOIN rounds USING (run, kept)"
    )
    assert kept["kept"].item() == 0.5


def test_a_round_that_is_missing(pruned_by_rounds: Store, tmp_path: Path) -> None:
    shutil.copytree(pruned_by_rounds.root, tmp_path / "out")
    store = Store(tmp_path / "out")
    dense, first, last = rows(store, "ticket")[:3]
    shutil.rmtree(store.run(last["run"]).path)
    status = store.run(first["run"]).path / "status.json"
    record = json.loads(status.read_text())
    del record["sparsity"]["connectivity"]  # a network whose paths cannot be followed
    status.write_text(json.dumps(record))
    renew_checksums(store.root)
    again = rows(store, "ticket")
    assert (again[2]["status"], again[2]["kept"], again[2]["trained"]) == ("missing", None, None)
    assert again[1]["kept"] == first["kept"]
    assert again[1]["effective_density"] is again[1]["nonzero_flops"] is None
    assert again[0] == {
        **dense,
        **dict.fromkeys(("effective_density", "dead", "zombies", "forward_flops", "nonzero_flops")),
    }
