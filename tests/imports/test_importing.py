import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.imports.conftest import (
    FAULTY,
    HEAD,
    SOUND,
    TOTAL,
    figures,
    log,
    masked,
    masks,
    network,
    write_study,
    write_ticket,
)

from thalweg.audit import audit_study
from thalweg.errors import InputError
from thalweg.imports import Imported, import_files
from thalweg.models import build_model
from thalweg.store import Store
from thalweg.store.assemble import read_results
from thalweg.store.query import query

DIGITS = {"task": "digits"}


@pytest.fixture
def imported(tmp_path: Path) -> Callable[..., Imported]:
    """Give a function that imports paths of a folder into one store."""

    def run(*what: Path, study: str = "foreign", **options: Any) -> Imported:
        return import_files(what, study, tmp_path / "results", "thalweg import", **options)

    return run


def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


def test_the_public_study_becomes_arms_and_rounds(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    found = imported(write_study(tmp_path / "public"), **DIGITS)
    assert found.aside == ("analysis/per_layer_results.csv", "prune_train.py")
    results = read_results(store(tmp_path), "foreign")
    runs = {row["arm"]: row for row in results.runs.to_dicts()}
    assert list(runs) == ["eg", "gd", "eg_prune", "gd_prune"]
    assert {row["seed"] for row in runs.values()} == {42}
    assert (runs["gd"]["optimizer"], runs["gd"]["lr"]) == ("gd", 0.022)
    assert runs["gd"]["test_accuracy"] == pytest.approx(0.89)
    assert runs["gd"]["model"] is None
    # The ticket that was trained after its last pruning stands for itself.
    assert runs["eg_prune"]["kept"] == pytest.approx(36 / TOTAL)
    assert runs["eg_prune"]["test_accuracy"] == pytest.approx(0.90)
    assert runs["eg_prune"]["model"] == "rnn"
    # Of the other the last that was trained does, and no figure is given to the last.
    assert runs["gd_prune"]["kept"] == pytest.approx(80 / TOTAL)
    unknown = (
        "steps",
        "seconds",
        "examples",
        "train_loss",
        "batch_size",
        "device",
        "validation_loss",
    )
    assert all(row[name] is None for row in runs.values() for name in unknown)
    rounds = [row for row in results.rounds.to_dicts() if row["arm"] == "gd_prune"]
    assert [row["epochs"] for row in rounds] == [3, 3, 2, 0]
    assert [row["trained"] for row in rounds] == [True, True, True, False]
    accuracies = [row["test_accuracy"] for row in rounds]
    assert accuracies[:3] == pytest.approx([0.84, 0.87, 0.89])
    assert accuracies[3] is None
    assert [row["kept"] for row in rounds] == [1.0, *(kept / TOTAL for _, kept in FAULTY)]


def test_epochs_are_shared_out_between_the_rounds(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    imported(write_study(tmp_path / "public"), **DIGITS)
    frame = query(
        store(tmp_path),
        "SELECT round, list(epoch ORDER BY epoch) AS epochs FROM rounds JOIN metrics USING (run) "
        "WHERE arm = 'eg_prune' GROUP BY round ORDER BY round",
    )
    assert frame["epochs"].to_list() == [[1, 2, 3], [4, 5, 6], [7, 8]]


def test_weights_and_masks_are_kept_to_the_bit(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    root = write_study(tmp_path / "public")
    lineage = next(
        each for each in imported(root, **DIGITS).lineages if each.source.arm == "eg_prune"
    )
    last = store(tmp_path).run(lineage.runs[-1].spec.id)
    theirs = torch.load(root / "prune_out/eg_prune_lottery_ticket_trained_weights.pth")
    kept = torch.load(root / "prune_out/eg_prune_masks/mask_final.pt")
    found, mask = load_file(last.weights_path), last.masks()
    assert mask is not None
    assert all(torch.equal(found[name], value) for name, value in theirs.items())
    assert {f"{name}_mask" for name in mask} == set(kept)
    assert all(torch.equal(mask[key.removesuffix("_mask")], v != 0) for key, v in kept.items())
    start = torch.load(root / "prune_out/eg_prune_theta_k_ep1.pth")
    dense = store(tmp_path).run(lineage.runs[0].spec.id)
    rewound = dense.load_snapshot("epoch:1")["weights"]
    assert all(torch.equal(rewound[name], value) for name, value in start.items())
    assert not dense.weights_path.exists()


def test_prunings_are_told_by_masks_where_there_is_no_log(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    root = write_study(tmp_path / "public")
    with_log = imported(root, **DIGITS)
    (root / "prune_out/gd_prune_sparsity_log.csv").unlink()
    without = imported(root, study="unlogged", **DIGITS)
    for one, other in zip(with_log.lineages, without.lineages, strict=True):
        assert [run.status.get("sparsity") for run in one.runs] == [
            run.status.get("sparsity") for run in other.runs
        ]
        assert [len(run.metrics) for run in one.runs] == [len(run.metrics) for run in other.runs]


def test_the_same_import_adds_nothing_and_a_changed_file_is_a_new_run(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    root = write_study(tmp_path / "public")
    first = imported(root, **DIGITS)
    assert len(first.added) == 2 + 4 + 3
    before = {p: p.read_bytes() for p in sorted((tmp_path / "results").rglob("*.*"))}
    again = imported(root, **DIGITS)
    assert (again.added, again.replaced) == (frozenset(), ())
    moved = imported(shutil.copytree(root, tmp_path / "elsewhere"), **DIGITS)
    assert (moved.added, moved.replaced) == (frozenset(), ())
    assert {p: p.read_bytes() for p in sorted((tmp_path / "results").rglob("*.*"))} == before
    path = root / "out" / "gd_training_metrics.csv"
    path.write_text(figures(8, 1.5, more="0.022,gd,42"))
    changed = imported(root, **DIGITS)
    assert len(changed.added) == len(changed.replaced) == 1
    rows = read_results(store(tmp_path), "foreign").runs.to_dicts()
    assert {row["arm"]: row for row in rows}["gd"]["test_accuracy"] == pytest.approx(0.895)
    assert len(rows) == 4
    assert store(tmp_path).run(changed.replaced[0]).is_complete()


def test_seeds_come_from_names_tables_and_options(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    for seed in range(3):
        (tmp_path / f"sgd_seed{seed}_metrics.csv").write_text(figures(3, seed))
    (tmp_path / "adam_metrics.csv").write_text(
        "epoch,seed,test_acc\n" + "".join(f"{e},{s},0.{80 + s}\n" for s in range(3) for e in (1, 2))
    )
    with pytest.raises(InputError, match="give it with --seed"):
        (tmp_path / "lion_metrics.csv").write_text(figures(3))
        imported(tmp_path, **DIGITS)
    assert not (tmp_path / "results").exists()
    imported(tmp_path, seed=7, **DIGITS)
    rows = read_results(store(tmp_path), "foreign").runs.to_dicts()
    told = {arm: [r["seed"] for r in rows if r["arm"] == arm] for arm in ("sgd", "adam", "lion")}
    assert told == {"sgd": [0, 1, 2], "adam": [0, 1, 2], "lion": [7]}
    assert {row["optimizer"] for row in rows} == {"sgd", "adam", "lion"}


def test_a_sweep_becomes_one_arm_with_a_grid(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    for rate in (0.7, 0.75, 1.1):
        prefix = f"eg_lr{rate:g}"
        write_ticket(tmp_path / "prune_out", prefix, round(10 * rate), SOUND)
    imported(tmp_path / "prune_out", seed=42, **DIGITS)
    results = read_results(store(tmp_path), "foreign")
    rows = results.runs.to_dicts()
    assert {row["arm"] for row in rows} == {"eg"}
    assert sorted((row["point"], row["lr"]) for row in rows) == [
        *(("lr=0.7", 0.7), ("lr=0.75", 0.75), ("lr=1.1", 1.1)),
    ]
    assert json.loads(rows[0]["axes"]) == {"optimizer.lr": rows[0]["lr"]}
    checks = {finding.check for finding in audit_study(store(tmp_path), "foreign")}
    assert checks >= {"grid-edge", "test-selection"}


def test_dense_and_pruned_files_of_one_prefix_are_two_arms(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    (tmp_path / "eg_training_metrics.csv").write_text(figures(8, more="0.7,eg,42"))
    write_ticket(tmp_path, "eg", 3, SOUND)
    arms = [lineage.source.arm for lineage in imported(tmp_path, **DIGITS).lineages]
    assert sorted(arms) == ["eg", "eg_pruned"]


def test_lenet_with_a_mask_and_without_rounds(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    weights = build_model("lenet5", {}, (1, 28, 28), 10, 0, None).state_dict()
    mask = {"fc1.weight": torch.arange(120 * 256).view(120, 256) % 4 == 0}
    weights["fc1.weight"] = weights["fc1.weight"] * mask["fc1.weight"]
    save_file(weights, tmp_path / "adam_seed0.safetensors")
    torch.save({k: v.float() for k, v in mask.items()}, tmp_path / "adam_seed0_mask.pt")
    (tmp_path / "adam_seed0_metrics.csv").write_text(figures(3))
    found = imported(tmp_path)
    ((run,),) = [lineage.runs for lineage in found.lineages]
    assert run.spec.model is not None
    assert (run.spec.model.name, run.status["parameters"]) == ("lenet5", 44_426)
    (row,) = read_results(store(tmp_path), "foreign").runs.to_dicts()
    assert (row["kept"], row["epochs"], row["task"]) == (0.25, 3, None)
    assert [f.check for f in audit_study(store(tmp_path), "foreign")] == ["single-seed"]


def test_pruned_state_dicts_carry_their_masks(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    weights = network(0)
    kept = masks(weights, 50)
    state = {(f"{k}_orig" if f"{k}_mask" in kept else k): v for k, v in weights.items()} | kept
    torch.save({"model_state_dict": state, "epoch": 3}, tmp_path / "gd_checkpoint.pt")
    ((run,),) = [lineage.runs for lineage in imported(tmp_path, seed=1).lineages]
    assert run.weights is not None
    assert run.masks is not None
    expected = masked(weights, kept)
    assert all(torch.equal(run.weights[name], value) for name, value in expected.items())
    assert sum(int(mask.sum()) for mask in run.masks.values()) == 50


def test_a_loss_that_is_no_number_is_a_divergence(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    (tmp_path / "gd_metrics.csv").write_text(f"{HEAD}\n1,2.3,10,2.3,10\n2,nan,10,nan,10\n")
    imported(tmp_path, seed=0)
    (row,) = read_results(store(tmp_path), "foreign").runs.to_dicts()
    assert (row["status"], row["test_loss"], row["test_accuracy"]) == ("diverged", None, None)


def test_a_round_that_diverged_is_told_apart(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    write_ticket(tmp_path / "a", "gd", 0, SOUND)
    lines = figures(8).splitlines()
    lines[5:] = [f"{epoch},nan,10,nan,10" for epoch in range(5, 9)]
    (tmp_path / "a/gd_lottery_ticket_metrics.csv").write_text("\n".join(lines))
    ((*runs,),) = [lineage.runs for lineage in imported(tmp_path / "a", seed=0).lineages]
    assert [run.status["status"] for run in runs] == ["done", "diverged", "diverged"]


def test_faults_planted_in_the_files_are_found_in_the_study(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    root = write_study(tmp_path / "public")
    imported(root, **DIGITS)
    severe = {
        (f.check, f.where.partition(",")[0])
        for f in audit_study(store(tmp_path), "foreign")
        if f.severity == "severe"
    }
    assert severe == {("untrained-ticket", "gd_prune")}
    weights = root / "prune_out/eg_prune_lottery_ticket_trained_weights.pth"
    revived = torch.load(weights)
    outside = torch.load(root / "prune_out/eg_prune_masks/mask_final.pt")["rnn.weight_hh_l0_mask"]
    revived["rnn.weight_hh_l0"][outside == 0] = 1e-3
    torch.save(revived, weights)
    imported(root, study="worse", **DIGITS)
    checks = {f.check for f in audit_study(store(tmp_path), "worse") if f.severity == "severe"}
    assert checks == {"untrained-ticket", "mask-not-held", "sparsity-claim"}


def test_what_log_and_masks_disagree_about_is_told(
    tmp_path: Path, imported: Callable[..., Imported]
) -> None:
    write_ticket(tmp_path / "a", "gd", 0, SOUND)
    (tmp_path / "a/gd_sparsity_log.csv").write_text(log([(3, 121), (6, 36)]))
    found = imported(tmp_path / "a", seed=0)
    assert found.notes == (
        "arm 'gd', seed 0: the log tells 121 of 180 weights after epoch 3, the mask keeps 120 of "
        "180.",
    )
    assert found.notes[0] in read_results(store(tmp_path), "foreign").provenance["warnings"]


class Payload:
    """Runs a command wherever it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("wrap", [False, True])
def test_nothing_is_unpickled(
    tmp_path: Path, imported: Callable[..., Imported], wrap: bool
) -> None:
    mark, path = tmp_path / "run", tmp_path / "gd_weights.pt"
    if wrap:
        torch.save({"fc.weight": torch.zeros(2, 2), "more": Payload(mark)}, path)
    else:
        path.write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(InputError, match=r"gd_weights\.pt: .*must be a state dict") as error:
        imported(path, seed=0)
    assert "\n" not in str(error.value)
    assert not mark.exists()
    assert not (tmp_path / "results").exists()


def _twice(root: Path) -> None:
    (root / "old").mkdir()
    shutil.copy(root / "out/gd_training_metrics.csv", root / "old")


def _two_seeds(root: Path) -> None:
    shutil.copy(root / "out/gd_training_metrics.csv", root / "out/gd_seed42_training_metrics.csv")


def _other_seed(root: Path) -> None:
    shutil.copy(root / "out/gd_training_metrics.csv", root / "out/gd_seed1_training_metrics.csv")


def _late(root: Path) -> None:
    (root / "prune_out/gd_prune_sparsity_log.csv").write_text(log([(3, 120), (6, 80), (9, 36)]))


def _extra_mask(root: Path) -> None:
    folder = root / "prune_out/gd_prune_masks"
    shutil.copy(folder / "mask_ep3.pt", folder / "mask_ep4.pt")


def _other_final(root: Path) -> None:
    folder = root / "prune_out/gd_prune_masks"
    shutil.copy(folder / "mask_ep3.pt", folder / "mask_final.pt")


def _gray(root: Path) -> None:
    grey = {"rnn.weight_hh_l0_mask": torch.full((6, 6), 0.5)}
    torch.save(grey, root / "prune_out/gd_prune_masks/mask_ep3.pt")


def _shape(root: Path) -> None:
    torch.save({"a": torch.ones(3, 3) / 2}, root / "gd_prune_lottery_ticket_trained_weights.pth")
    (root / "prune_out/gd_prune_lottery_ticket_trained_weights.pth").unlink()


def _empty(root: Path) -> None:
    nothing = {"rnn.weight_hh_l0_mask": torch.zeros(0)}
    torch.save(nothing, root / "prune_out/gd_prune_masks/mask_ep3.pt")


def _binary(root: Path) -> None:
    (root / "out/gd_training_metrics.csv").write_bytes(b"\xff\xfe")


def _column(root: Path) -> None:
    (root / "out/gd_training_metrics.csv").write_text("Epoch,Test Loss,Foo\n1,2,3\n")


def _damaged(root: Path) -> None:
    (root / "prune_out/gd_prune_theta_k_ep1.pth").write_bytes(b"PK\3\4")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_twice, "old/gd_training_metrics.csv and out/gd_training_metrics.csv: are both figures"),
        (_two_seeds, "both claim to be arm 'gd', seed 42; leave one out"),
        (_other_seed, "must have one seed, but is told 1 and 42"),
        (_late, "a pruning after epoch 9 is told, but figures end at epoch 8"),
        (_extra_mask, r"mask_ep4\.pt: is of a pruning after epoch 4, but the log tells .* 3, 6, 8"),
        (_other_final, "both claim to be the last mask of arm 'gd_prune', seed 42 and differ"),
        (_gray, r"mask_ep3\.pt: the mask of 'rnn.weight_hh_l0' must hold nothing but 0 and 1"),
        (_shape, "its shapes fit no rnn or lenet5 or lenet5-tanh, or another that --model names"),
        (_empty, r"mask_ep3\.pt: the mask of 'rnn.weight_hh_l0' must hold nothing but 0 and 1"),
        (_binary, r"gd_training_metrics\.csv: cannot be read as a UTF-8 table"),
        (_column, r"out/gd_training_metrics\.csv: unknown column 'Foo'"),
        (_damaged, r"theta_k_ep1\.pth: is no readable file of tensors"),
    ],
)
def test_files_that_are_wrong_are_told_in_a_sentence_and_nothing_is_written(
    tmp_path: Path,
    imported: Callable[..., Imported],
    spoil: Callable[[Path], None],
    sentence: str,
) -> None:
    root = write_study(tmp_path / "public")
    spoil(root)
    with pytest.raises(InputError, match=sentence) as error:
        imported(root, **DIGITS)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "results").exists()
