"""Exported studies against the runs they come from."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from thalweg import Results, Study
from thalweg.data import load_task
from thalweg.errors import InputError
from thalweg.execute import Progress
from thalweg.execute.models import build_spec_model, load_named_task
from thalweg.export import export_study
from thalweg.sparsity import load_masks
from thalweg.spec import RunSpec
from thalweg.store import RunDirectory, Store
from thalweg.store.assemble import read_results
from thalweg.store.files import read_json
from thalweg.study import build_study

METRICS = ["Epoch", "Train Loss", "Train Acc (%)", "Test Loss", "Test Acc (%)"]
SPARSITY = ["Epoch", "Remaining Fraction", "Pruned Fraction", "Nonzeros", "Total"]
KINDS = ("lottery_ticket_metrics.csv", "sparsity_log.csv")
TRAINED = "lottery_ticket_trained_weights.pth"

Row = dict[str, Any]


@pytest.fixture(scope="module")
def folder(pruned_by_rounds: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the whole study."""
    folder = tmp_path_factory.mktemp("exports")
    files = Results("pruned", pruned_by_rounds, {}).export(folder)
    assert sorted(files) == sorted(path for path in folder.rglob("*") if path.is_file())
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of a study without rounds; not to be written to."""
    schedule = {"name": "step", "every_epochs": 2, "gamma": 0.5}
    table = {
        "study": {"name": "plain", "seeds": [42]},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [8]},
        "train": {"epochs": 4, "batch_size": 256, "schedule": schedule},
        "arms": {
            "gd": {"optimizer": {"name": "sgd", "lr": [0.2, 0.1]}},
            "eg": {"optimizer": {"name": "sgd_eg", "lr": 0.2}, "train": {"evaluate_every": 2}},
            "adam": {"optimizer": {"name": "adam", "lr": 0.01}},
        },
    }
    store = tmp_path_factory.mktemp("plain") / "out"
    Study(build_study(table)).run(store, jobs=1, progress=Progress(quiet=True))
    return Store(store)


def lineage(store: Store, arm: str, seed: int) -> list[RunDirectory]:
    record = read_json(store.study_folder("pruned") / "study.json")["rounds"]
    return [store.run(e["run"]) for e in record if (e["arm"], e["seed"]) == (arm, seed)]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def tensors(path: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return found


def test_names_are_those_of_the_published_studies(folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    expected = {"imp_recovery.png", "imp_recovery-accuracy.png"}
    # Trainings of three epochs: pruned after the dense one, and again after two epochs more.
    for arm, prunings, start in (
        ("ticket", (3, 5), 1),
        ("ticket-random", (3, 5), 1),
        ("first", (3,), 0),
    ):
        for seed in (0, 1):
            masks = [*(f"masks/mask_ep{epoch}.pt" for epoch in prunings), "masks/mask_final.pt"]
            kinds = [*KINDS, TRAINED, *masks, f"theta_k_ep{start}.pth"]
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
        weights = tensors(folder / f"{stem}_{TRAINED}")
        kept = load_file(runs[-1].path / "final.safetensors")
        assert weights.keys() == kept.keys()
        assert all(torch.equal(weights[name], kept[name]) for name in kept)
        spec = RunSpec.parse(runs[-1].spec())
        model = build_spec_model(spec, load_named_task(spec.task, None))
        assert list(weights) == list(model.state_dict()) != sorted(weights)
        final = tensors(folder / f"{stem}_masks" / "mask_final.pt")
        assert set(final) == {f"{name}_mask" for name in runs[-1].masks() or {}} != set()
        for key, mask in final.items():
            assert mask.dtype == torch.float32
            assert torch.equal(weights[key.removesuffix("_mask")] != 0, mask.bool())
        log = read_csv(folder / f"{stem}_sparsity_log.csv")
        assert list(log[0]) == [*SPARSITY, "round", "accuracy", "loss"]
        assert [row["Epoch"] for row in log] == ["3", "5"]
        assert [row["round"] for row in log] == ["1", "2"]
        for row, run in zip(log, runs[1:], strict=True):
            status = run.status()
            assert float(row["accuracy"]) == status["test_accuracy"]
            assert float(row["loss"]) == status["test_loss"]
            path = folder / f"{stem}_masks" / f"mask_ep{row['Epoch']}.pt"
            masks, own = load_masks(path), run.masks() or {}
            assert own and all(torch.equal(masks[name], own[name]) for name in own)
            ones = sum(int(mask.sum()) for mask in own.values())
            assert (int(row["Nonzeros"]), int(row["Total"])) == (ones, 1184)
            assert float(row["Remaining Fraction"]) == ones / 1184
            assert float(row["Pruned Fraction"]) == 1 - ones / 1184


def test_metrics_count_the_epochs_of_all_rounds(pruned_by_rounds: Store, folder: Path) -> None:
    for arm, start, rounds in (("ticket", 1, 2), ("first", 0, 1)):
        runs = lineage(pruned_by_rounds, arm, 0)
        rows = read_csv(folder / f"{arm}-seed0_lottery_ticket_metrics.csv")
        assert list(rows[0]) == [*METRICS, "round", "round_epoch"]
        counted = [(0, 1), (0, 2), (0, 3)]
        counted += [(r + 1, e) for r in range(rounds) for e in range(start + 1, 4)]
        assert [(int(row["round"]), int(row["round_epoch"])) for row in rows] == counted
        assert [int(row["Epoch"]) for row in rows] == list(range(1, len(counted) + 1))
        for row in rows:
            own = pl.read_parquet(runs[int(row["round"])].path / "metrics.parquet")
            found = own.row(by_predicate=pl.col("epoch") == int(row["round_epoch"]), named=True)
            assert float(row["Train Loss"]) == found["train_loss"]
            assert float(row["Test Loss"]) == found["test_loss"]
            assert float(row["Test Acc (%)"]) == 100 * found["test_accuracy"]
            assert row["Train Acc (%)"] == ""  # which is measured nowhere


def test_a_rewind_into_an_epoch_counts_what_is_left_of_it(tmp_path: Path) -> None:
    table = {
        "study": {"name": "steps", "seeds": 1},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [8]},
        "train": {"epochs": 2, "batch_size": 256},
        "optimizer": {"name": "sgd", "lr": 0.1},
        "sparsity": {"name": "imp", "keep": [0.5, 0.2], "rewind": "step:1"},
    }
    results = Study(build_study(table)).run(tmp_path, jobs=1, progress=Progress(quiet=True))
    results.export(tmp_path / "there", prefix="run")
    rows = read_csv(tmp_path / "there" / "run_lottery_ticket_metrics.csv")
    assert [int(row["Epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [int(row["round_epoch"]) for row in rows] == [1, 2] * 3
    names = {path.name for path in (tmp_path / "there").rglob("*.p*t*")}
    assert {"mask_ep2.pt", "mask_ep4.pt", "mask_final.pt", "run_theta_k_step1.pth"} <= names


def test_theta_is_what_the_rounds_rewind_to(pruned_by_rounds: Store, folder: Path) -> None:
    for seed in (0, 1):
        dense, *_ = lineage(pruned_by_rounds, "ticket", seed)
        found = tensors(folder / f"ticket-seed{seed}_theta_k_ep1.pth")
        snapshot = dense.load_snapshot("epoch:1")["weights"]
        assert all(torch.equal(found[name], snapshot[name]) for name in snapshot)
        found = tensors(folder / f"first-seed{seed}_theta_k_ep0.pth")
        spec = RunSpec.parse(dense.spec())
        initial = build_spec_model(spec, load_task("digits", dict(spec.task.options))).state_dict()
        assert found.keys() == initial.keys() == snapshot.keys()
        assert all(torch.equal(found[name], initial[name]) for name in initial)


def test_metrics_of_trainings(plain: Store, tmp_path: Path) -> None:
    results = read_results(plain, "plain")
    files = export_study(plain, results, tmp_path)
    tables = {path.name.removesuffix("_training_metrics.csv"): read_csv(path) for path in files}
    assert set(tables) == {"gd-lr-0.2", "gd-lr-0.1", "eg", "adam"}
    named = {"gd-lr-0.2": ("gd", "lr=0.2"), "gd-lr-0.1": ("gd", "lr=0.1")}
    for prefix, rows in tables.items():
        arm, point = named.get(prefix, (prefix, ""))
        run = results.runs.row(
            by_predicate=(pl.col("arm") == arm) & (pl.col("point") == point), named=True
        )
        assert list(rows[0]) == [*METRICS, "LR", "Alg", "Seed"]
        assert [row["Epoch"] for row in rows] == (["2", "4"] if arm == "eg" else list("1234"))
        assert {(row["Alg"], row["Seed"]) for row in rows} == {(arm, "42")}
        base = json.loads(run["hyperparameters"])["lr"]
        rates = {1: base, 2: base, 3: base / 2, 4: base / 2}
        assert all(float(r["LR"]) == pytest.approx(rates[int(r["Epoch"])]) for r in rows)
        assert float(rows[-1]["Test Acc (%)"]) == 100 * run["test_accuracy"]
        assert float(rows[-1]["Test Loss"]) == pytest.approx(run["test_loss"])
        assert {row["Train Acc (%)"] for row in rows} == {""}
        own = pl.read_parquet(plain.run(run["run"]).path / "metrics.parquet")
        losses = own.filter(pl.col("epoch") > 0)["train_loss"].to_list()
        assert [float(row["Train Loss"]) for row in rows] == losses


def test_a_prefix_stands_for_the_only_arm(plain: Store, tmp_path: Path) -> None:
    results = read_results(plain, "plain")
    with pytest.raises(
        InputError, match="--prefix mine: must be left out for several arms, gd, eg"
    ):
        export_study(plain, results, tmp_path / "none", prefix="mine")
    one = replace(results, runs=results.runs.filter(pl.col("arm") == "gd"))
    files = export_study(plain, one, tmp_path, prefix="my run")
    names = {"my-run-lr-0.2_training_metrics.csv", "my-run-lr-0.1_training_metrics.csv"}
    assert {path.name for path in files} == names
    with pytest.raises(InputError, match=r"--prefix '\*': must have a letter or a digit"):
        export_study(plain, one, tmp_path / "none", prefix="*")
    assert not (tmp_path / "none").exists()


def test_a_study_with_nothing_complete_has_nothing_to_export(plain: Store, tmp_path: Path) -> None:
    results = read_results(plain, "plain")
    results = replace(results, runs=results.runs.clear())
    with pytest.raises(InputError, match="'plain': has no complete training; run it first"):
        export_study(plain, results, tmp_path / "exports")
    assert not (tmp_path / "exports").exists()
