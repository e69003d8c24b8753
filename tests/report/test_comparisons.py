"""Arms compared at their selected points: golden verdicts, and what is told with them."""

import math

import pytest

from thalweg.errors import InputError
from thalweg.report.comparisons import compare_arms
from thalweg.report.power import power_of
from thalweg.report.time_to_target import cost_rows, reach_target


def swing(n: int, mean: float, deviation: float) -> list[float]:
    """Figures of that mean and standard deviation."""
    size = deviation * math.sqrt((n - 1) / n)
    return [mean + size * (1 if k % 2 else -1) for k in range(n)]


@pytest.fixture
def two(builder):
    """Give a function that makes a study of two arms of a given mean difference and deviation."""

    def make(n: int, mean: float, deviation: float, **options):
        made = builder(**options)
        for seed, difference in enumerate(swing(n, mean, deviation)):
            base = 0.9 + 0.001 * (seed % 3)
            made.run("gd", seed, {}, quality=base)
            made.run("eg", seed, {}, quality=base + difference)
        return made.results()

    return make


def test_resolved(two):
    found = compare_arms(two(10, -0.0042, 0.0029), ["eg", "gd"])
    assert found.verdict == (
        "eg is 0.42 points below gd (paired, 10 seeds, 95 % interval 0.21 to 0.63): resolved"
    )
    assert found.interval == pytest.approx((-0.0063, -0.0021), abs=5e-5)
    assert found.notes == ()


def test_the_arm_that_is_named_first_is_the_subject(two):
    found = compare_arms(two(10, -0.0042, 0.0029), ["gd", "eg"])
    assert found.verdict.startswith("gd is 0.42 points above eg (")


def test_not_resolved(two):
    """Mean ½ of the deviation: 34 seeds by the tables of the t test's power."""
    found = compare_arms(two(6, 0.001, 0.002), ["eg", "gd"])
    assert found.verdict == (
        "eg is 0.10 points above gd (paired, 6 seeds, 95 % interval −0.11 to 0.31): "
        "not resolved: about 28 more seeds"
    )


def test_losses_are_told_in_their_unit(two):
    found = compare_arms(two(10, -0.0042, 0.0029), ["eg", "gd"], "test_loss")
    assert found.verdict == (
        "the test loss of eg is 0.0042 above that of gd "
        "(paired, 10 seeds, 95 % interval 0.0021 to 0.0063): resolved"
    )
    assert compare_arms(two(4, 0.01, 0.001, regression=True)).metric == "test_loss"


def test_too_small_a_difference(two):
    found = compare_arms(two(10, 1e-5, 0.01), ["eg", "gd"])
    assert found.verdict.endswith(": not resolved: more than 1,000 more seeds")


def test_several_pairs(builder):
    made = builder()
    for seed in range(5):
        for arm, quality in (("a", 0.9), ("b", 0.905), ("c", 0.95)):
            made.run(arm, seed, {}, quality=quality + 0.001 * ((seed * len(arm) + ord(arm)) % 3))
    found = compare_arms(made.results())
    assert [(p.runs.first, p.runs.second) for p in found.pairs] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    assert all(" over 3 pairs)" in line for line in found.verdict.splitlines())
    with pytest.raises(InputError, match="there are 3 pairs"):
        _ = found.interval
    assert set(found.profiles()) == {"a", "b", "c"}
    assert len(found.frame()) == 3


def test_diverged_runs_are_told(builder):
    made = builder()
    for seed in range(8):
        made.run("gd", seed, {}, quality=0.9 + 0.001 * seed)
        made.run("eg", seed, {}, quality=0.8, status="diverged" if seed < 2 else "done")
    found = compare_arms(made.results(), ["eg", "gd"])
    assert found.verdict == (
        "the mean difference of eg and gd is undefined, as 2 of 8 runs of eg and 0 of 8 of gd "
        "diverged; eg is better in 0 % of all pairs of runs (signed ranks, p = 0.0078): resolved, "
        "gd is better"
    )
    assert found.interval is None
    assert found.rows()[0]["difference"] == "undefined"
    assert [row["diverged"] for row in found.arm_rows()] == ["0", "2"]


def test_sequential_studies_say_so(two):
    results = two(12, -0.0042, 0.0029)
    results.provenance["sequential"] = {
        "looks": [5, 8, 12],
        "max_seeds": 40,
        "metric": "",
        "stop": "",
    }
    found = compare_arms(results, ["eg", "gd"])
    assert "95 % sequential interval" in found.verdict
    assert found.notes == (
        "Seeds were added until the comparisons were resolved (5, 8, 12 of at most 40): intervals "
        "and verdicts allow for every look.",
    )
    fixed = compare_arms(two(12, -0.0042, 0.0029), ["eg", "gd"])
    low, high = found.interval
    assert low < fixed.interval[0] and fixed.interval[1] < high


def test_grids_that_cost_differently_are_told(builder):
    made = builder()
    for seed in range(5):
        for lr in (0.01, 0.1):
            made.run("gd", seed, {"optimizer.lr": lr}, quality=0.8 + lr + 0.001 * seed)
        made.run("eg", seed, {}, quality=0.85 + 0.002 * (seed % 2))
    results = made.results()
    assert compare_arms(results).notes == (
        "The arms' points were chosen at different expense: gd 10 runs, eg 0 runs.",
    )
    assert "on the same seeds" in compare_arms(results, (), "validation_accuracy").notes[-1]


def test_html_shows_every_verdict(two):
    page = compare_arms(two(10, -0.0042, 0.0029))._repr_html_()
    assert page.count("<table>") == 2 and "resolved" in page


def test_wrong_input(two, builder):
    results = two(3, 0.01, 0.001)
    with pytest.raises(InputError, match="unknown arm 'egg'; did you mean 'eg'"):
        compare_arms(results, ["egg", "gd"])
    with pytest.raises(InputError, match="unknown metric 'test_acuracy'; did you mean"):
        compare_arms(results, ["eg", "gd"], "test_acuracy")
    with pytest.raises(InputError, match="it takes two"):
        compare_arms(results, ["eg", "eg"])
    made = builder()
    made.run("a", 0, {}, quality=0.9)
    made.run("b", 1, {}, quality=0.9)
    with pytest.raises(InputError, match="no seed in common on digits"):
        compare_arms(made.results())
    made = builder()
    made.run("a", 0, {}, quality=0.9, status="missing")
    made.run("b", 0, {}, quality=0.9, status="missing")
    with pytest.raises(InputError, match="has no complete run yet"):
        compare_arms(made.results())


def test_power(two):
    found = power_of(two(10, 0.02, 0.002), 0.1)
    assert found.pairs[0].seeds == 34
    low, high = found.pairs[0].fewest, found.pairs[0].most
    assert low < 34 < high
    assert found.verdict == (
        f"gd and eg: 34 seeds resolve 0.1 points with probability 0.8, from {low} to {high} by the "
        "interval of the deviation (deviation 0.2 points over 10 seeds, two-sided 5 %)"
    )
    assert "34 seeds" in found._repr_html_()
    for effect, power in ((0, 0.8), (0.1, 1.0), (float("nan"), 0.8)):
        with pytest.raises(InputError):
            power_of(two(10, 0.02, 0.002), effect, power=power)


def test_cost_to_reach_a_median(builder):
    """See the builder for the curves: fast reaches 0.9 at epoch 2, slow at epoch 3."""
    made = builder()
    for seed in range(5):
        made.run("fast", seed, {}, quality=0.97)
        made.run("slow", seed, {}, quality=0.91)
        made.run("torn", seed, {}, quality=0.97, status="done" if seed else "diverged")
    results = made.results()
    verdicts, _ = reach_target(results, ["fast", "torn"], None, "slow")  # an arm not asked for
    assert "91\N{NO-BREAK SPACE}% test accuracy (the median of slow)" in verdicts[0]
    assert verdicts == reach_target(results, ["fast", "torn"], None, "median:slow")[0]
    verdicts, costs = reach_target(results, ["fast", "slow", "torn"], "test_accuracy", 0.9)
    assert "fast reaches 90" in verdicts[0]
    epochs = {cost.arm: cost for cost in costs if cost.unit == "epochs"}
    assert {arm: cost.median for arm, cost in epochs.items()} == {"fast": 2, "slow": 3, "torn": 2}
    assert epochs["torn"].restricted_mean == pytest.approx((4 * 2 + 6) / 5)
    assert epochs["fast"].error == 0 and epochs["torn"].reached == 4
    assert {row["unit"] for row in cost_rows(costs)} >= {"epochs", "steps", "seconds"}
    for target in (1.5, "quick"):
        with pytest.raises(InputError, match="--target"):
            reach_target(results, [], "test_accuracy", target)
