"""Execute runs: plan cohorts, train them here or in worker processes, follow them."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from thalweg.errors import ThalwegError
from thalweg.execute.grouping import CohortPlan, plan_cohorts
from thalweg.execute.options import Resources
from thalweg.execute.pool import Pool
from thalweg.execute.progress import Progress
from thalweg.execute.train_cohort import train_cohort
from thalweg.spec import RunSpec
from thalweg.store import Store

POLL_SECONDS = 0.5
"""How often a run in another process's hands is looked at."""


@dataclass
class Outcome:
    """What an execution found and did.

    Attributes:
        reused: Runs that were complete before.
        trained: Runs completed now, by this process or another one.
        failed: Runs that failed, with the reason of each.
    """

    reused: list[str] = field(default_factory=list)
    trained: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def execute(
    specs: Sequence[RunSpec], store: Store, resources: Resources, progress: Progress
) -> Outcome:
    """Train whatever of the runs is not complete yet.

    Runs that another process is training are left to it and waited for; should that process
    die, they are trained here.

    Raises:
        ThalwegError: The store cannot be written, or workers keep dying.
        KeyboardInterrupt: Stopped by the user; every completed epoch is kept.
    """
    unique = {spec.id: spec for spec in specs}
    outcome = Outcome(reused=[i for i in unique if store.run(i).is_complete()])
    for run_id in outcome.reused:
        store.run(run_id).remove_leftovers()
    pending = {i: spec for i, spec in unique.items() if i not in outcome.reused}
    while pending:
        cohorts = plan_cohorts(list(unique.values()), store, resources, pending)
        progress.start(cohorts, len(outcome.reused) + len(outcome.trained), len(unique))
        _train(cohorts, store, resources, progress)
        for run_id in list(pending):
            status = store.run(run_id).status()
            if status["status"] in ("done", "diverged"):
                outcome.trained.append(run_id)
                del pending[run_id]
            elif status["status"] == "failed":
                outcome.failed[run_id] = status["message"]
                del pending[run_id]
        if pending:
            progress.wait()
            _wait_for_others(pending, store)
    progress.finish()
    return outcome


def _train(
    cohorts: list[CohortPlan], store: Store, resources: Resources, progress: Progress
) -> None:
    if min(resources.jobs, len(cohorts)) == 1:
        with use_threads(resources.threads):
            for cohort in cohorts:
                progress.begin(0, cohort)
                train_cohort(
                    cohort.specs,
                    cohort.plan,
                    store,
                    resources,
                    lambda event: progress.update(0, event),
                )
                progress.end(0, cohort)
        return
    queue = deque(cohorts)
    active: dict[int, CohortPlan] = {}
    with Pool(resources, store.root, len(cohorts)) as pool:
        idle = 0
        while idle < len(pool):
            worker, event = pool.events.get()
            if event["event"] == "epoch":
                progress.update(worker, event)
                continue
            if event["event"] == "error":
                raise ThalwegError(event["message"])
            if event["event"] == "dead":
                raise ThalwegError(
                    f"a worker process ended unexpectedly (exit status {event['status']}); what is "
                    "complete is kept, run the same command to go on"
                )
            if worker in active:
                progress.end(worker, active.pop(worker))
            if queue:
                active[worker] = queue.popleft()
                progress.begin(worker, active[worker])
                pool.submit(worker, active[worker])
            else:
                idle += 1


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Use so many threads within a block, and the caller's number again afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _wait_for_others(pending: dict[str, Any], store: Store) -> None:
    """Wait until one of the runs in other hands is complete or was let go."""
    while True:
        for run_id in pending:
            lock = store.run(run_id).try_lock()
            if lock is not None:
                lock.release()
                return
        time.sleep(POLL_SECONDS)
