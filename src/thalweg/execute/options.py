"""Where and how widely a study is executed."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from thalweg.cohort.planner import available_cores
from thalweg.errors import InputError

DeviceName = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Resources:
    """What an execution may use.

    Attributes:
        device: "cpu" or "cuda".
        jobs: Processes; 1 trains in this process.
        threads: Threads a process.
        data: Folder searched first for downloadable data sets.
        backend: "auto", "native" or "autograd".
    """

    device: str
    jobs: int
    threads: int
    data: Path | None = None
    backend: str = "auto"

    @classmethod
    def choose(
        cls,
        device: str = "auto",
        jobs: int | None = None,
        data: Path | None = None,
        backend: str = "auto",
    ) -> "Resources":
        """Fill in what was not asked for: one thread a process and a process a core on a CPU, so
        that cores are never oversubscribed; one process on a GPU. Fewer processes take the cores
        that are left as threads, up to ``OMP_NUM_THREADS`` where that is set: several commands can
        share a machine.

        Raises:
            InputError: The device is not there, there is no such backend, or the number of jobs
                is not positive.
        """
        if backend not in ("auto", "native", "autograd"):
            raise InputError(f"--backend {backend}: must be auto, native or autograd")
        if device not in ("auto", "cpu", "cuda"):
            raise InputError(f"--device {device}: must be auto, cpu or cuda")
        if device == "cuda" and not torch.cuda.is_available():
            raise InputError("--device cuda: PyTorch finds no CUDA device here; use cpu or auto")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if jobs is not None and (type(jobs) is not int or jobs < 1):
            raise InputError(f"--jobs {jobs}: must be a whole number of at least 1")
        cores = available_cores()
        jobs = jobs or (1 if device == "cuda" else cores)
        return cls(device, jobs, _at_most_asked(max(1, cores // jobs)), data, backend)


def _at_most_asked(threads: int) -> int:
    """Return a number of threads, cut to what the environment allows OpenMP's programs."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(threads, int(first)) if first.isdecimal() and int(first) > 0 else threads
