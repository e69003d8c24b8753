"""The runs of a study in the store, as trackers are told of them."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any

from thalweg.spec.run import IMPORTED
from thalweg.store import RunDirectory
from thalweg.store.assemble import DESCRIBED, describe
from thalweg.store.parquet import read_parquet
from thalweg.store.results import METRICS
from thalweg.store.run_directory import COMPLETE
from thalweg.trackers.tracker import Entry, Outcome, TrackedRun

LONGEST = 5000
"""Characters of the longest text that every tracker keeps whole."""

_ASKED = ("seed", "lr", "rows")
_TOLD = ("message", "backend", "device", "finished")

Spec = Mapping[str, Any]


def tracked_runs(
    record: Mapping[str, Any], spec_of: Callable[[str], Spec]
) -> dict[str, TrackedRun]:
    """Return the runs that the record of a study names, those of its rounds of pruning too.

    Args:
        record: Of the study.
        spec_of: Returns a run's spec in canonical form.
    """
    axes = {(r["arm"], r["point"], r["seed"]): r["axes"] for r in record["runs"]}
    places: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in record.get("rounds", []):
        own = axes[entry["arm"], entry["point"], entry["seed"]]
        places[entry["run"]].append({**_place(entry, own), "round": entry["round"]})
    for entry in record["runs"]:
        place = _place(entry, entry["axes"])
        if not any(each.items() >= place.items() for each in places[entry["run"]]):
            places[entry["run"]].append(place)
    return {i: _tracked(record["name"], i, found, spec_of(i)) for i, found in places.items()}


def _place(entry: Mapping[str, Any], axes: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: entry[key] for key in ("arm", "point", "seed")}, "axes": axes}


def _tracked(study: str, run_id: str, places: list[dict[str, Any]], spec: Spec) -> TrackedRun:
    first = places[0]
    told: dict[str, str] = {
        key: str(first[key]) for key in ("arm", "point", "seed", "round") if key in first
    }
    name = [first["arm"], first["point"], f"seed{first['seed']}"]
    name += [f"round{first['round']}"] if "round" in first else []
    while len(every := json.dumps(places)) > LONGEST:
        places = places[:-1]
    return TrackedRun(
        run_id,
        study,
        "/".join(part for part in name if part),
        {"study": study, **told, "run": run_id, "places": every},
        dict(_flat({k: v for k, v in spec.items() if k not in ("format", IMPORTED)})),
    )


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        elif isinstance(value, str | int | float):
            yield f"{before}{key}", value
        elif value is not None:
            yield f"{before}{key}", json.dumps(value)


def outcome_of(run: RunDirectory) -> Outcome | None:
    """Return what a run came to; None if it has not come to an end, or its files are damaged."""
    row = describe(run, ["metrics.parquet"])
    if row["status"] not in (*COMPLETE, "failed"):
        return None
    names = (key for key, kind in DESCRIBED.items() if kind.is_numeric() and key not in _ASKED)
    figures = {key: row[key] for key in names if _is_number(row.get(key))}
    return Outcome(row["status"], figures, {key: str(row[key]) for key in _TOLD if row.get(key)})


def entries_of(run: RunDirectory) -> list[Entry]:
    """Return the figures by epoch of a run that is complete; none of one that has no table."""
    path = run.path / "metrics.parquet"
    return list(map(entry, read_parquet(path).iter_rows(named=True))) if path.exists() else []


def entry(row: Mapping[str, Any]) -> Entry:
    """Return the figures of an epoch that are numbers."""
    return {key: row[key] for key in METRICS if _is_number(row.get(key))}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and isfinite(value)
