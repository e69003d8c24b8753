"""What the earlier rounds of pruning add to a run's costs."""

import math

import polars as pl
import pytest

from thalweg.store.results import METRICS, ROUNDS, RUNS, StudyResults
from thalweg.study.earlier_rounds import added, earlier_costs
from thalweg.study.targets import reach

PLACE = {"arm": "imp", "point": "", "seed": 3}


@pytest.fixture
def results():
    """A dense training of five epochs, then two rounds that are rewound to the first: four each."""
    costs = [(500, 50, 5e6, 7.0), (400, 40, 4e6, 6.0), (400, 40, 4e6, 5.0)]
    names = ("examples", "gradient_evaluations", "flops", "seconds")
    rounds = [
        {
            **PLACE,
            **{"run": f"r{k}", "round": k, "steps": 10 * epochs, "epochs": float(epochs)},
            **dict(zip(names, costs[k], strict=True)),
        }
        for k, epochs in enumerate((5, 4, 4))
    ]
    last = {**PLACE, "run": "r2", "status": "done", "epochs": 5, "steps": 50}
    last |= dict(zip(names, costs[2], strict=True))
    dense = {"arm": "dense", "point": "", "seed": 3, "run": "r0", "status": "done", "epochs": 5}
    dense |= {"steps": 50, **dict(zip(names, costs[0], strict=True))}
    metrics = [
        {"run": "r2", "epoch": epoch, "step": 10 * epoch, "test_accuracy": 0.5 + 0.1 * epoch}
        | {"gradient_evaluations": 10 * (epoch - 1), "flops": 1e6, "seconds": epoch + 0.5}
        for epoch in range(1, 5)
    ]
    return StudyResults(
        *("study", "", "", pl.DataFrame([last, dense], schema=RUNS)),
        *(pl.DataFrame(metrics, schema=METRICS), pl.DataFrame(), {}, "test_accuracy", {}),
        rounds=pl.DataFrame(list(reversed(rounds)), schema=ROUNDS),
    )


def test_all_that_was_trained(results):
    earlier = earlier_costs(results)
    run, dense = results.runs.to_dicts()
    total = {name: run[name] + added(earlier, run, name) for name in earlier[("imp", "", 3)]}
    assert total == {
        **{"examples": 1300, "gradient_evaluations": 130, "flops": 13e6, "seconds": 18.0},
        **{"epochs": 13.0, "steps": 130.0},
    }
    assert all(added(earlier, dense, name) == 0 for name in total)


def test_what_it_takes_to_reach_a_target(results):
    run = results.runs.to_dicts()[:1]
    found = reach(run, results.metrics, "test_accuracy", 0.75, earlier_costs(results))
    assert found.reached.tolist() == [True]
    # At the third epoch of the last round, which began at the first: two of its own, nine before.
    assert {unit: spent.tolist() for unit, spent in found.spent.items()} == {
        **{"epochs": [11.0], "steps": [110.0], "gradient_evaluations": [110.0]},
        **{"flops": [10e6], "seconds": [16.5]},
    }
    missed = reach(run, results.metrics, "test_accuracy", 0.95, earlier_costs(results))
    assert missed.reached.tolist() == [False] and missed.spent["epochs"].tolist() == [13.0]


def test_what_an_older_store_does_not_know(results):
    unknown = results.rounds.with_columns(seconds=None)
    changed = StudyResults(**{**vars(results), "rounds": unknown})
    earlier = earlier_costs(changed)
    run = results.runs.to_dicts()[0]
    assert math.isnan(added(earlier, run, "seconds")) and added(earlier, run, "epochs") == 8.0
