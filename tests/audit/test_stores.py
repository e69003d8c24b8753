"""Checks that look into the store: faults planted in the files of real results."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.audit.conftest import brief
from tests.cli.conftest import one_core
from tests.store.checksums import renew_checksums

from thalweg.audit import audit_study
from thalweg.errors import InputError
from thalweg.execute import Progress
from thalweg.store import Store
from thalweg.store.assemble import read_results

NAME = "pruned"


@pytest.fixture
def store(pruned_by_rounds: Store, tmp_path: Path) -> Store:
    return Store(shutil.copytree(pruned_by_rounds.root, tmp_path / "out"))


def runs(store: Store, arm: str, round_: int | None = None) -> list[Path]:
    """Folders of an arm's last runs, one a seed, or of those of a round."""
    record = json.loads((store.study_folder(NAME) / "study.json").read_text())
    rows = record["runs"] if round_ is None else record["rounds"]
    chosen = [r for r in rows if r["arm"] == arm and round_ in (None, r.get("round"))]
    return [store.root / "runs" / row["run"] for row in chosen]


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change(path: Path, how: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(path)
    how(tensors)
    save_file(tensors, path)


def revive(store: Store) -> None:
    run = runs(store, "ticket")[0]
    pruned = ~load_file(run / "masks.safetensors")["layers.0.weight"].bool()

    def set_one(weights: dict[str, torch.Tensor]) -> None:
        weights["layers.0.weight"][tuple(pruned.nonzero()[0])] = 0.5

    change(run / "final.safetensors", set_one)


def keep_more(store: Store) -> None:
    for masks in (run / "masks.safetensors" for run in runs(store, "ticket")):
        change(masks, lambda found: found["layers.0.weight"].fill_(True))


def leave_untrained(store: Store) -> None:
    for run in runs(store, "ticket"):
        status = json.loads((run / "status.json").read_text())
        edit(run / "status.json", epochs=1, steps=status["steps"] // status["epochs"])


def shuffle_nothing(store: Store) -> None:
    for ticket, control in zip(runs(store, "ticket"), runs(store, "ticket random"), strict=True):
        shutil.copy(ticket / "masks.safetensors", control / "masks.safetensors")


def freeze(store: Store) -> None:
    for run in runs(store, "first"):
        change(run / "final.safetensors", lambda found: found["layers.0.bias"].zero_())
        spec = json.loads((run / "spec.json").read_text())
        edit(run / "spec.json", optimizer={"name": "sgd_eg", "lr": spec["optimizer"]["lr"]})


def carry(store: Store) -> None:
    first, second = runs(store, "ticket")
    shutil.copy(first / "final.safetensors", second / "final.safetensors")


def mix_sources(store: Store) -> None:
    edit(runs(store, "ticket")[0] / "status.json", source="0123456789abcdef")


def mix_versions(store: Store) -> None:
    for run in runs(store, "first"):
        edit(run / "status.json", versions={"torch": "1.0"})


FAULTS = {
    "mask-not-held": ("severe", revive),
    "sparsity-claim": ("severe", keep_more),
    "untrained-ticket": ("severe", leave_untrained),
    "shuffle-unchanged": ("severe", shuffle_nothing),
    "frozen-parameters": ("severe", freeze),
    "carried-network": ("severe", carry),
}


@pytest.mark.parametrize("check", FAULTS)
def test_planted_fault_is_found(check: str, store: Store) -> None:
    severity, plant = FAULTS[check]
    plant(store)
    renew_checksums(store.root)
    assert (check, severity) in brief(audit_study(store, NAME))


def test_the_results_as_they_are_have_none_of_these(pruned_by_rounds: Store) -> None:
    found = audit_study(pruned_by_rounds, NAME)
    assert audit_study(pruned_by_rounds, read_results(pruned_by_rounds, NAME)) == found
    assert not [finding for finding in found if finding.severity == "severe"]
    assert not {finding.check for finding in found} & {*FAULTS, "mixed-provenance", "reading"}


def test_mixed_sources_and_versions(store: Store) -> None:
    mix_sources(store)
    renew_checksums(store.root)
    assert ("mixed-provenance", "warning") in brief(audit_study(store, NAME))
    mix_versions(store)
    renew_checksums(store.root)
    (severe,) = [f for f in audit_study(store, NAME) if f.severity == "severe"]
    assert (severe.check, "torch 1.0" in severe.evidence) == ("mixed-provenance", True)


def test_missing_runs_are_told_and_none_at_all_is_wrong_input(store: Store) -> None:
    (runs(store, "first")[0] / "status.json").unlink()
    assert ("reading", "warning") in brief(audit_study(store, NAME))
    for status in store.root.glob("runs/*/status.json"):
        status.unlink()
    with pytest.raises(InputError, match="has no complete run"):
        audit_study(store, NAME)


def test_training_again_gives_the_same_or_is_told(store: Store) -> None:
    for run in runs(store, "first"):
        edit(run / "status.json", test_accuracy=0.999)
    renew_checksums(store.root)
    with one_core():
        found = audit_study(store, NAME, again=20, progress=Progress(quiet=True))
    severe = [f for f in found if (f.check, f.severity) == ("rerun", "severe")]
    assert len(severe) == 2
    assert all("test_accuracy 0.999 → " in finding.evidence for finding in severe)
    (note,) = [f for f in found if (f.check, f.severity) == ("rerun", "note")]
    assert note.evidence == "4 of 6 ended with the same weights and figures to the bit"
