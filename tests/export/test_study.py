"""Exported rounds of pruning against the runs they come from."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from thalweg import Results
from thalweg.data import load_task
from thalweg.errors import InputError
from thalweg.execute.models import build_spec_model
from thalweg.export import export_rounds
from thalweg.sparsity import load_masks
from thalweg.spec import RunSpec
from thalweg.store import RunDirectory, Store
from thalweg.store.assemble import read_results
from thalweg.store.files import read_json

KINDS = ("lottery_ticket_metrics.csv", "sparsity_log.csv")
TRAINED = "lottery_ticket_trained_weights.safetensors"


@pytest.fixture(scope="module")
def folder(pruned_by_rounds: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the whole study."""
    folder = tmp_path_factory.mktemp("exports")
    files = Results("pruned", pruned_by_rounds, {}).export_rounds(folder)
    assert sorted(files) == sorted(path for path in folder.rglob("*") if path.is_file())
    return folder


def lineage(store: Store, arm: str, seed: int) -> list[RunDirectory]:
    record = read_json(store.study_folder("pruned") / "study.json")["rounds"]
    return [store.run(e["run"]) for e in record if (e["arm"], e["seed"]) == (arm, seed)]


def read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_names_are_those_of_the_published_studies(folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    expected = {"imp_recovery.png", "imp_recovery-accuracy.png"}
    for arm, rounds, start in (("ticket", 2, 1), ("ticket-random", 2, 1), ("first", 1, 0)):
        for seed in (0, 1):
            masks = [f"masks/mask_ep{r + 1}" for r in range(rounds)] + ["masks/mask_final"]
            tensors = [*masks, f"theta_k_ep{start}"]
            kinds = [*KINDS, TRAINED, *(f"{name}.safetensors" for name in tensors)]
            expected |= {f"{arm}-seed{seed}_{kind}" for kind in kinds}
    assert names == expected  # and none of the arm that diverged
    assert (folder / "imp_recovery.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("prefix", "arm"), [("ticket", "ticket"), ("ticket-random", "ticket random")]
)
def test_files_agree_with_the_runs(
    pruned_by_rounds: Store, folder: Path, prefix: str, arm: str
) -> None:
    for seed in (0, 1):
        runs = lineage(pruned_by_rounds, arm, seed)
        stem = f"{prefix}-seed{seed}"
        weights = load_file(folder / f"{stem}_{TRAINED}")
        kept = load_file(runs[-1].path / "final.safetensors")
        assert weights.keys() == kept.keys()
        assert all(torch.equal(weights[name], kept[name]) for name in kept)
        final = load_masks(folder / f"{stem}_masks" / "mask_final.safetensors")
        assert all(torch.equal(weights[name] != 0, mask) for name, mask in final.items())
        log = read_csv(folder / f"{stem}_sparsity_log.csv")
        assert [row["round"] for row in log] == [0, 1, 2]
        for number, (row, run) in enumerate(zip(log, runs, strict=True)):
            status = run.status()
            assert (row["accuracy"], row["loss"]) == (status["test_accuracy"], status["test_loss"])
            if number:
                masks = load_masks(folder / f"{stem}_masks" / f"mask_ep{number}.safetensors")
                own = run.masks() or {}
                assert all(torch.equal(masks[name], own[name]) for name in own) and own
                zeros = sum(int((~mask).sum()) for mask in own.values())
                assert row["sparsity"] == pytest.approx(zeros / 1184)
        metrics = read_csv(folder / f"{stem}_lottery_ticket_metrics.csv")
        assert [row["epoch"] for row in metrics] == [1, 2, 3]
        assert metrics[-1]["test_loss"] == log[-1]["loss"]


def test_theta_is_what_the_rounds_rewind_to(pruned_by_rounds: Store, folder: Path) -> None:
    for seed in (0, 1):
        dense, *_ = lineage(pruned_by_rounds, "ticket", seed)
        found = load_file(folder / f"ticket-seed{seed}_theta_k_ep1.safetensors")
        snapshot = dense.load_snapshot("epoch:1")["weights"]
        assert all(torch.equal(found[name], snapshot[name]) for name in snapshot)
        found = load_file(folder / f"first-seed{seed}_theta_k_ep0.safetensors")
        spec = RunSpec.parse(dense.spec())
        initial = build_spec_model(spec, load_task("digits", dict(spec.task.options))).state_dict()
        assert found.keys() == initial.keys() == snapshot.keys()
        assert all(torch.equal(found[name], initial[name]) for name in initial)


def test_a_study_without_rounds_has_none_to_export(pruned_by_rounds: Store, tmp_path: Path) -> None:
    results = read_results(pruned_by_rounds, "pruned")
    results = replace(results, rounds=results.rounds.clear())
    with pytest.raises(InputError, match="'pruned': has no complete rounds of pruning"):
        export_rounds(pruned_by_rounds, results, tmp_path / "exports")
    assert not (tmp_path / "exports").exists()
