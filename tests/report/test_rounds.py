"""Rounds of pruning in the report: figures, differences, charts and overlaps."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from thalweg.report.figures import sections
from thalweg.report.overlap import overlap_table, overlaps
from thalweg.report.recovery import recovery_charts
from thalweg.report.rounds import prunings, round_differences
from thalweg.report.rounds_section import round_charts, round_tables
from thalweg.report.static import png, static_figure
from thalweg.report.summary import verdicts
from thalweg.sparsity import save_masks
from thalweg.study.panels import panels

SPACE = "\N{NO-BREAK SPACE}"
DENSE = np.array([0.95, 0.94, 0.96, 0.95])
FADED = DENSE - 0.1 - 0.01 * np.arange(4)
HALF = stats.t.ppf(0.975, 3) * stats.sem(FADED - DENSE)
DIFFERENCE = f"−11.50{SPACE}±{SPACE}{100 * HALF:.2f}{SPACE}%"


def found(results):
    return prunings(results, panels(results))


def pruning_charts(results):
    grouped = panels(results)
    return round_charts(grouped[0], prunings(results, grouped), grouped)


def test_a_control_has_the_last_round_alone(tickets):
    ticket, control = found(tickets)
    assert [each.number for each in ticket.from_dense] == [0, 1, 2]
    assert [each.number for each in control.from_dense] == [2]
    assert [run["run"] for run in control.dense.runs] == [f"dense/{seed}" for seed in range(4)]


def test_differences_are_paired_and_adjusted_by_metric(tickets):
    differences = round_differences(found(tickets))
    assert [(d.pruning.arm.name, d.round.number, d.metric) for d in differences] == [
        (arm, number, metric)
        for metric in ("test_accuracy", "test_loss")
        for arm, number in (("imp", 1), ("imp", 2), ("imp random", 2))
    ]
    same, faded, random = differences[:3]
    assert (same.paired.interval.mean, same.paired.p, same.resolved) == (0, 1, False)
    test = stats.ttest_rel(FADED, DENSE)
    assert faded.paired.p == pytest.approx(test.pvalue)
    assert faded.p_adjusted == pytest.approx(2 * test.pvalue)  # the second of three p values
    assert random.p_adjusted == pytest.approx(3 * stats.ttest_rel([0.5] * 4, DENSE).pvalue)
    assert faded.resolved and random.resolved
    assert [d.paired.interval.mean for d in differences[3:]] == pytest.approx(
        [-d.paired.interval.mean for d in differences[:3]]
    )


def test_verdicts_are_of_the_last_round(tickets):
    assert next(line for line in verdicts(tickets) if "keeps" in line) == (
        f"digits, mlp: imp keeps 10{SPACE}% of the weights: test accuracy {DIFFERENCE} against the "
        "dense network, resolved at 4 seeds."
    )


def test_tables(tickets):
    tables = {table.name: table for table in round_tables(tickets, found(tickets))}
    assert list(tables)[:5] == [
        *("rounds", "best-kept", "best-kept-by-seed", "rounds-against-dense", "layer-densities")
    ]
    rounds, differences = tables["rounds"], tables["rounds-against-dense"]
    layers = tables["layer-densities"]
    assert [row[3:5] for row in rounds.rows] == [
        ("dense", f"100{SPACE}%"),
        ("1", f"40{SPACE}%"),
        *[("2", f"10{SPACE}%")] * 2,
    ]
    last = rounds.frame.row(2, named=True)
    interval = stats.t.interval(0.95, 3, FADED.mean(), stats.sem(FADED))
    assert last["test_accuracy_mean"] == pytest.approx(FADED.mean())
    assert (last["test_accuracy_low"], last["test_accuracy_high"]) == pytest.approx(interval)
    assert (last["effective_density"], last["dead"], last["zombies"]) == pytest.approx((0.09, 2, 4))
    texts = dict(zip(rounds.header, rounds.rows[2], strict=True))
    assert (texts["nonzero FLOPs"], texts["trained"]) == ("100 (10.00 %)", "4 of 4")
    assert differences.rows[1][3:7] == ("2", f"10{SPACE}%", "test accuracy", DIFFERENCE)
    assert [row[-1] for row in differences.rows[:3]] == ["not resolved", "resolved", "resolved"]
    assert layers.frame["last.weight"].to_list() == pytest.approx([1, 0.4**0.5, *[0.1**0.5] * 2])


def test_charts(tickets):
    loss, accuracy, *best, layers = pruning_charts(tickets)
    assert all(chart.name.startswith("best-kept") for chart in best)
    assert (loss.name, accuracy.name) == ("imp_recovery", "imp_recovery-accuracy")
    dense, ticket, control = accuracy.layers
    assert dense.label == "dense"  # once, though both the arm and the lineages have it
    assert dense.y == pytest.approx([100 * DENSE.mean()] * 2)
    assert ticket.x == pytest.approx([100, 40, 10])
    assert ticket.y == pytest.approx([100 * DENSE.mean()] * 2 + [100 * FADED.mean()])
    half = 100 * stats.t.ppf(0.975, 3) * stats.sem(FADED)
    assert ticket.high[2] - ticket.y[2] == pytest.approx(half) == ticket.y[2] - ticket.low[2]
    assert control.y == pytest.approx([50])
    assert 10 < control.x[0] < 10.5  # beside the ticket's mark
    assert accuracy.x.log and accuracy.x.limits[0] > 100 > 10 > accuracy.x.limits[1]
    assert "imp random 50.00" in accuracy.description
    assert [line.label for line in layers.layers] == ["first.weight", "last.weight"]
    for chart in (loss, layers):
        assert png(static_figure(chart)).startswith(b"\x89PNG")


def test_section_stands_only_where_something_was_pruned(tickets, single_seed):
    title = "Pruning, round by round"
    assert title in [section.title for section in sections(tickets, panels(tickets))]
    assert title not in [section.title for section in sections(single_seed, panels(single_seed))]


def test_dense_networks_that_are_no_arm_lie_across_too(builder):
    made = builder(regression=True)
    for seed in range(2):
        made.prune("imp", seed, [(1, 0.8), (0.5, 0.7)])
    (loss, _) = pruning_charts(made.results())
    assert [layer.label for layer in loss.layers] == ["dense", "imp"]
    assert loss.layers[0].y == pytest.approx([0.2, 0.2])


def test_a_diverged_ticket_breaks_its_line_and_counts(builder):
    made = builder()
    for seed in range(3):
        status = "done" if seed else "diverged"
        made.run("dense", seed, {}, quality=0.9)
        made.prune("imp", seed, [(1, 0.9), (0.5, 0.8), (0.2, 0.7)], status=status)
    results = made.results()
    _, accuracy, *_ = pruning_charts(results)
    assert [line.y[-1] for line in accuracy.layers if line.label == "imp"] == [None]
    tables = {table.name: table for table in round_tables(results, found(results))}
    rounds, differences = tables["rounds"], tables["rounds-against-dense"]
    assert rounds.rows[-1][6] == f"median 70.00{SPACE}%" and rounds.rows[-1][-1] == "1"
    (last,) = differences.frame.filter(metric="test_accuracy", round=2).to_dicts()
    assert (last["difference_mean"], last["p"], last["resolved"]) == (-math.inf, 1, False)


def test_nothing_but_divergence_makes_no_chart(builder):
    made = builder()
    made.prune("imp", 0, [(1, 0.9)], status="diverged")
    made.rounds[0]["layers"] = None
    made.rounds.append({**made.rounds[0], "run": "imp/1/0", "round": 1, "kept": None})
    results = made.results()
    assert [pruning.arm.name for pruning in found(results)] == ["imp"]
    assert pruning_charts(results) == []
    rounds, *others = round_tables(results, found(results))
    assert [(row[5], row[-1]) for row in rounds.rows] == [("1", "1")] * 2  # seeds, diverged
    assert others == []


def test_sparse_arms_without_rounds_are_a_mark_each(builder):
    made = builder()
    for keep in (None, 0.4, 0.1):
        for seed in range(2):
            made.run(f"keep={keep}", seed, {}, quality=0.9 + 0.01 * seed)
            made.runs[-1]["kept"] = keep
    results = made.results()
    (panel,) = panels(results)
    loss, accuracy = recovery_charts(panel, [], [])
    assert loss.name == "recovery" and len(accuracy.layers) == 3
    marks = [(layer.x[0], layer.y[0]) for layer in accuracy.layers[1:]]
    assert marks == [pytest.approx((40, 90.5)), pytest.approx((10, 90.5))]
    assert accuracy.layers[1].y_interval[0] == pytest.approx(
        tuple(100 * end for end in stats.t.interval(0.95, 1, 0.905, 0.005))
    )
    assert "Weights kept" in [section.title for section in sections(results, [panel])]
    for run in made.runs:
        run["kept"] = run["kept"] and 0.4
    (panel,) = panels(made.results())
    assert recovery_charts(panel, [], []) == []  # all keep the same


def test_overlap_against_sets(tickets, tmp_path):
    stream = np.random.default_rng(0)
    masks = {}
    for run in tickets.rounds.filter(tickets.rounds["round"] > 0)["run"].unique(
        maintain_order=True
    ):
        masks[run] = stream.random(50) < 0.5
        path = tmp_path / f"{run.replace('/', '-')}.safetensors"
        save_masks(path, {"weight": torch.from_numpy(masks[run]).view(5, 10)})
        tickets.masks[run] = path

    def index(first, second):
        a, b = (set(np.flatnonzero(masks[run])) for run in (first, second))
        return len(a & b) / len(a | b)

    def apart(first, second):  # of outputs, which keep their order
        a, b = (masks[run].reshape(5, 10) for run in (first, second))
        return ((a ^ b).sum(1) / (a | b).sum(1)).mean()

    try:
        measured = overlaps(tickets, found(tickets))
    finally:
        tickets.masks.clear()
    assert [
        (o.pruning.arm.name, o.round.number, o.other and o.other.arm.name) for o in measured
    ] == [
        *[("imp", 1, None), ("imp", 2, None), ("imp random", 2, None)],
        ("imp", 2, "imp random"),
    ]
    seeds = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    between_arms = [(f"imp/2/{seed}", f"imp random/2/{seed}") for seed in range(4)]
    figures = measured[1].figures
    assert figures["jaccard"] == tuple(index(f"imp/2/{a}", f"imp/2/{b}") for a, b in seeds)
    figures = measured[3].figures
    assert figures["jaccard"] == tuple(index(*pair) for pair in between_arms)
    assert figures["hamming"] == tuple((masks[a] ^ masks[b]).mean() for a, b in between_arms)
    assert figures["topology"] == pytest.approx([apart(*pair) for pair in between_arms[:3]])
    table = overlap_table(measured)
    assert table.frame["pairs"].to_list() == [6, 6, 6, 4]
    assert table.frame["jaccard_mean"].to_list() == pytest.approx(
        [np.mean(o.figures["jaccard"]) for o in measured]
    )
    assert table.frame["topology"][3] == pytest.approx(np.mean(figures["topology"]))
    assert all(0.45 < chance < 0.55 for chance in table.frame["hamming_chance"])
    assert all(0.5 < chance < 0.8 for chance in table.frame["topology_chance"])
    assert [row[5] for row in table.rows] == ["its other seeds"] * 3 + ["imp random"]
    assert all(0.2 < chance < 0.5 for chance in table.frame["chance"])
