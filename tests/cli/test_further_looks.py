"""What a dry run tells of seeds that may be added."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import RATES

STUDY = RATES.replace("epochs = 1", "epochs = 3")

FINAL = ["--set", "protocol.final_seeds=6", "--set", "arms.quick.optimizer.lr=[0.1, 0.2]"]


@pytest.mark.parametrize(
    ("options", "most", "runs", "looks", "added"),
    [
        ([], 12, 10, [8, 12], 14),  # 5 seeds of two arms, then 7 more of both at most
        ([], 5, 10, [], 0),
        (FINAL, 12, 6, [6, 9, 12], 24),  # two points and one, 2 seeds; the final is of two arms
    ],
)
def test_dry_run_tells_what_looks_add_at_most(
    thalweg: Callable[..., Any],
    tmp_path: Path,
    options: list[str],
    most: int,
    runs: int,
    looks: list[int],
    added: int,
) -> None:
    (tmp_path / "rates.toml").write_text(STUDY)
    asked = ["run", tmp_path / "rates.toml", "--until-resolved", "--max-seeds", most, "--dry-run"]
    found = json.loads(thalweg(*asked, *options, "--out", tmp_path / "out", "--json").stdout)
    assert found["runs"] == runs
    further = found["further_looks"]
    assert (further["seeds"], further["runs"]) == (looks, added)
    assert (further["estimated_seconds"] > 0) == bool(looks)
    told = thalweg(*asked, *options, "--out", tmp_path / "out").stdout
    seeds = ", ".join(map(str, looks))
    sentence = (
        f"looks at {seeds} seeds may follow; they add at most {added} runs, {3 * added} epochs"
    )
    assert (sentence in told) == bool(looks)
    assert not (tmp_path / "out").exists()


def test_dry_run_refuses_what_the_run_would(thalweg: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "rates.toml").write_text(STUDY)
    asked = ["run", tmp_path / "rates.toml", "--until-resolved", "--dry-run"]
    for options, said in (
        (["--max-seeds", 3], "--max-seeds 3: must be at least 5, the seeds at the first look"),
        (["--metric", "test_acuracy"], "did you mean 'test_accuracy'?"),
    ):
        done = thalweg(*asked, *options, "--out", tmp_path / "out")
        assert done.status == 2 and said in done.stderr
