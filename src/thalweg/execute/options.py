"""Where and how widely a study is executed."""

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
    """

    device: str
    jobs: int
    threads: int
    data: Path | None = None

    @classmethod
    def choose(
        cls, device: str = "auto", jobs: int | None = None, data: Path | None = None
    ) -> "Resources":
        """Fill in what was not asked for: one thread a process and a process a core on a CPU, so
        that cores are never oversubscribed; one process on a GPU.

        Raises:
            InputError: The device is not there, or the number of jobs is not positive.
        """
        if device not in ("auto", "cpu", "cuda"):
            raise InputError(f"--device {device}: must be auto, cpu or cuda")
        if device == "cuda" and not torch.cuda.is_available():
            raise InputError("--device cuda: PyTorch finds no CUDA device here; use cpu or auto")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if jobs is not None and (type(jobs) is not int or jobs < 1):
            raise InputError(f"--jobs {jobs}: must be a whole number of at least 1")
        cores = available_cores()
        if device == "cuda":
            return cls(device, jobs or 1, max(1, cores // (jobs or 1)), data)
        jobs = jobs or cores
        return cls(device, jobs, max(1, cores // jobs), data)
