import os
import random
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import torch

import thalweg as tw
from thalweg.execute import Progress
from thalweg.store.results import METRICS, RUNS

STUDY = """
[study]
name = "small"
seeds = 2
[task]
name = "digits"
[model]
name = "mlp"
[optimizer]
name = "sgd"
lr = [0.1, 0.3]
[train]
epochs = 1
[presets.long]
train.epochs = 2
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def one_core() -> Iterator[None]:
    """Train on one core: threads that wait for one another crawl where all cores are busy."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice(sorted(before))})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("one_core")
def test_a_study_from_file_to_frames_and_report(
    study: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    results = tw.load_study(study).run(tmp_path / "out", jobs=1, progress=Progress(quiet=True))
    assert results.failed == {}
    frame = results.frame()
    assert dict(frame.schema) == RUNS
    assert frame.select("point", "seed", "status").rows() == [
        (point, seed, "done") for point in ("lr=0.1", "lr=0.3") for seed in (0, 1)
    ]
    metrics = results.metrics()
    assert dict(metrics.schema) == METRICS
    assert metrics.group_by("run").agg(pl.col("epoch").sort())["epoch"].to_list() == [[0, 1]] * 4
    report = results.report()
    assert report.path == tmp_path / "out" / "studies" / "small" / "report" / "index.html"
    assert report.path.exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("one_core")
def test_a_run_leaves_pytorch_s_threads_and_random_numbers_alone(
    study: Path, tmp_path: Path
) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(7)
    torch.rand(3)
    state = torch.get_rng_state()
    tw.load_study(study).run(tmp_path / "out", jobs=1, progress=Progress(quiet=True))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32


def test_presets_seeds_and_overrides(study: Path) -> None:
    plan = tw.load_study(study, preset="long", seeds=3, overrides=["optimizer.lr=0.5"]).plan
    assert plan.name == "small-long"
    assert [(spec.seed, spec.train.epochs) for spec in plan.specs] == [(0, 2), (1, 2), (2, 2)]
    assert {spec.optimizer.options["lr"] for spec in plan.specs} == {0.5}


def test_recipes() -> None:
    assert len(tw.recipe("demo").plan.specs) == 54
    assert len(tw.recipe("demo", seeds=1).plan.specs) == 18
    assert tw.recipe("lenet5-starter", preset="quick").plan.name == "lenet5-starter-quick"
    with pytest.raises(tw.InputError, match=r"unknown recipe 'demos'; did you mean 'demo'\?"):
        tw.recipe("demos")


def test_errors_are_of_two_kinds(study: Path, tmp_path: Path) -> None:
    with pytest.raises(tw.InputError, match="--jobs 0"):
        tw.load_study(study).run(tmp_path / "out", jobs=0)
    assert issubclass(tw.InputError, tw.ThalwegError)
    assert issubclass(tw.InputError, ValueError)
    assert not (tmp_path / "out").exists()


def test_a_script_without_a_main_guard_runs_once_with_two_jobs(study: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
            import sys
            from torch import nn
            import thalweg as tw

            print("once")
            results = tw.load_study(sys.argv[1]).run(sys.argv[2], jobs=2)
            print(results.frame()["status"].to_list())
        """)
    )
    command = [sys.executable, str(script), str(study), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "once\n['done', 'done', 'done', 'done']\n"
    assert all(line.startswith("[") for line in done.stderr.splitlines()), done.stderr
