"""A system clock that jumps back, for a command and its workers: by a library loaded before C's."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thalweg import Results
from thalweg.store import Store

JUMPING = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static unsigned calls;
/* Every reading of the clock is a day earlier than the one before; what only ever rises is left. */
int clock_gettime(clockid_t id, struct timespec *t) {
    long failed = syscall(SYS_clock_gettime, id, t);
    if (!failed && id == CLOCK_REALTIME) t->tv_sec -= 86400L * ++calls;
    return (int)failed;
}
"""


def test_a_clock_that_jumps_back_changes_nothing(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    start: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    source, library = tmp_path / "jumping.c", tmp_path / "jumping.so"
    source.write_text(JUMPING)
    build = [compiler, "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    study = write_study(train={"epochs": 40, "batch_size": 16})
    whole = run_here(study, tmp_path / "whole")

    out = tmp_path / "out"
    monkeypatch.setenv("LD_PRELOAD", str(library))
    driver = start(study, out, 1)
    runs = out / "runs"
    driver.wait_until(lambda: list(runs.glob("*/checkpoint-*")) or len(finals(out)) == 2)
    driver.kill_all()
    assert start(study, out, 1).finish() == {}
    assert finals(out) == finals(whole.store.root)
    for run in Store(out).runs():
        status = run.status()
        assert status["seconds"] >= 0
        assert status["finished"] < whole.store.run(run.id).status()["finished"]  # it did jump


def finals(out: Path) -> dict[str, bytes]:
    return {p.parent.name: p.read_bytes() for p in out.glob("runs/*/final.safetensors")}
