"""Targets in the report: figures, verdicts, tables and charts."""

import math

import pytest

from thalweg.report.figures import sections
from thalweg.report.summary import summary, verdicts
from thalweg.report.target_section import target_charts, target_tables
from thalweg.report.targets import SCHEMA, target_frame, target_reaches, target_records
from thalweg.study.panels import panels

SPACE = "\N{NO-BREAK SPACE}"


@pytest.fixture
def study(builder):
    """Four seeds an arm; test accuracies in closed form, see the builder: of quality q they are
    0.1 + (q - 0.1)·(1 - 0.2^e)/(1 - 0.2^6) after epoch e.
    """
    made = builder()
    for seed in range(4):
        made.run("fast", seed, {}, quality=0.97)  # 0.796, 0.935 and 0.963 at epochs 1, 2, 3
        made.run("slow", seed, {}, quality=0.91 if seed else 0.902)  # 0.903 at 3, or 0.901 at 4
        made.run("weak", seed, {}, quality=0.7)
        made.run("torn", seed, {}, quality=0.97, status="done" if seed < 2 else "diverged")
        made.run("wild", seed, {}, quality=0.9, status="diverged")
    made.run("gone", 0, {}, quality=0, status="failed", message="boom")
    return made.results(targets={"test_accuracy": [0.9], "train_loss": [1e-9]})


def test_frame_counts_what_the_runs_spent(study):
    frame = target_frame(target_reaches(study, panels(study)))
    assert dict(frame.schema) == SCHEMA
    assert frame["metric"].to_list() == ["test_accuracy"] * 6 + ["train_loss"] * 6
    rows = {row["arm"]: row for row in frame.head(6).to_dicts()}
    assert {arm: (row["reached"], row["seeds"], row["diverged"]) for arm, row in rows.items()} == {
        "fast": (4, 4, 0),
        "slow": (4, 4, 0),
        "weak": (0, 4, 0),
        "torn": (2, 4, 2),
        "wild": (0, 4, 4),
        "gone": (0, 0, 0),
    }
    fast = [
        rows["fast"][f"gradient_evaluations_{f}"] for f in ("median", "low", "high", "at_least")
    ]
    assert fast == [40, 40, 40, None]
    assert (rows["slow"]["epochs_median"], rows["slow"]["epochs_high"]) == (3, 4)
    assert (rows["weak"]["epochs_median"], rows["weak"]["epochs_at_least"]) == (None, 6)
    assert (rows["weak"]["seconds_at_least"], rows["weak"]["steps_at_least"]) == (1.25, 120)
    assert rows["torn"]["epochs_at_least"] == rows["wild"]["epochs_at_least"] == math.inf
    assert rows["gone"]["epochs_median"] is rows["gone"]["epochs_at_least"] is None


def test_verdict_names_the_cheapest_and_what_is_resolved(study):
    first, second = target_reaches(study, panels(study))
    assert first.unit == "gradient_evaluations"
    assert len(first.comparisons) == 9  # all pairs of five arms but that of weak and wild
    assert first.verdict() == (
        f"fast reaches 90{SPACE}% test accuracy at the lowest cost, 40 gradient evaluations "
        "(median; 4 of 4 seeds); not resolved at 4 seeds against slow, weak, torn, wild "
        "(9 comparisons take at least 6 seeds)."
    )
    assert second.comparisons == ()
    assert second.verdict() == (
        "no arm reaches a train loss of 1e-09 with more than half of its seeds."
    )
    assert [line for line in verdicts(study) if "reach" in line] == [
        f"digits, mlp: {member.verdict()}" for member in (first, second)
    ]


def test_two_arms_are_resolved(builder):
    made = builder()
    for seed in range(4):
        made.run("fast", seed, {}, quality=0.97)
        made.run("slow", seed, {}, quality=0.91)
    (record,) = target_records(made.results(targets={"test_accuracy": [0.9]}))
    (comparison,) = record["comparisons"]
    assert (comparison["difference"], comparison["pairs"], comparison["resolved"]) == (-20, 4, True)
    assert record["compared_by"] == "gradient_evaluations"
    (found,) = verdicts(made.results(targets={"test_accuracy": [0.9]}))
    assert "; resolved against slow." in found


def test_arms_of_other_batches_or_with_losses_are_compared_by_operations(builder):
    def unit(**changes):
        made = builder()
        for arm in ("a", "b"):
            made.run(arm, 0, {}, quality=0.9)
        made.runs[1].update(changes)
        results = made.results(targets={"test_accuracy": [0.8]})
        return target_reaches(results, panels(results))[0].unit

    assert unit() == "gradient_evaluations"
    assert unit(batch_size="full") == unit(loss_evaluations=3) == unit(products=1) == "flops"
    assert unit(batch_size="full", flops=None) == "flops"  # its cost at the target is known
    assert unit(status="diverged", batch_size="full") == "flops"


def test_page_texts(study):
    tables = target_tables(target_reaches(study, panels(study)))
    assert [table.name for table in tables] == [
        "reach-test_accuracy-0.9",
        "reach-train_loss-1e-09",
        "reach-comparisons",
    ]
    cells = {row[2]: row[4:] for row in tables[0].rows}
    assert cells["fast"] == ("4 of 4", "2 [2, 2]", "40 [40, 40]", "1 [1, 1] G", "0.4 [0.4, 0.4] s")
    assert cells["weak"] == ("0 of 4", "> 6", "> 120", "> 3.1 G", "> 1.2 s")
    assert cells["wild"] == ("0 of 4", *["never"] * 4)
    assert cells["gone"] == ("0 of 0", *["—"] * 4)
    pairs = {row[3:5]: row[5:] for row in tables[2].rows}
    assert pairs["fast", "slow"][:2] == ("−20 gradient evaluations", "4")
    assert pairs["fast", "weak"] == ("—", "0", "0.029", "0.26", "not resolved")


def test_chart_is_the_distribution_of_the_cost(study):
    (chart,) = target_charts(target_reaches(study, panels(study)))
    lines = {line.label: line for line in chart.layers}
    assert set(lines) == {"fast", "slow", "weak", "torn"}  # wild and gone have spent nothing known
    end = chart.x.limits[1]
    assert list(zip(lines["slow"].x, lines["slow"].y, strict=True)) == [
        *[(0, 0), (60, 0), (60, 75), (80, 75), (80, 100), (end, 100)]
    ]
    assert (lines["weak"].x, lines["weak"].y) == ([0, 120], [0, 0])
    assert "fast: 4 of 4; slow: 4 of 4; weak: 0 of 4" in chart.description


def test_section_stands_only_where_targets_are(study, single_seed, all_diverged):
    titles = [section.title for section in sections(study, panels(study))]
    assert "Cost to reach" in titles
    assert "Cost to reach" not in [s.title for s in sections(single_seed, panels(single_seed))]
    assert sections(all_diverged, panels(all_diverged)) == []


def test_targets_of_a_metric_that_no_run_has_are_told(builder):
    made = builder(regression=True)
    made.run("adam", 0, {}, quality=0.9)
    results = made.results(targets={"test_accuracy": [0.9]})
    assert target_reaches(results, panels(results)) == []
    assert "No run has a test accuracy, so what its targets cost is unknown." in (
        summary(results, panels(results)).warnings
    )
