"""The runs of a study for a tracker, after they were trained."""

from collections.abc import Mapping

from thalweg.errors import InputError, ThalwegError
from thalweg.store import Store
from thalweg.trackers.destination import Destination
from thalweg.trackers.runs import entries_of, outcome_of, tracked_runs
from thalweg.trackers.tracker import Logged, TrackedRun, Tracker
from thalweg.validation import brief, unknown


def export_to_tracker(store: Store, study: str, to: Destination) -> dict[str, str]:
    """Log all runs of a study that have come to an end to a tracker; what it has is left.

    Args:
        store: Where the runs lie.
        study: Name of the study.
        to: The tracker.

    Returns:
        Status by run, of those that were not there yet.

    Raises:
        InputError: There is no such study, or none of its runs has come to an end.
        ThalwegError: The tracker cannot be had.
    """
    if study not in store.studies():
        raise InputError(f"{store.root}: {unknown('study', study, store.studies())}")
    runs = tracked_runs(store.record(study), lambda run_id: _spec(store, run_id))
    known: dict[str, Logged] = {}
    added: dict[str, str] = {}
    ended = False
    try:
        tracker = to.open(study)
        try:
            for run in runs.values():
                found = bring_up(tracker, run, store, known)
                ended = ended or found is not None
                if found:
                    added[run.id] = found
        finally:
            tracker.close()
    except (InputError, ThalwegError):
        raise
    except Exception as error:
        raise ThalwegError(f"{to.text}: cannot be had ({brief(error)})") from error
    if not ended:
        raise InputError(f"study {study!r}: has no complete training; run it first")
    return added


def _spec(store: Store, run_id: str) -> Mapping[str, object]:
    run = store.run(run_id)
    return run.spec() if (run.path / "spec.json").exists() else {}


def bring_up(
    tracker: Tracker, run: TrackedRun, store: Store, known: dict[str, Logged]
) -> str | None:
    """Let a tracker have all of a run that has come to an end.

    Args:
        tracker: The tracker.
        run: The run.
        store: Where it lies.
        known: What the tracker has of runs that have begun.

    Returns:
        Its status; "" if the tracker had it all, None if the run has not come to an end.
    """
    directory = store.run(run.id)
    outcome = outcome_of(directory)
    if outcome is None:
        return None
    if run.id not in known:
        known[run.id] = tracker.begin(run)
    logged = known[run.id]
    if logged.ended:
        return ""
    entries = entries_of(directory) if outcome.status != "failed" else []
    entries = [entry for entry in entries if entry["epoch"] > logged.epoch]
    if entries:
        tracker.log(run, entries)
    epoch = entries[-1]["epoch"] if entries else logged.epoch
    tracker.end(run, outcome, epoch)
    known[run.id] = Logged(epoch, ended=True)
    return outcome.status
