import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    folder = tmp_path / "foreign"
    folder.mkdir()
    (folder / "line.py").write_text("direction = torch.rand(10)\n")
    return folder


def test_a_severe_finding_ends_with_1_and_is_told_whole(
    thalweg: Callable[..., Any], foreign: Path
) -> None:
    done = thalweg("audit", foreign)
    assert done.status == 1
    for word in ("SEVERE  uniform-directions  line.py:1", "fault", "evidence", "consequence"):
        assert word in done.stdout
    assert done.stdout.endswith(f"{foreign}: 1 severe\n")


def test_json_of_a_folder(thalweg: Callable[..., Any], foreign: Path) -> None:
    (found,) = json.loads(thalweg("audit", foreign, "--json").stdout)[str(foreign)]
    assert found.pop("check") == "uniform-directions"
    expected = ("severity", "where", "fault", "evidence", "consequence", "remedy")
    assert tuple(found) == expected


def test_a_recipe_without_fault_ends_with_0(thalweg: Callable[..., Any]) -> None:
    done = thalweg("audit", "demo")
    assert (done.status, done.stdout) == (0, "\ndemo: nothing found\n")
    assert "1 warning" in thalweg("audit", "sparse-lenet5", "--preset", "quick").stdout


def test_results_by_their_folder_their_studys_folder_or_name(
    thalweg: Callable[..., Any], out: Path
) -> None:
    results = [
        thalweg("audit", out, "--json"),
        thalweg("audit", out / "studies" / "small", "--json"),
        thalweg("audit", "small", "--out", out, "--json"),
    ]
    found = [json.loads(done.stdout) for done in results]
    assert {done.status for done in results} == {0}
    assert [*found[0]] == ["small"]
    assert found[0] == found[1] == found[2]
    assert {finding["severity"] for finding in found[0]["small"]} <= {"warning", "note"}


def test_checks_are_listed(thalweg: Callable[..., Any]) -> None:
    rows = json.loads(thalweg("list", "audits", "--json").stdout)
    assert {"untrained-ticket", "rerun"} <= {row["name"] for row in rows}
    assert all(row["studies"] or row["results"] or row["folders"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent"], "absent: is neither a study file"),
        (["absent.toml"], "absent.toml: cannot be read"),
        (["empty"], "holds nothing to audit"),
        (["nothing", "--out", "{out}"], "unknown study 'nothing'"),
        (["small", "--out", "empty"], "is no results folder"),
        (["demo", "--rerun", "2"], "--rerun 2: must be left out"),
        (["{out}", "--rerun", "some"], "--rerun some: must be a whole number"),
        (["{out}", "--preset", "quick"], "--preset quick: must be left out"),
        (["demo", "--preset", "quik"], "quik"),
    ],
)
def test_wrong_input_is_one_sentence(
    arguments: list[str], words: str, thalweg: Callable[..., Any], out: Path
) -> None:
    Path("empty").mkdir()
    done = thalweg("audit", *(argument.format(out=out) for argument in arguments))
    assert (done.status, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
