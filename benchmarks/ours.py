"""Our side of the comparisons: runs of a spec trained on all cores at once."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier
from time import perf_counter
from typing import Any

import torch

from thalweg.cohort.planner import Plan
from thalweg.execute import Resources, plan_cohorts
from thalweg.execute.train_cohort import prepare
from thalweg.spec import RunSpec

_barrier: Barrier


def train_on_all_cores(table: dict[str, Any], seeds: int, jobs: int, data: str | None) -> float:
    """Train a spec for many seeds; return the seconds of the slowest process.

    The planner groups the runs as it does for a study, one thread a process. Every process
    loads its data and builds its networks first, waits for the others, and only then starts its
    clock; two evaluations on the test split, at the start and at the end, are counted in.
    """
    resources = Resources("cpu", jobs, 1, Path(data) if data else None)
    specs = [RunSpec.parse({**table, "seed": seed}) for seed in range(seeds)]
    cohorts = plan_cohorts(specs, None, resources)
    shares = [cohorts[i::jobs] for i in range(jobs)]
    context = get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _start, (context.Barrier(jobs),)) as pool:
        jobs_done = [
            pool.submit(
                _train, [([s.canonical() for s in c.specs], c.plan) for c in share], resources
            )
            for share in shares
        ]
        return max(job.result() for job in jobs_done)


def _start(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier
    torch.set_num_threads(1)


def _train(cohorts: list[tuple[list[dict[str, Any]], Plan]], resources: Resources) -> float:
    trainings = [
        prepare([RunSpec.parse(spec) for spec in specs], plan, resources)[0]
        for specs, plan in cohorts
    ]
    _barrier.wait()
    start = perf_counter()
    for training in trainings:
        training.run()
    return perf_counter() - start
