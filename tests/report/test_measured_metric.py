"""Arms compared by what probes have measured."""

import polars as pl
import pytest
from scipy.stats import ttest_rel

from thalweg.errors import InputError
from thalweg.report.comparisons import compare_arms
from thalweg.store.results import PROBES

SHARP = {"sgd": [3.0, 3.5, 2.5, 4.0, 3.2, 2.9], "sam": [1.0, 1.4, 0.9, 2.0, 1.5, 0.8]}


@pytest.fixture
def study(builder):
    """Seeds 0 to 5 of two arms; one of sam's diverges, one eigenvalue of sgd does not converge."""
    made = builder()
    for arm in SHARP:
        for seed in range(6):
            lost = arm == "sam" and seed == 5
            made.run(arm, seed, {}, quality=0.9, status="diverged" if lost else "done")
    rows = []
    for run in made.runs:
        if run["status"] == "done":
            of = {key: run[key] for key in ("run", "arm", "point", "seed")} | {"probe": "hessian"}
            value = SHARP[run["arm"]][run["seed"]]
            converged = float((run["arm"], run["seed"]) != ("sgd", 4))
            for figure, index, figures in (
                ("eigenvalues", 0, value),
                ("converged", 0, converged),
                ("eigenvalues", 1, value / 2),
                ("converged", 1, 1.0),
                ("trace", None, 10 * value),
            ):
                rows.append({**of, "figure": figure, "index": index, "value": figures})
    return made.results(probes=pl.DataFrame(rows, schema=PROBES))


def test_a_measured_figure_is_compared_over_the_seeds_that_have_it(study):
    found = compare_arms(study, ["sam", "sgd"], "hessian.eigenvalue_1")
    (pair,) = found.pairs
    assert pair.runs.seeds == (0, 1, 2, 3)
    x, y = (SHARP[arm][:4] for arm in ("sam", "sgd"))
    assert pair.mean == pytest.approx(sum(x) / 4 - sum(y) / 4)
    assert pair.p == pytest.approx(ttest_rel(x, y).pvalue)
    assert found.verdict.startswith("the hessian.eigenvalue 1 of sam is 1.92 below that of sgd")
    assert {"P(lower)"} < set(found.rows()[0]) and found.arm_rows()[0]["diverged"] == "0"
    assert found.notes[-1] == (
        "Runs without the figure, as they diverged or it did not converge: 1 of 6 of sgd, 1 of 6 "
        "of sam."
    )
    (trace,) = compare_arms(study, (), "hessian.trace").pairs
    assert trace.runs.seeds == (0, 1, 2, 3, 4)


def test_other_metrics_are_as_they_were(study):
    found = compare_arms(study, (), "test_loss")
    assert "P(better)" in found.rows()[0] and found.pairs[0].diverged == (0, 1)
    assert not any("without the figure" in note for note in found.notes)


def test_an_unknown_figure_is_named_with_the_nearest(study):
    with pytest.raises(InputError, match=r"did you mean 'hessian\.eigenvalue_1'") as error:
        compare_arms(study, (), "hessian.eigenvalu_1")
    assert "hessian.converged" not in str(error.value) and "test_accuracy" in str(error.value)
