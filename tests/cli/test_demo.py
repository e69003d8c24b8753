import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl

from thalweg.store import Store
from thalweg.store.assemble import read_results


def test_the_demo_ends_with_its_report(
    script: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = script("demo", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "out" / "studies" / "demo"
    page = folder / "report" / "index.html"
    assert done.stdout.splitlines()[-1] == f"report: {page}"
    assert page.read_text(encoding="utf-8").startswith("<!")
    runs = read_results(Store(tmp_path / "out"), "demo").runs
    assert len(runs) == 54
    assert set(runs["status"]) <= {"done", "diverged"}
    best = runs.group_by("arm").agg(pl.col("test_accuracy").max())
    assert len(best) == 4
    assert best["test_accuracy"].min() > 0.85
    for pattern in ("figures/*.png", "figures/*.svg", "tables/*.csv"):
        assert list(folder.glob(pattern))
    assert not list((tmp_path / "out").rglob("checkpoint-*"))
