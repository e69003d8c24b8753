"""Our side of the comparisons: runs trained on all cores at once, as a study trains them."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from threading import Barrier
from time import perf_counter
from typing import Any

import torch

from thalweg.cohort.planner import Plan
from thalweg.execute import Resources, plan_cohorts
from thalweg.execute.prepare import prepare
from thalweg.spec import RunSpec

Table = dict[str, Any]
"""A run as its spec's table."""

_barrier: Barrier


def with_seeds(table: Table, seeds: int) -> list[Table]:
    return [{**table, "seed": seed} for seed in range(seeds)]


def train_on_all_cores(tables: Sequence[Table], jobs: int) -> float:
    """Train runs in so many processes of one thread; return the seconds of the slowest.

    The planner groups the runs as it does for a study. Every process loads its data, examines
    the network and builds one cohort first, waits for the others, and only then starts its
    clock; the networks are built (again) on the clock, as those of a loop over runs are.
    """
    resources = Resources("cpu", jobs, 1)
    cohorts = plan_cohorts([RunSpec.parse(table) for table in tables], None, resources)
    shares = [share for i in range(jobs) if (share := cohorts[i::jobs])]
    context = get_context("spawn")
    with ProcessPoolExecutor(len(shares), context, _start, (context.Barrier(len(shares)),)) as pool:
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


def _train(cohorts: list[tuple[list[Table], Plan]], resources: Resources) -> float:
    parsed = [([RunSpec.parse(spec) for spec in specs], plan) for specs, plan in cohorts]
    prepare(*parsed[0], resources)
    _barrier.wait()
    start = perf_counter()
    for specs, plan in parsed:
        prepare(specs, plan, resources)[0].run()
    return perf_counter() - start
