"""What a study answers beside which arm is best."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import t, ttest_rel

from thalweg.report.answers import answers
from thalweg.report.formats import listed
from thalweg.report.further_answers import further_answers
from thalweg.store.results import PROBES
from thalweg.study.panels import panels

RATES = (0.01, 0.03, 0.1, 0.3, 1.0)


def measured(results, figures):
    """Add figures of a probe to results: by name, from (arm, point, seed) to the value."""
    rows = [
        {
            **{key: run[key] for key in ("run", "arm", "point", "seed")},
            **{"probe": "hessian", "figure": name, "index": index, "value": value},
        }
        for run in results.runs.to_dicts()
        for (name, index), of in figures.items()
        if (value := of(run)) is not None
    ]
    return {"probes": pl.DataFrame(rows, schema=PROBES)}


def told(results):
    return further_answers(results, panels(results))


@pytest.fixture
def swept(builder):
    """One arm at five rates, the last of which diverges, with figures that fall and that waver."""
    made = builder()
    for index, rate in enumerate(RATES):
        for seed in range(3):
            status = "diverged" if rate == 1.0 and seed == 1 else "done"
            quality = 0.9 - 0.02 * abs(index - 2) + 0.001 * seed
            made.run("sgd", seed, {"optimizer.lr": rate}, quality=quality, status=status)
    place = {f"lr={rate}": index for index, rate in enumerate(RATES)}
    return made.results(
        **measured(
            made.results(),
            {
                ("feature_sparsity", None): lambda run: (
                    0.8 - 0.1 * place[run["point"]] + 0.01 * run["seed"]
                ),
                ("effective_rank", None): lambda run: (
                    100.0 + 5 * (place[run["point"]] % 2) + run["seed"]
                ),
                ("jacobian_rank", None): lambda _run: 200.0,
            },
        )
    )


def test_a_long_grid_and_what_was_measured_along_it(swept):
    grid, sparsity, rank = told(swept)
    assert grid.startswith("digits, mlp: sgd: best learning rate 0.1 (mean validation accuracy")
    assert grid.endswith("Runs diverged at 1; the largest without is 0.3.")
    half = float(t.ppf(0.975, 2)) * 0.01 / np.sqrt(3)
    # Neither goes on to the rate at which a run diverged.
    assert sparsity == (
        "digits, mlp: sgd: hessian feature sparsity by learning rate falls from "
        f"0.810\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{half:.3f} at 0.01 to "
        f"0.510\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{half:.3f} at 0.3."
    )
    assert "effective rank by learning rate rises and falls, from 101.0" in rank


def test_a_grid_that_only_tunes_says_nothing(builder):
    made = builder()
    for rate in RATES[:3]:
        made.run("sgd", 0, {"optimizer.lr": rate}, quality=0.9)
    assert told(made.results()) == ()


def test_the_flattest_arm_and_those_it_is_not_told_from(builder):
    noise = {"sam": [0, 1, 2, 3, 4], "adam": [3, 1, 4, 1, 5], "sgd": [2, 3, 1, 2, 3]}
    level = {"sam": 1.0, "adam": 1.01, "sgd": 2.0}
    made = builder()
    for arm in noise:
        for seed in range(5):
            made.run(arm, seed, {}, quality=0.9)
    value = lambda run: level[run["arm"]] + 0.02 * noise[run["arm"]][run["seed"]]  # noqa: E731
    results = made.results(
        **measured(
            made.results(),
            {("eigenvalues", 0): value, ("eigenvalues", 1): value, ("unnamed", None): value},
        )
    )
    (only,) = told(results)
    figures = {arm: [level[arm] + 0.02 * n for n in noise[arm]] for arm in noise}
    assert 3 * float(ttest_rel(figures["sam"], figures["sgd"]).pvalue) < 0.05
    assert float(ttest_rel(figures["sam"], figures["adam"]).pvalue) > 0.05
    half = float(t.ppf(0.975, 4)) * np.std(figures["sam"], ddof=1) / np.sqrt(5)
    assert only == (
        "digits, mlp: hessian eigenvalue 1 is lowest with sam, "
        f"1.040\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{half:.3f}; not told from adam (paired, all 3 "
        "pairs counted)."
    )


def test_prunings_against_the_dense_network(builder):
    made = builder()
    for seed in range(6):
        dense, wave = 0.9 + 0.001 * seed, 0.0005 * (-1) ** seed
        made.prune("good", seed, [(1.0, dense), (0.5, dense + 0.01 + wave)])
        made.prune("bad", seed, [(1.0, dense), (0.5, dense - 0.02 + wave), (0.1, 0.5 + wave)])
        made.prune("same", seed, [(1.0, dense), (0.5, dense + wave)])
    found = told(made.results())
    assert found[-1] == (
        "digits, mlp: pruned to the end and against the dense network in test accuracy: worse bad; "
        "better good; not resolved same."
    )
    assert "bad has its best mean test accuracy with 100" in found[0]
    assert all("test loss" not in text for text in found)


def test_arms_of_equal_sparsity_are_compared_by_themselves(builder):
    """The best of all keeps 60 %; at 20 % another is the best, told from one of two."""
    made = builder()
    noise = {"a": [0, 1, 2, 3, 4], "b": [3, 1, 4, 1, 5], "c": [2, 3, 1, 2, 3], "d": [1, 0, 2, 1, 3]}
    level = {"a": 0.80, "b": 0.801, "c": 0.75, "d": 0.9}
    for seed in range(5):
        for arm in noise:
            quality = level[arm] + 0.001 * noise[arm][seed]
            made.run(arm, seed, {}, quality=quality)
            made.runs[-1]["kept"] = 0.6 if arm == "d" else 0.2
        made.run("dense", seed, {}, quality=0.95)
    (only,) = told(made.results())
    values = [level["b"] + 0.001 * n for n in noise["b"]]
    half = float(t.ppf(0.975, 4)) * np.std(values, ddof=1) / np.sqrt(5)
    assert only == (
        "digits, mlp: with 20\N{NO-BREAK SPACE}% of the weights kept, b is the best of 3 arms by "
        f"validation accuracy, test accuracy {100 * np.mean(values):.2f}\N{NO-BREAK SPACE}±"
        f"\N{NO-BREAK SPACE}{100 * half:.2f}\N{NO-BREAK SPACE}%; not told from a (paired, all 3 "
        "pairs counted)."
    )


def test_an_arm_that_validation_chose_and_the_test_set_does_not(builder):
    """The best by validation may be the worse by test, which must not read as a victory."""
    made = builder()
    for seed in range(5):
        wave = 0.001 * (seed % 3)
        made.run("chosen", seed, {}, quality=0.90 + 0.002 * seed + wave)
        made.run("other", seed, {}, quality=0.92 + 0.002 * seed)
        for run in made.runs[-2:]:
            run["validation_accuracy"] = 0.95 if run["arm"] == "chosen" else 0.9
        made.run("third", seed, {}, quality=0.5 + 0.002 * seed)
    results = made.results()
    _, text = answers(results, panels(results))
    assert text.endswith("are resolved in test accuracy; chosen is worse than other.")


def test_long_lists_are_cut():
    names = list("abcdefgh")
    assert listed(names[:6]) == "a, b, c, d, e, f"
    assert listed(names[:7]) == "a, b, c, d, e, f and 1 other"
    assert listed(names) == "a, b, c, d, e, f and 2 others"
