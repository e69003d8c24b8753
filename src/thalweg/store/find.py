"""Find one run by what a person would call it."""

from thalweg.errors import InputError
from thalweg.store.run_directory import RunDirectory
from thalweg.store.store import Store
from thalweg.validation import unknown

SHOWN = 5
"""Ids that a sentence lists at most."""

_ROUND = "/round:"


def find_run(store: Store, name: str) -> RunDirectory:
    """Return the run of a name.

    Args:
        store: Where it lies.
        name: Its id, the beginning of its id that no other run's has, STUDY/ARM/SEED, or
            STUDY/ARM/POINT/SEED where the arm has a grid; with /round:R behind it, a round of
            pruning.

    Raises:
        InputError: There is no such run, or more than one.
    """
    if "/" in name:
        return _of_study(store, name)
    found = [run for run in store.runs() if run.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(
            f"run {name!r}: {store.root} has none whose id begins so; give an id, its beginning, "
            "or STUDY/ARM/SEED"
        )
    ids = ", ".join(run.id for run in found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
    raise InputError(f"run {name!r}: {len(found)} ids begin so ({ids}); give more of it")


def _of_study(store: Store, name: str) -> RunDirectory:
    study = name.partition("/")[0]
    if study not in store.studies():
        raise InputError(f"run {name!r}: {unknown('study', study, store.studies())}")
    record = store.record(study)
    entries = record.get("rounds", []) if _ROUND in name else record["runs"]
    short: dict[str, list[str]] = {}
    full = {}
    for entry in entries:
        round_ = f"{_ROUND}{entry['round']}" if _ROUND in name else ""
        seed = f"{entry['seed']}{round_}"
        path = "/".join([study, entry["arm"], *filter(None, [entry["point"]]), seed])
        full[path] = entry["run"]
        short.setdefault(f"{study}/{entry['arm']}/{seed}", []).append(path)
    if name in full:
        return store.run(full[name])
    points = short.get(name, [])
    if len(points) == 1:
        return store.run(full[points[0]])
    if points:
        raise InputError(
            f"run {name!r}: names one run a grid point; give one of " + ", ".join(points)
        )
    raise InputError(unknown("run", name, full))
