"""The long version of the tests of faults (`make soak`): a line a fault, with counts.

Ends with status 1 if anything was lost, trained twice or ended with other bits.
"""

import argparse
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import tomli_w

from execute.conftest import Driver
from execute.test_resume import ARMS, EVERY_CHANGE, LENET5, finals
from thalweg import ThalwegError, load_study
from thalweg.execute import Progress
from thalweg.store import Store

HERE = Path(__file__).parent
STUDY: dict[str, Any] = {
    "study": {"name": "soak", "seeds": 3},
    "task": {"name": "digits"},
    "model": {"name": "mlp", "widths": [32]},
    "train": {"epochs": 8, "batch_size": 16},
    "arms": {**ARMS, "lenet5": {**LENET5, "train": {"epochs": 1, "batch_size": 64}}},
}
TESTS = {
    "files cut short, flipped bits": ["store/test_damage.py", "cli/test_verify.py"],
    "disk full or read-only": ["execute/test_disk.py"],
    "clock jumping back": ["execute/test_clock.py"],
    "two commands on one folder": ["execute/test_concurrent.py"],
    "NaN, infinite loss, exploding gradient": ["execute/test_diverged.py"],
    "data or study changed in between": ["execute/test_changed.py"],
    "optimizers and models that raise, hang, kill": [
        *("execute/test_failures.py", "execute/test_hangs.py", "execute/test_deaths.py"),
        "execute/test_memory.py",
    ],
}
"""Test modules by the fault that they plant."""


def complete(out: Path) -> dict[str, int]:
    """Return when each complete run was completed."""
    store = Store(out) if (out / "store.json").exists() else None
    runs = [run for run in store.runs() if run.is_complete()] if store else []
    return {run.id: (run.path / "status.json").stat().st_mtime_ns for run in runs}


def kill(victim: str, driver: Driver) -> str:
    """Kill a worker, the command alone, or both, at a random moment; return what was killed."""
    workers = [each for each in driver.workers() if each.is_running()]
    if victim == "worker" and workers:
        random.choice(workers).send_signal(signal.SIGKILL)
        return "worker"
    if victim == "command":
        driver.kill()
        psutil.wait_procs(workers, timeout=30)
        return "command"
    driver.kill_all()
    return "both"


def wait_for_workers(driver: Driver) -> None:
    """Wait until the command has its workers and, in half of all cases, until they have begun to
    train; or until it has ended because there is nothing to do.
    """
    began, training = time.time(), random.random() < 0.5
    while driver.process.poll() is None:
        written = (run.stat().st_mtime for run in driver.store.glob("runs/*"))
        if len(driver.workers()) > 1 and (not training or max(written, default=0) > began):
            break
        time.sleep(0.05)


def random_kills(folder: Path, study: Path, kills: int) -> str:
    """Kill at random moments, and check after each that no complete run was touched."""
    whole = folder / "whole"
    load_study(study).run(whole, 2, progress=Progress(quiet=True), backend="autograd")
    expected = finals(whole)
    killed: Counter[str] = Counter()
    studies, out, driver = 0, folder / "0", None
    kept: dict[str, int] = {}
    victims: list[str] = []
    while killed.total() < kills:
        if driver is None:
            driver, victims = Driver(study, out, 2, "autograd"), ["worker", "command", "both"]
            wait_for_workers(driver)
        time.sleep(random.uniform(0, 10))
        if driver.process.poll() is None:
            what = kill(random.choice(victims), driver)
            killed[what] += 1
            # A cohort whose worker dies twice is split, by which it may lose its last bits.
            driver, victims = (driver if what == "worker" else None), ["command", "both"]
        else:
            failures = driver.finish()
            assert failures == {}, failures
            driver = None
        now = complete(out)
        assert kept.items() <= now.items(), "a complete run was lost or trained again"
        kept = now
        if driver is None and len(now) == len(expected):
            assert finals(out) == expected, "other weights than without a kill"
            studies, kept = studies + 1, {}
            out = folder / str(studies)
        print(f"{killed.total()} kills, {studies} studies, {len(now)} runs", file=sys.stderr)
    driver = driver or Driver(study, out, 2, "autograd")
    assert driver.finish() == {}
    assert kept.items() <= complete(out).items(), "a complete run was lost or trained again"
    assert finals(out) == expected, "other weights than without a kill"
    counts = ", ".join(f"{killed[what]} of {name}" for what, name in NAMES.items())
    return (
        f"{killed.total()} kills ({counts}) in {studies + 1} studies of {len(expected)} runs: "
        "none lost, none trained twice, all weights to the bit"
    )


NAMES = {"worker": "a worker", "command": "the command", "both": "both"}


def every_change(folder: Path, study: Path) -> str:
    command = [sys.executable, "-c", EVERY_CHANGE, str(study), str(folder), "autograd", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    moments, runs = done.stdout.split()
    return f"{moments} moments, each in a study of {runs} runs: all weights to the bit"


def small_disks(folder: Path, study: Path) -> str:
    """Run on disks of every number of pages, until one is large enough."""
    whole = folder / "whole"
    load_study(study).run(whole, 1, progress=Progress(quiet=True))
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        return "skipped: mounting needs root"
    failures, size, fits = 0, 8, False
    try:
        while not fits:
            subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)
            try:
                with redirect_stderr(StringIO()):
                    load_study(study).run(disk / "out", 1, progress=Progress(quiet=True))
                fits = True
            except ThalwegError as error:
                assert re.search("cannot (write|be made).*No space left on device", str(error)), (
                    error
                )
                assert "disk" in str(error)
                failures, size = failures + 1, size + 4
        assert finals(disk / "out") == finals(whole)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    return f"{failures} disks, from 8 KiB by 4 KiB, each a sentence; all weights to the bit at last"


def tests(modules: list[str]) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, *(str(HERE / module) for module in modules)],
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parent,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.strip().splitlines()[-1].partition(" in ")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--only", default="", help="faults whose names contain this")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study, small = folder / "soak.toml", folder / "small.toml"
        study.write_text(tomli_w.dumps(STUDY))
        arms = {name: ARMS[name] for name in ("momentum", "rmsprop")}
        train = {"epochs": 2, "batch_size": 64}
        small.write_text(tomli_w.dumps({**STUDY, "train": train, "arms": arms}))
        faults = {
            "kill -9 at random moments": lambda to: random_kills(to, study, arguments.kills),
            "kill -9 instead of every change of the disk": lambda to: every_change(to, small),
            "disk full after every page": lambda to: small_disks(to, small),
            **{name: lambda to, m=modules: tests(m) for name, modules in TESTS.items()},
        }
        failed = 0
        for number, (fault, plant) in enumerate(faults.items()):
            if arguments.only not in fault:
                continue
            start = time.monotonic()
            to = folder / str(number)
            to.mkdir()
            try:
                found = plant(to)
            except AssertionError:
                failed += 1
                kept = tempfile.mkdtemp(prefix="soak-")
                shutil.copytree(to, kept, dirs_exist_ok=True)
                found = f"FAILED, see {kept}\n{traceback.format_exc()}"
            print(f"{fault}: {found} ({time.monotonic() - start:.0f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
