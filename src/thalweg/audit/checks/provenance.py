"""Results that were made by different programs."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.recorded import RecordedStudy


def _of_study(study: RecordedStudy) -> Iterator[Seen]:
    statuses = {
        run["run"]: (run["arm"], study.store.run(run["run"]).status()) for run in study.complete
    }
    for key, what in (("source", "sources"), ("versions", "library versions")):
        by_value: dict[str, list[str]] = defaultdict(list)
        for arm, status in statuses.values():
            by_value[json.dumps(status.get(key), sort_keys=True)].append(arm)
        if len(by_value) > 1:
            apart = _separated(by_value)
            yield Seen(
                "severe" if key == "versions" and apart else "warning",
                "runs",
                f"the runs come from {len(by_value)} different {what}"
                + (", which differ between arms" if apart else ""),
                ", ".join(
                    f"{len(arms)} of {_short(value, by_value)}" for value, arms in by_value.items()
                ),
            )


def _separated(by_value: Mapping[str, list[str]]) -> bool:
    """Return whether no arm was run by two of them, so that arms differ by it altogether."""
    sets = [set(arms) for arms in by_value.values()]
    return sum(map(len, sets)) == len(set().union(*sets))


def _short(value: str, among: Mapping[str, Any]) -> str:
    """Return what is told of one value: of versions those that differ."""
    found = json.loads(value)
    if not isinstance(found, dict):
        return str(found)
    others = [json.loads(each) or {} for each in among]
    differing = {k: v for k, v in found.items() if any(o.get(k) != v for o in others)}
    return " ".join(f"{name} {version}" for name, version in differing.items())


CHECK = Check(
    "mixed-provenance",
    "runs of one study from different sources or library versions",
    "a difference between runs may be one between programs",
    "train all runs of a study with one version, in a folder of its own",
    of_study=_of_study,
)
