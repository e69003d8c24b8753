"""Train one cohort from spec to store."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from traceback import format_exception
from typing import Any

from thalweg.cohort.planner import Plan
from thalweg.errors import ThalwegError
from thalweg.execute.keeper import Keeper, Notify, StoreError, stops_the_study
from thalweg.execute.live import LiveProbes
from thalweg.execute.memory import is_out_of_memory, release_memory
from thalweg.execute.options import Resources
from thalweg.execute.prepare import prepare
from thalweg.execute.record import complete_staged, record_results
from thalweg.execute.same_data import check_same_data
from thalweg.execute.wanted import Leaving, Wanted, lacking
from thalweg.execute.writers import Writers
from thalweg.spec import RunSpec
from thalweg.store import RunDirectory, Store, common_checkpoint
from thalweg.store.provenance import machine, source_hash, versions
from thalweg.validation import brief


@contextmanager
def claimed(specs: Sequence[RunSpec], store: Store, wanted: Wanted) -> Iterator[list[RunSpec]]:
    """Lock the runs that no other process is training, and yield those that are not complete or, if
    all are, those that lack something they must leave.
    """
    with ExitStack() as stack:
        mine = []
        for spec in specs:
            lock = store.run(spec.id).try_lock()
            if lock is not None:
                stack.callback(lock.release)
                mine.append(spec)
        incomplete = [spec for spec in mine if not store.run(spec.id).is_complete()]
        yield incomplete or [spec for spec in mine if lacking(store.run(spec.id), wanted)]


def train_cohort(
    specs: Sequence[RunSpec],
    plan: Plan,
    store: Store,
    resources: Resources,
    notify: Notify,
    wanted: Wanted | None = None,
) -> bool:
    """Train the runs of a cohort that are not complete and not in another process's hands.

    A failure of the work itself (a stranger's optimizer raising, say) is recorded with every run
    of the cohort and does not spread; a store that cannot be written raises.

    Args:
        specs: The runs, all of one `cohort_key`; complete ones, if of them alone, only lack
            something they must leave and are trained again as far as this needs.
        plan: How they are computed.
        store: Where they lie.
        resources: Where to compute.
        notify: Told of every epoch.
        wanted: What runs must leave.

    Returns:
        Whether there was memory for so many runs at a time. Where there was not, their checkpoints
        are kept and they are to be trained in parts; a single run for which there is none fails.

    Raises:
        ThalwegError: The store cannot be written, or runs that are complete, and never touched
            again, cannot be trained again for what they lack.
    """
    wanted = wanted or {}
    with claimed(specs, store, wanted) as mine:
        if not mine:
            return True
        runs = [store.run(spec.id) for spec in mine]
        leaving = [lacking(run, wanted) for run in runs]
        again = runs[0].is_complete()
        if not again:
            if complete_staged(runs, store):
                return True
            ids = [spec.id for spec in mine]
            with Writers() as writers:
                for spec, run in zip(mine, runs, strict=True):
                    writers.submit(run.begin, spec.canonical(), ids)
        try:
            _train(mine, runs, plan, store, resources, notify, leaving)
        except StoreError as error:
            raise ThalwegError(str(error)) from error
        except Exception as error:
            if len(runs) == 1 or not is_out_of_memory(error):
                if again:
                    raise ThalwegError(f"run {runs[0].id}: {_reason(error)}") from error
                _fail(runs, error)
                return True
        else:
            return True
    release_memory()  # the error, and the training it held on to, are gone by now
    return False


def _train(
    specs: Sequence[RunSpec],
    runs: Sequence[RunDirectory],
    plan: Plan,
    store: Store,
    resources: Resources,
    notify: Notify,
    leaving: Sequence[Leaving],
) -> None:
    """Train runs to the end from the latest checkpoint they share and record what they ended with;
    complete ones, from the start, only until they have left what they lack.
    """
    again = runs[0].is_complete()
    check_same_data(specs[0].task, store, resources.data)
    training, warnings = prepare(specs, plan, resources, store)
    live = LiveProbes([each.probes for each in leaving], training)
    epoch = None if again else common_checkpoint(runs)
    if epoch is not None:
        for row, run in enumerate(runs):
            state = run.load_checkpoint(epoch)
            training.load_row_state(row, state)
            live.load_row_state(row, state.get("live", {}))
    training.run(live, Keeper(runs, notify, leaving, live, checkpoints=not again))
    with stops_the_study():
        live.save(training, runs)
    if not again:
        record_results(training, specs, runs, _provenance(plan, resources, len(runs), warnings))


def _provenance(
    plan: Plan, resources: Resources, rows: int, warnings: Sequence[str]
) -> dict[str, Any]:
    """Return what is noted of a training itself."""
    return {
        "backend": plan.backend,
        "reason": plan.reason,
        "device": resources.device,
        "threads": resources.threads,
        "rows": rows,
        "source": source_hash(),
        "versions": versions(),
        "machine": machine(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "warnings": list(warnings),
    }


def _fail(runs: Sequence[RunDirectory], error: Exception) -> None:
    for run in runs:
        run.fail(_reason(error), "".join(format_exception(error)))


def _reason(error: Exception) -> str:
    """Return in a sentence why a training failed."""
    if is_out_of_memory(error):
        return "it does not fit into memory, though no other run trains beside it in its cohort"
    text = brief(error)
    return text if isinstance(error, ThalwegError) else f"{type(error).__name__}: {text}"
