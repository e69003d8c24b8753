"""What the rounds of pruning before a run's own have cost."""

import math
from collections.abc import Mapping
from typing import Any

from thalweg.store.results import StudyResults

OWN = ("examples", "gradient_evaluations", "flops", "seconds")
"""Costs that count from the beginning of a round's own training."""

PLACES = ("epochs", "steps")
"""Those of a run that count on from where it was rewound to; of a round they are its own."""

Place = tuple[str, str, int]
"""Arm, point and seed."""

EarlierCosts = Mapping[Place, Mapping[str, float]]


def earlier_costs(results: StudyResults) -> EarlierCosts:
    """Return what is to be added to a pruned run's costs for all that it took to train it.

    These are the sums over the rounds before the last, the dense network among them; of `PLACES`
    less what the last was rewound by, which it has not trained itself. NaN is what is not known.

    Returns:
        By arm, point and seed, the runs that were pruned by rounds; other runs have nothing to add.
    """
    runs = {_place(run): run for run in results.runs.to_dicts()}
    lineages: dict[Place, list[dict[str, Any]]] = {}
    for row in results.rounds.sort("round").to_dicts():
        lineages.setdefault(_place(row), []).append(row)
    found = {}
    for place, run in runs.items():
        if place not in lineages:
            continue
        *earlier, last = lineages[place]
        sums = {name: _sum(earlier, name) for name in (*OWN, *PLACES)}
        rewound = {name: _number(run[name]) - _number(last[name]) for name in PLACES}
        found[place] = {name: sums[name] - rewound.get(name, 0.0) for name in sums}
    return found


def added(earlier: EarlierCosts, run: Mapping[str, Any], name: str) -> float:
    """Return what the rounds before a run's own add to one of its costs, 0 if there were none."""
    return earlier.get(_place(run), {}).get(name, 0.0)


def _place(row: Mapping[str, Any]) -> Place:
    return row["arm"], row["point"], row["seed"]


def _sum(rows: list[dict[str, Any]], name: str) -> float:
    return math.fsum(_number(row[name]) for row in rows)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
