"""Compare what takes how long, in one run, on one machine.

Absolute times move with the machine and with what else runs on it; the ratio of two
measurements made one right after the other moves far less. So the contestants take turns, and
every figure comes with its spread.
"""

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import torch

Measurement = Callable[[], float]
"""Does the work once and returns the seconds that count."""


@dataclass(frozen=True)
class Comparison:
    """Seconds of each label, round by round.

    Attributes:
        seconds: By label; the first label is the baseline of the ratios.
        machine: Processor and number of cores.
        torch: PyTorch's version.
        load: Processes that others kept running on average over the minute before the start: a
            machine that is not quiet slows several threads far more than one.
    """

    seconds: dict[str, list[float]]
    machine: str
    torch: str
    load: float

    def speedups(self, label: str) -> list[float]:
        """Return baseline seconds / seconds of ``label``, round by round: above 1 is faster."""
        baseline = next(iter(self.seconds.values()))
        return [b / s for b, s in zip(baseline, self.seconds[label], strict=True)]

    def ratio(self, label: str, *against: str) -> str:
        """Say how many times as fast ``label`` is as the fastest of others, round by round."""
        fastest = [min(values) for values in zip(*(self.seconds[a] for a in against), strict=True)]
        ratios = [b / s for b, s in zip(fastest, self.seconds[label], strict=True)]
        low, middle, high = spread(ratios)
        peer = against[0] if len(against) == 1 else "the faster of " + " and ".join(against)
        return f"{label}: {middle:.2f} ({low:.2f}–{high:.2f}) times as fast as {peer}"

    def markdown(self) -> str:
        baseline = next(iter(self.seconds))
        lines = [
            f"{self.machine}; torch {self.torch}; load at the start {self.load:.1f}",
            "",
            f"| | min s | median s | max s | times as fast as {baseline} (min–max) |",
            "|---|--:|--:|--:|--:|",
        ]
        for label, seconds in self.seconds.items():
            low, middle, high = spread(seconds)
            slowest, typical, fastest = spread(self.speedups(label))
            lines.append(
                f"| {label} | {low:.4g} | {middle:.4g} | {high:.4g} "
                f"| {typical:.2f} ({slowest:.2f}–{fastest:.2f}) |"
            )
        return "\n".join(lines)

    def write_json(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")


def compare(measurements: dict[str, Measurement], rounds: int) -> Comparison:
    """Run every measurement once a round, in the order given (A B A B ...)."""
    seconds: dict[str, list[float]] = {label: [] for label in measurements}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
    for _ in range(rounds):
        for label, measure in measurements.items():
            seconds[label].append(measure())
    return Comparison(seconds, machine(), torch.__version__, load)


def timed(work: Callable[[], Any]) -> Measurement:
    """Make a measurement of work that does not time itself."""

    def measure() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return measure


def fresh(function: Callable[..., float], *arguments: Any) -> Measurement:
    """Make a measurement that calls ``function`` in a new process each time.

    So that neither threads nor caches of one contestant meet the other. The function must be
    importable, and a script that uses this must guard its entry point with ``__name__``.
    """

    def measure() -> float:
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
            return pool.submit(function, *arguments).result()

    return measure


def matrix_peak(threads: int) -> float:
    """Return the GFLOP/s of the best of several float32 products of 1024³ to 2048³."""
    best = 0.0
    with thread_count(threads):
        for n in (1024, 1536, 2048):
            left, right = torch.rand(n, n), torch.rand(n, n)
            out = torch.empty(n, n)
            multiply = timed(partial(torch.mm, left, right, out=out))
            best = max(best, 2 * n**3 / min(multiply() for _ in range(6)) / 1e9)
    return best


@contextmanager
def thread_count(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def spread(values: list[float]) -> tuple[float, float, float]:
    """Return minimum, median and maximum."""
    return min(values), median(values), max(values)


def machine() -> str:
    """Return the processor's name and the number of cores this process may use."""
    name = platform.processor() or platform.machine()
    description = Path("/proc/cpuinfo")
    if description.exists():
        models = [x for x in description.read_text().splitlines() if x.startswith("model name")]
        name = models[0].partition(":")[2].strip() if models else name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The machine's float32 matrix peak.")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    peak = matrix_peak(arguments.threads)
    print(
        f"{machine()}; torch {torch.__version__}: {peak:.0f} GFLOP/s on {arguments.threads} threads"
    )
