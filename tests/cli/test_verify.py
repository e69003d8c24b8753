"""verify, and what other commands say of a damaged file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thalweg.store import Store


@pytest.fixture
def copy(out: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(out, tmp_path / "copy"))


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-90] ^= 1
    path.write_bytes(content)


def test_a_damaged_run_is_warned_of_set_aside_and_trained_again(
    thalweg: Callable[..., Any], copy: Path
) -> None:
    run = next(run for run in Store(copy).runs() if run.status()["status"] == "done")
    weights = run.weights_path.read_bytes()
    damage(run.weights_path)
    sentence = (
        f"thalweg: {run.weights_path}: not readable (its checksum does not match); `thalweg verify "
        "--repair` sets it aside, until then the run counts as missing\n"
    )
    for command in (("show",), ("report",), ("audit", "small"), ("compare",)):
        done = thalweg(*command, "--out", copy)
        assert "Traceback" not in done.stderr
        assert done.stderr.count(sentence) == 1, (command, done)
    rows = json.loads(thalweg("show", "--out", copy, "--json").stdout)
    assert [row["runs"] for row in rows] == ["1 missing, 1 done", "2 diverged"]

    line = f"runs/{run.id}/final.safetensors: its checksum does not match"
    done = thalweg("verify", "--out", copy)
    assert (done.status, done.stderr) == (1, "")
    first, last = done.stdout.splitlines()
    assert first == line and last.startswith("4 runs, 1 studies, ") and last.endswith(": 1 damaged")

    done = thalweg("verify", "--out", copy, "--repair", "--json")
    (found,) = json.loads(done.stdout)["damaged"]
    assert (done.status, found["kind"], found["name"]) == (0, "run", run.id)
    assert Path(found["moved_to"]).exists() and not run.path.exists()
    study = shutil.copy(copy / "studies" / "small" / "study.toml", copy.parent)
    assert thalweg("run", study, "--out", copy, "--jobs", 1).status == 0
    assert run.weights_path.read_bytes() == weights
    done = thalweg("verify", "--out", copy)
    assert (done.status, done.stdout.endswith(": none damaged\n")) == (0, True)


def test_a_damaged_study_is_a_sentence_and_the_others_are_shown(
    thalweg: Callable[..., Any], copy: Path
) -> None:
    record = copy / "studies" / "small" / "study.json"
    shutil.copytree(record.parent, copy / "studies" / "other")
    damage(record)
    done = thalweg("show", "small", "--out", copy)
    assert done.status == 1
    assert done.stderr == (
        f"thalweg: {record}: not readable (its checksum does not match); `thalweg verify --repair` "
        "sets it aside\n"
    )
    for command in (("show",), ("query", "SELECT study FROM arms"), ("audit", copy)):
        where = () if command[0] == "audit" else ("--out", copy)
        done = thalweg(*command, *where)
        assert done.stderr.count(f"{record}: not readable") == 1 and "Traceback" not in done.stderr
    assert {
        row["study"]
        for row in json.loads(
            thalweg("query", "SELECT study FROM arms", "--out", copy, "--json").stdout
        )
    } == {"other"}
    assert thalweg("verify", "--out", copy, "--repair").status == 0
    assert thalweg("verify", "--out", copy).status == 0


def test_a_study_of_which_no_spec_is_whole_is_still_reported(
    thalweg: Callable[..., Any], copy: Path
) -> None:
    for spec in copy.glob("runs/*/spec.json"):
        damage(spec)
    for command in (("report",), ("show",)):
        done = thalweg(*command, "--out", copy)
        assert done.status == 0 and done.stderr.count("counts as missing") == 4
    done = thalweg("audit", "small", "--out", copy)
    assert done.status == 2 and "has no complete run" in done.stderr


def test_a_folder_that_is_no_store_is_wrong_input(
    thalweg: Callable[..., Any], tmp_path: Path
) -> None:
    done = thalweg("verify", "--out", tmp_path)
    assert done.status == 2 and "is no results folder" in done.stderr
