import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from thalweg import Results, load_study
from thalweg.execute import Resources, plan_cohorts
from thalweg.native import available
from thalweg.store import RunDirectory, Store

ARMS = {
    "momentum": {"optimizer": {"name": "sgd", "momentum": 0.9, "lr": 0.03}},
    "adam": {"optimizer": {"name": "adam", "lr": 0.003}},
    "sgd_eg": {"optimizer": {"name": "sgd_eg", "momentum": 0.9, "lr": 0.03}},
    "rmsprop": {"optimizer": {"name": "torch.optim:RMSprop", "lr": 0.001}},
}

LENET5 = {
    "task": {"name": "digits", "size": 28},
    "model": {"name": "lenet5"},
    "optimizer": {"name": "sgd", "momentum": 0.9, "lr": 0.03},
}

EVERY_CHANGE = """
import json, os, random, signal, sys
from pathlib import Path
study, folder, backend, stride = sys.argv[1:]
os.sched_setaffinity(0, {random.choice(sorted(os.sched_getaffinity(0)))})

import thalweg
from thalweg.execute import Progress, Resources, keeper, plan_cohorts
from thalweg.store import files, run_directory, store
from thalweg.study import record

study = thalweg.load_study(study, trust=True)
plan_cohorts(study.plan.specs, None, Resources("cpu", 1, 1))  # loads the data, once for all
keeper.CHECKPOINT_SECONDS = 0  # a checkpoint an epoch
whole = files.write_whole
changes = 0

def attempt(out, last):
    '''Run the study in a child that kills itself instead of one change of the disk; tell whether
    it did.'''
    child = os.fork()
    if child == 0:
        def killing(change):
            def instead(*args, **options):
                global changes
                changes += 1
                if changes == last:
                    os.kill(os.getpid(), signal.SIGKILL)
                change(*args, **options)
            return instead

        for module in (files, run_directory, record):
            module.write_whole = killing(whole)
        kind = run_directory.RunDirectory
        kind.drop_checkpoints = killing(kind.drop_checkpoints)
        kind.complete = killing(kind.complete)
        study.run(out, 1, progress=Progress(quiet=True), backend=backend)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

def finals(out):
    return {p.parent.name: p.read_bytes() for p in Path(out).glob("runs/*/final.safetensors")}

assert not attempt(f"{folder}/whole", 0)
expected = finals(f"{folder}/whole")
last = random.randint(1, int(stride))
moments = 0
while attempt(f"{folder}/{last}", last):
    assert not attempt(f"{folder}/{last}", 0), last
    assert finals(f"{folder}/{last}") == expected, last
    assert not [*Path(folder, str(last)).glob("runs/*/checkpoint-*")], last
    last += int(stride)
    moments += 1
print(moments, len(expected))
"""


def finals(out: Path) -> dict[str, bytes]:
    return {p.parent.name: p.read_bytes() for p in out.glob("runs/*/final.safetensors")}


def mtimes(out: Path) -> dict[Path, int]:
    files = (path for path in (out / "runs").rglob("*") if path.is_file())
    return {path: path.stat().st_mtime_ns for path in files}


def statuses(out: Path) -> Counter[str]:
    """Count the runs by status; none where there is no results folder yet."""
    found = Store(out).runs() if (out / "store.json").exists() else ()
    return Counter(run.status()["status"] for run in found)


@pytest.mark.parametrize(
    ("jobs", "backend", "epochs", "kills"),
    [
        (2, "autograd", 0, 1),
        pytest.param(1, "autograd", 2, 2, marks=pytest.mark.slow),
        pytest.param(2, "autograd", 1, 4, marks=pytest.mark.slow),
        pytest.param(1, "native", 20, 2, marks=pytest.mark.slow),
    ],
)
def test_killed_at_random_moments_it_ends_with_the_very_bits(
    tmp_path: Path,
    write_study: Callable[..., Path],
    start: Callable[..., Any],
    run_here: Callable[..., Results],
    jobs: int,
    backend: str,
    epochs: int,
    kills: int,
) -> None:
    """``epochs`` are of LeNet-5, three times as many of the others; 0 leaves it out."""
    if backend == "native" and not available():
        pytest.skip("the compiled kernels are not available here")
    lenet5 = {**LENET5, "train": {"epochs": epochs, "batch_size": 64}}
    arms = {**ARMS, "lenet5": lenet5} if epochs else ARMS
    study = write_study(
        study={"name": "study", "seeds": 3},
        model={"name": "mlp", "widths": [32]},
        train={"epochs": 3 * max(epochs, 1), "batch_size": 16},
        arms=arms,
    )
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run_here(study, whole, jobs, backend)
    assert len(finals(whole)) == 3 * len(arms)

    for _ in range(kills):
        complete = statuses(broken)["done"]
        driver = start(study, broken, jobs, backend)
        driver.wait_until(lambda before=complete: statuses(broken)["done"] > before)
        time.sleep(random.uniform(0, 0.5))
        driver.kill_all()
    assert statuses(broken)["done"] < 3 * len(arms), "it was done before it could be killed"
    run_here(study, broken, jobs, backend)
    assert finals(broken) == finals(whole)
    for run in Store(broken).runs():
        status, expected = run.status(), Store(whole).run(run.id).status()
        for figure in ("epochs", "steps", "examples", "gradient_evaluations"):
            assert status[figure] == expected[figure]
        assert status["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-5)
    assert not list(broken.glob("runs/*/checkpoint-*"))


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_instead_of_any_change_it_ends_with_the_very_bits(
    tmp_path: Path, write_study: Callable[..., Path], stride: int
) -> None:
    """Among them: between the checkpoints, the finals and the statuses of a cohort's members."""
    study = write_study(arms={"momentum": ARMS["momentum"]})
    arguments = [str(study), str(tmp_path), "autograd", str(stride)]
    command = [sys.executable, "-c", EVERY_CHANGE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kills, runs = map(int, done.stdout.split())
    # store, study 2, begin 4, checkpoints 4, finals 8, completions 2, removals 6
    assert (-(-27 // stride) - 1 <= kills <= -(-27 // stride), runs) == (True, 2)


def test_a_cohort_killed_between_its_statuses_is_not_trained_again(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those left could not be trained to the same bits without those that are complete."""
    study = write_study(study={"name": "study", "seeds": 3})
    whole = run_here(study, tmp_path / "whole", backend="autograd")
    out = tmp_path / "out"
    completed = RunDirectory.complete

    def once(run: RunDirectory) -> None:
        if statuses(out)["done"]:
            raise KeyboardInterrupt
        completed(run)

    monkeypatch.setattr(RunDirectory, "complete", once)
    with pytest.raises(KeyboardInterrupt):
        run_here(study, out, backend="autograd")
    assert statuses(out) == {"done": 1, "running": 2}
    monkeypatch.setattr(RunDirectory, "complete", completed)
    monkeypatch.setattr("thalweg.execute.train_cohort.prepare", None)  # nothing is to be trained
    run_here(study, out, backend="autograd")
    assert statuses(out) == {"done": 3}
    assert finals(out) == finals(whole.store.root)
    assert not list(out.glob("runs/*/finished.json"))
    assert not list(out.glob("runs/*/checkpoint-*"))


def test_what_is_lost_is_the_epoch_in_flight(
    tmp_path: Path,
    write_study: Callable[..., Path],
    start: Callable[..., Any],
    run_here: Callable[..., Results],
) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    model = {"name": "strangers:Slow", "pause": 0.12, "log": str(log)}
    study = write_study(
        study={"name": "study", "seeds": 1}, model=model, train={"epochs": 4, "batch_size": 128}
    )
    steps = 9  # an epoch: 1150 examples in batches of 128, a little over a second

    def taken() -> int:
        return len(log.read_text().splitlines()) if log.exists() else 0

    driver = start(study, out, 1)
    driver.wait_until(lambda: taken() > 2 * steps + steps // 2)  # in the midst of epoch 3
    driver.kill_all()
    before = taken()
    (run,) = Store(out).runs()
    assert sorted(run.checkpoints()) == [2]
    run_here(study, out)
    assert taken() - before == 2 * steps
    assert run.status()["steps"] == 4 * steps
    assert run.status()["examples"] == 4 * 1150


def test_workers_end_by_themselves_when_the_driver_is_killed(
    tmp_path: Path, write_study: Callable[..., Path], start: Callable[..., Any]
) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    study = write_study(
        model={"name": "strangers:Slow", "pause": 0.5, "log": str(log)},
        train={"epochs": 50, "batch_size": 64},
    )
    driver = start(study, out, 2)
    driver.wait_until(lambda: log.exists() and len(set(log.read_text().split())) == 2)
    workers = driver.workers()
    assert len(workers) == 2
    driver.kill()
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
    assert statuses(out) == {"running": 2}
    for run in Store(out).runs():
        lock = run.try_lock()
        assert lock is not None
        lock.release()


def test_nothing_is_trained_twice(
    tmp_path: Path, write_study: Callable[..., Path], run_here: Callable[..., Results]
) -> None:
    out = tmp_path / "out"
    study = write_study()
    run_here(study, out)
    two_seeds = mtimes(out)
    for run in Store(out).runs():  # leftovers of killed writers do no harm
        (run.path / ".status.json.0123456789abcdef").write_text("{")
        (run.path / ".metrics.parquet.0123456789abcdef").write_bytes(b"PAR1")
    run_here(study, out)
    assert mtimes(out) == two_seeds

    run_here(study, out, seeds=3)
    three_seeds = mtimes(out)
    assert two_seeds.items() < three_seeds.items()
    assert statuses(out) == {"done": 3}

    adam = {"optimizer": {"name": "adam", "lr": 0.01}}
    arms = write_study("arms", study={"name": "arms", "seeds": 3}, arms={"sgd": {}, "adam": adam})
    run_here(arms, out)
    assert three_seeds.items() < mtimes(out).items()
    assert statuses(out) == {"done": 6}


def test_who_trains_with_whom_does_not_depend_on_what_is_complete(
    tmp_path: Path, write_study: Callable[..., Path]
) -> None:
    specs = load_study(write_study(study={"name": "study", "seeds": 8})).plan.specs
    store = Store(tmp_path / "out", create=True)
    resources = Resources("cpu", jobs=2, threads=1)
    first, second = plan_cohorts(specs, store, resources)
    assert len(first.ids) == len(second.ids) == 4
    assert plan_cohorts(specs, store, resources, second.ids) == [second]

    for spec in second.specs:  # interrupted, and later more seeds are asked for
        store.run(spec.id).begin(spec.canonical(), second.ids)
    more = load_study(write_study(study={"name": "study", "seeds": 12})).plan.specs
    missing = [spec.id for spec in more[4:]]
    assert second in plan_cohorts(more, store, resources, missing)


def test_a_run_that_was_left_over_is_put_back_as_it_was_computed(
    tmp_path: Path, write_study: Callable[..., Path]
) -> None:
    specs = load_study(write_study(study={"name": "study", "seeds": 3})).plan.specs
    store = Store(tmp_path / "out", create=True)
    resources = Resources("cpu", jobs=2, threads=1, backend="autograd")
    pair, alone = plan_cohorts(specs, store, resources)
    assert [len(pair.ids), len(alone.ids)] == [2, 1]
    assert pair.plan.backend == "autograd-stacked"
    for cohort in (pair, alone):
        for spec in cohort.specs:
            store.run(spec.id).begin(spec.canonical(), cohort.ids)
    assert plan_cohorts(specs, store, resources) == [pair, alone]
