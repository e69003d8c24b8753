"""Execute runs: plan cohorts, train them here or in worker processes, follow them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty
from typing import Any, Self

import torch

from thalweg.errors import ThalwegError
from thalweg.execute.agenda import Agenda, Fits
from thalweg.execute.grouping import CohortPlan, plan_cohorts
from thalweg.execute.options import Resources
from thalweg.execute.pool import Event, LocalPool, Pool
from thalweg.execute.progress import Progress
from thalweg.execute.same_data import check_same_data
from thalweg.execute.stall import stall_limit
from thalweg.execute.train_cohort import claimed, train_cohort
from thalweg.execute.wanted import Asked, Wanted, lacking, wanted_of
from thalweg.spec import RunSpec
from thalweg.store import Store
from thalweg.store.run_directory import COMPLETE

POLL_SECONDS = 0.5
"""How often a run in another process's hands is looked at, and whether the user wants to stop."""

STARTS = 3
"""So many workers that end one after the other, none of them ready before, are a fault of ours."""


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
    specs: Sequence[RunSpec],
    store: Store,
    resources: Resources,
    progress: Progress,
    asked: Asked = (),
) -> Outcome:
    """Train whatever of the runs is not complete yet, and whatever they were pruned from.

    Rounds of pruning follow each other; all runs of one round, of whatever arm, train side by side.
    Runs that another process is training are left to it and waited for; should that process
    die, they are trained here. A complete run that lacks something it must leave, a measurement
    that was asked for later, say, is trained again for that alone. Runs that end the worker process
    that trains them fail, and so do those for which there is no memory; no other run does.

    Args:
        specs: The runs.
        store: Where they lie.
        resources: Where to compute.
        progress: The view.
        asked: Measurements, of which those at the end of a training are not taken here.

    Raises:
        ThalwegError: The store cannot be written, a user's own task has other data than before, or
            workers end before they are ready.
        KeyboardInterrupt: Stopped by the user; every completed epoch is kept.
    """
    unique = {each.id: each for spec in specs for each in spec.lineage}
    outcome = Outcome(reused=[i for i in unique if store.run(i).is_complete()])
    for run_id in outcome.reused:
        store.run(run_id).remove_leftovers()
    for task in {spec.task for spec in unique.values()}:
        check_same_data(task, store, resources.data)
    wanted = wanted_of(list(unique.values()), asked, resources.data)
    rounds = sorted({spec.round for spec in unique.values()})
    with _Workers(
        list(unique.values()), store, resources, progress, wanted, len(rounds)
    ) as workers:
        for number in rounds:
            mates = {i: spec for i, spec in unique.items() if spec.round == number}
            _execute_round(mates, unique, store, workers, outcome)
    progress.finish()
    return outcome


def _execute_round(
    mates: dict[str, RunSpec],
    every: dict[str, RunSpec],
    store: Store,
    workers: "_Workers",
    outcome: Outcome,
) -> None:
    """Train the runs that have been pruned so many times; those before them are complete."""
    pending = {i: spec for i, spec in mates.items() if not store.run(i).is_complete()}
    for run_id, spec in list(pending.items()):
        if spec.parent is not None and not _follow(spec, store, outcome):
            del pending[run_id]
    while pending:
        done = {*outcome.reused, *outcome.trained, *outcome.failed}
        left = sum(spec.train.epochs for i, spec in every.items() if i not in done)
        workers.progress.start(left, len(done) - len(outcome.failed), len(every))
        workers.train(plan_cohorts(list(mates.values()), store, workers.resources, pending))
        for run_id in list(pending):
            status = store.run(run_id).status()
            if status["status"] in COMPLETE:
                outcome.trained.append(run_id)
                del pending[run_id]
            elif status["status"] == "failed":
                outcome.failed[run_id] = status["message"]
                del pending[run_id]
        if pending:
            workers.progress.wait()
            _wait_for_others(pending, store)
    while again := {
        i: spec
        for i, spec in mates.items()
        if i not in workers.given_up and lacking(store.run(i), workers.wanted)
    }:
        workers.progress.start(sum(s.train.epochs for s in again.values()), 0, len(again))
        workers.train(plan_cohorts(list(mates.values()), store, workers.resources, again))
        _wait_for_others(again, store)
    outcome.failed |= workers.given_up


def _follow(spec: RunSpec, store: Store, outcome: Outcome) -> bool:
    """Return whether the run a round is pruned from can be; the round shares its fate if not."""
    assert spec.parent is not None
    run, before = store.run(spec.id), store.run(spec.parent.id).status()
    if before["status"] == "done":
        return True
    if before["status"] == "diverged":
        run.inherit_divergence(spec.canonical(), before)
        outcome.trained.append(spec.id)
    else:
        run.begin(spec.canonical(), [spec.id])
        run.fail(f"the run it is pruned from, {spec.parent.id}, failed", "")
        outcome.failed[spec.id] = run.status()["message"]
    return False


class _Workers:
    """Trains cohorts: in this process while there is one at a time, else in worker processes, here
    or on a cluster, which are started when first needed and stay for the rounds that follow.

    Args:
        specs: All runs there are.
        store: Where the runs lie.
        resources: Where to compute.
        progress: The view.
        wanted: What runs must leave.
        rounds: How many times `train` will be called, about.

    Attributes:
        given_up: Complete runs that lack something they must leave and that ended the process that
            trained them again for it, with the reason of each.
    """

    def __init__(
        self,
        specs: Sequence[RunSpec],
        store: Store,
        resources: Resources,
        progress: Progress,
        wanted: Wanted,
        rounds: int,
    ) -> None:
        self.resources = resources
        self.progress = progress
        self.wanted = wanted
        self.given_up: dict[str, str] = {}
        self._specs = specs
        self._watched = stall_limit() is not None
        self._store = store
        self._rounds = rounds
        self._pool: Pool | None = None
        self._idle: set[int] = set()
        self._gone: set[int] = set()
        self._starts = 0
        self._fits: Fits = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.stop()

    def train(self, cohorts: list[CohortPlan]) -> None:
        """Train cohorts, several at a time."""
        if not cohorts:
            return
        agenda = Agenda(cohorts, self.resources, self._fits)
        alone = self.resources.jobs == 1 or (len(cohorts) == 1 and not self._suspect(cohorts[0]))
        # Who is to end what stalls must not be that itself.
        if alone and not self._watched and self.resources.on is None:
            with use_threads(self.resources.threads):
                self._train_here(agenda)
            return
        if self._pool is None:
            most = len(cohorts) if self._rounds == 1 else self.resources.jobs
            self._pool = self._start_pool(most)
        self._train_in_pool(self._pool, agenda)

    def _start_pool(self, most: int) -> Pool:
        if self.resources.on is None:
            return LocalPool(self.resources, self._store.root, most)
        from thalweg.execute.ray_pool import RayPool  # Ray need not be installed

        return RayPool(self.resources, self._store, most, self._specs)

    def _suspect(self, cohort: CohortPlan) -> bool:
        """Return whether runs have been begun before and did not end: they may have ended their
        process, and would end this one.
        """
        statuses = (self._store.run(i).status()["status"] for i in cohort.ids)
        return any(status in ("running", "failed") for status in statuses)

    def _train_here(self, agenda: Agenda) -> None:
        while agenda:
            cohort = agenda.take()
            self.progress.begin(0, cohort)
            fitted = train_cohort(
                cohort.specs,
                cohort.plan,
                self._store,
                self.resources,
                lambda event: self.progress.update(0, event),
                self.wanted,
            )
            if fitted:
                self.progress.end(0, cohort)
            else:
                self._halve(agenda, 0, cohort)

    def _train_in_pool(self, pool: Pool, agenda: Agenda) -> None:
        active: dict[int, CohortPlan] = {}
        while agenda or active:
            while agenda and self._idle:
                worker = self._idle.pop()
                active[worker] = agenda.take()
                self.progress.begin(worker, active[worker])
                pool.submit(worker, active[worker], self.wanted)
            while agenda and self._gone:
                pool.replace(self._gone.pop())
            worker, event = _next(pool)
            match event["event"]:
                case "epoch":
                    self.progress.update(worker, event)
                case "error":
                    raise ThalwegError(event["message"])
                case "dead":
                    self._bury(worker, event["end"], active.pop(worker, None), agenda)
                case "ready":
                    self._starts = 0
                    self._idle.add(worker)
                case "too large":
                    self._idle.add(worker)
                    self._halve(agenda, worker, active.pop(worker))
                case "end":
                    self._idle.add(worker)
                    self.progress.end(worker, active.pop(worker))

    def _halve(self, agenda: Agenda, worker: int, cohort: CohortPlan) -> None:
        agenda.too_large(cohort)
        self.progress.again(worker, cohort, "they do not fit into memory together")

    def _bury(self, worker: int, end: str, cohort: CohortPlan | None, agenda: Agenda) -> None:
        """Go on after a worker's death: its cohort comes again, unless that is of no use."""
        if cohort is not None:
            if agenda.died(cohort):
                self.progress.again(worker, cohort, end)
            else:
                self._give_up(cohort, f"{end}; tried twice")
                self.progress.end(worker, cohort)
        elif worker not in self._idle:
            self._starts += 1
            if self._starts == STARTS:
                raise ThalwegError(f"no worker can be started: before it was ready, {end}")
        self._idle.discard(worker)
        self._gone.add(worker)

    def _give_up(self, cohort: CohortPlan, reason: str) -> None:
        """Note why a run, alone in its cohort, cannot be trained; what is complete stays so."""
        with claimed(cohort.specs, self._store, self.wanted) as mine:
            for spec in mine:
                run = self._store.run(spec.id)
                if run.is_complete():
                    self.given_up[spec.id] = reason
                else:
                    run.begin(spec.canonical(), [spec.id])
                    run.fail(reason, "")


def _next(pool: Pool) -> tuple[int, Event]:
    """Wait for the next event. The wait is cut in pieces: a library (Polars) installs a handler
    by which Ctrl-C does not end one, and would not be seen as long as no worker tells anything.
    """
    while True:
        with suppress(Empty):
            return pool.events.get(timeout=POLL_SECONDS)


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
