"""Studies and stores of many runs: how long it takes to expand, plan, open and query them.

The runs of the store are those of a study on the built-in digits, of which one is trained; the
others are written by the store's own writer with that one's figures, a little changed. "Command" is
the wall time of a command of its own, the start of Python among it; "inside" is that of the same
work in a process that has imported everything, and has not touched the store before. Without an
index, every run is read. The last line is by how much the process of a run that finds everything
complete grows at most, above its plan.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import fresh, machine, spread, timed
from benchmarks.memory import MEBIBYTE, resident
from thalweg.api import Results, Study
from thalweg.execute import Progress
from thalweg.execute.writers import Writers
from thalweg.store import RunDirectory, Store
from thalweg.store.query import query
from thalweg.study import StudyPlan, build_study, record_study

NAME = "many"
SQL = (
    "SELECT point, avg(test_accuracy) AS accuracy FROM arms JOIN runs USING (run) "
    "GROUP BY point ORDER BY accuracy DESC LIMIT 5"
)
CURVES = "SELECT epoch, avg(test_loss) FROM metrics GROUP BY epoch ORDER BY epoch"


def table(points: int, seeds: int) -> dict[str, object]:
    """Return a study of one arm with so many step sizes and seeds."""
    rates = [round(0.01 * 1.003**i, 9) for i in range(points)]
    return {
        "study": {"name": NAME, "seeds": seeds},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [4]},
        "train": {"epochs": 3, "batch_size": 256},
        "optimizer": {"name": "sgd", "lr": rates},
    }


def expand(points: int, seeds: int) -> float:
    study = table(points, seeds)
    build_study(table(1, 1))  # imports
    return timed(lambda: _count(build_study(study)))()


def _count(plan: StudyPlan) -> int:
    return len({spec.id for spec in plan.specs})


def make(out: Path, runs: int) -> None:
    """Write a store of so many complete runs."""
    plan = build_study(table(runs // 10, 10))
    first = plan.specs[0]
    one = table(1, 1)
    Study(build_study(one)).run(out, jobs=1, progress=Progress(quiet=True))
    store = Store(out)
    pattern = store.run(first.id)
    status, weights = pattern.status(), pattern.weights()
    noise = random.Random(0)
    metrics = [
        {"epoch": epoch, "step": 6 * epoch, "test_loss": 2.0 - 0.1 * epoch, "test_accuracy": 0.1}
        for epoch in range(4)
    ]

    def write(run: RunDirectory, spec: dict[str, object], accuracy: float) -> None:
        run.begin(spec, [run.id])
        run.finish({**status, "test_accuracy": accuracy}, metrics, [], weights)

    with Writers() as writers:
        for spec in plan.specs[1:]:
            writers.submit(write, store.run(spec.id), spec.canonical(), noise.random())
    record_study(plan, store, "benchmarks.store")


def ask(out: Path, sql: str) -> float:
    return timed(lambda: query(Store(out), sql))()


def ask_without_index(out: Path, sql: str) -> float:
    shutil.rmtree(out / "index", ignore_errors=True)
    return ask(out, sql)


def filter_frame(out: Path) -> float:
    def work() -> None:
        frame = Results(NAME, Store(out), {}).frame()
        frame.filter(frame["test_accuracy"] > 0.9)

    return timed(work)()


def rerun(out: Path, runs: int) -> float:
    """Return the seconds of a run of a study that is complete."""
    plan = build_study(table(runs // 10, 10))
    return timed(lambda: Study(plan).run(out, jobs=2, progress=Progress(quiet=True)))()


def command(*arguments: str) -> Callable[[], float]:
    call = [sys.executable, "-c", "from thalweg.cli import main; main()", *arguments]
    return timed(lambda: subprocess.run(call, check=True, stdout=subprocess.DEVNULL))


def growth(out: Path, runs: int) -> float:
    """Return by how many MiB a process grows that runs a complete study, above its plan."""
    plan = build_study(table(runs // 10, 10))
    _count(plan)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = resident("VmRSS")
    Study(plan).run(out, jobs=2, progress=Progress(quiet=True))
    return (resident("VmHWM") - before) / MEBIBYTE


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--expanded", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="keep the store here, and use it if it is made")
    arguments = parser.parse_args()
    runs, out = arguments.runs, arguments.folder or Path(tempfile.mkdtemp()) / "out"
    print(f"{machine()}; load at the start {os.getloadavg()[0]:.1f}\n")
    if not (out / "studies" / NAME / "study.json").exists():
        seconds = timed(lambda: make(out, runs))()
        print(f"a store of {runs:,} runs written in {seconds:.0f} s\n")
    print("| | min s | median s | max s |\n|---|--:|--:|--:|")
    where = ("--out", str(out))
    for label, measure in {
        f"expand {arguments.expanded:,} runs": fresh(expand, arguments.expanded // 10, 10),
        "query, runs, no index: inside": fresh(ask_without_index, out, SQL),
        "query, runs: inside": fresh(ask, out, SQL),
        "query, runs: command": command("query", SQL, *where),
        "query, metrics, no index: inside": fresh(ask_without_index, out, CURVES),
        "query, metrics: inside": fresh(ask, out, CURVES),
        "query, metrics: command": command("query", CURVES, *where),
        "Results.frame(): inside": fresh(filter_frame, out),
        "show: command": command("show", NAME, *where),
        "list optimizers: command": command("list", "optimizers"),
        "run, a tenth of the runs: inside": fresh(rerun, out, runs // 10),
        "run, all complete: inside": fresh(rerun, out, runs),
    }.items():
        low, middle, high = spread([measure() for _ in range(arguments.rounds)])
        print(f"| {label} | {low:.2f} | {middle:.2f} | {high:.2f} |", flush=True)
    few, many = (fresh(growth, out, each)() for each in (runs // 10, runs))
    print(
        f"\nMemory of a run that finds {runs // 10:,} runs complete: +{few:.0f} MiB, of {runs:,}: "
        f"+{many:.0f} MiB; {(many - few) * 1024 / (0.9 * runs):.1f} KiB a run"
    )
    if arguments.folder is None:
        shutil.rmtree(out.parent)


if __name__ == "__main__":
    main()
