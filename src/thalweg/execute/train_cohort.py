"""Train one cohort from spec to store."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from traceback import format_exception

from thalweg.cohort.planner import Plan
from thalweg.errors import ThalwegError
from thalweg.execute.keeper import Keeper, Notify, StoreError
from thalweg.execute.live import LiveProbes
from thalweg.execute.options import Resources
from thalweg.execute.prepare import prepare
from thalweg.execute.record import record_results
from thalweg.execute.wanted import Wanted, lacking
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
) -> None:
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

    Raises:
        ThalwegError: The store cannot be written.
    """
    wanted = wanted or {}
    with claimed(specs, store, wanted) as mine:
        if not mine:
            return
        runs = [store.run(spec.id) for spec in mine]
        leaving = [lacking(run, wanted) for run in runs]
        asked = [each.probes for each in leaving]
        if runs[0].is_complete():
            training, _ = prepare(mine, plan, resources, store)
            live = LiveProbes(asked, training)
            keeper = Keeper(runs, notify, leaving, live, checkpoints=False)
            try:
                training.run(live, keeper)
            except StoreError as error:
                raise ThalwegError(str(error)) from error
            live.save(runs)
            return
        ids = [spec.id for spec in mine]
        with Writers() as writers:
            for spec, run in zip(mine, runs, strict=True):
                writers.submit(run.begin, spec.canonical(), ids)
        try:
            training, warnings = prepare(mine, plan, resources, store)
            live = LiveProbes(asked, training)
            epoch = common_checkpoint(runs)
            if epoch is not None:
                for row, run in enumerate(runs):
                    state = run.load_checkpoint(epoch)
                    training.load_row_state(row, state)
                    live.load_row_state(row, state.get("live", {}))
        except Exception as error:
            _fail(runs, error)
            return
        try:
            training.run(live, Keeper(runs, notify, leaving, live))
        except StoreError as error:
            raise ThalwegError(str(error)) from error
        except Exception as error:
            _fail(runs, error)
            return
        record = {
            "backend": plan.backend,
            "reason": plan.reason,
            "device": resources.device,
            "threads": resources.threads,
            "rows": len(runs),
            "source": source_hash(),
            "versions": versions(),
            "machine": machine(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "warnings": warnings,
        }
        live.save(runs)
        record_results(training, mine, runs, record)


def _fail(runs: Sequence[RunDirectory], error: Exception) -> None:
    text = brief(error)
    if not isinstance(error, ThalwegError):
        text = f"{type(error).__name__}: {text}"
    for run in runs:
        run.fail(text, "".join(format_exception(error)))
