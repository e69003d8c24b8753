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
        on: Address of the Ray cluster that the processes are on; None for this machine.
    """

    device: str
    jobs: int
    threads: int
    data: Path | None = None
    backend: str = "auto"
    on: str | None = None

    @property
    def threads_here(self) -> int:
        """Threads for what this process itself computes while no worker does."""
        return self.threads * self.jobs if self.on is None else available_cores()

    @classmethod
    def choose(
        cls,
        device: str = "auto",
        jobs: int | None = None,
        data: Path | None = None,
        backend: str = "auto",
        on: str | None = None,
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
        if jobs is not None and (type(jobs) is not int or jobs < 1):
            raise InputError(f"--jobs {jobs}: must be a whole number of at least 1")
        if on is not None:
            from thalweg.execute.ray_cluster import connect  # Ray need not be installed

            cluster = connect(on)
            device, jobs, threads = cluster.share(device, jobs)
            return cls(device, jobs, threads, data, backend, on)
        if device == "cuda" and not torch.cuda.is_available():
            raise InputError("--device cuda: PyTorch finds no CUDA device here; use cpu or auto")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        cores = available_cores()
        jobs = jobs or (1 if device == "cuda" else cores)
        return cls(device, jobs, _at_most_asked(max(1, cores // jobs)), data, backend)


def _at_most_asked(threads: int) -> int:
    """Return a number of threads, cut to what the environment allows OpenMP's programs."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(threads, int(first)) if first.isdecimal() and int(first) > 0 else threads
