"""Dense networks beside their tickets: tables, rank correlations, charts."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from pytest import approx
from scipy import stats
from tests.report.conftest import Builder

from thalweg.report.associations import association_tables, association_verdicts, associations
from thalweg.report.dense_and_tickets import dense_and_tickets, dense_and_tickets_tables
from thalweg.report.flatness_charts import flatness_charts
from thalweg.report.further_answers import further_answers
from thalweg.report.interactive import interactive_figure
from thalweg.report.static import png, static_figure
from thalweg.store.results import PROBES, SERIES, StudyResults
from thalweg.study.comparison import holm
from thalweg.study.panels import panels

ARMS = ("sgd", "sam", "adam", "eg", "muon")
SEEDS = 4
KEPT = (1.0, 0.5, 0.2)
STREAM = np.random.default_rng(5)
FLAT = STREAM.uniform(1, 9, size=(len(ARMS), SEEDS))
QUALITY = np.stack([0.95 - 0.02 * FLAT + STREAM.normal(0, 0.02, FLAT.shape) for _ in KEPT], axis=2)
SIGNAL = STREAM.uniform(0.1, 1, size=FLAT.shape)
SPACE = "\N{NO-BREAK SPACE}"


def measured(unconverged: bool = False) -> StudyResults:
    """Five arms whose dense networks lose in accuracy as their λ₁ rises, and a control."""
    builder = Builder()
    probes, looks = [], []
    grids = {}
    for a, arm in enumerate(ARMS):
        for seed in range(SEEDS):
            builder.prune(arm, seed, [*zip(KEPT, QUALITY[a, seed].tolist(), strict=True)])
            place = {"run": f"{arm}/0/{seed}", "arm": arm, "point": "", "seed": seed}
            bad = unconverged and arm == "muon" and seed == 2
            found = [("eigenvalues", 0, FLAT[a, seed]), ("converged", 0, float(not bad))]
            probes += [
                {**place, "probe": "hessian", "figure": f, "index": i, "value": v}
                for f, i, v in found
            ]
            probes.append({**place, "probe": "trace", "figure": "trace", "value": 3.0 * a + seed})
            for step, factor in ((7, 0.5), (8, 1.5)):  # their mean is 1
                looks += [
                    {**place, "probe": "dynamics", "step": step, "figure": f, "value": v}
                    for f, v in (("signal", factor * SIGNAL[a, seed]), ("noise", 4 * factor))
                ]
            looks.append({**place, "probe": "dynamics", "figure": "seconds", "value": 1.0})
            grids[f"{arm}/0/{seed}", "weights"] = {
                "layer": ["fc", "all"],
                "log10_counts": [[1.0], [1.0]],
                "kurtosis": [9.0, float(a)],
            }
    for seed in range(SEEDS):
        builder.prune("sgd random", seed, [(1.0, 0.9), (0.5, 0.9), (0.2, 0.5)], control_of="sgd")
    for row in builder.rounds:
        if not row["arm"].endswith("random"):
            row["run"] = f"{row['arm']}/{row['round']}/{row['seed']}"
        elif row["round"] < 2:
            row["run"] = f"sgd/{row['round']}/{row['seed']}"
    return builder.results(
        round_probes=pl.DataFrame(probes, schema=PROBES),
        round_series=pl.DataFrame(looks, schema=SERIES),
        grids=grids,
    )


def compared(results):
    (found,) = dense_and_tickets(results, panels(results))
    return found


def test_a_panel_has_a_table_with_an_arm_a_row():
    (table,) = dense_and_tickets_tables([compared(measured())])
    assert table.header == (
        *("arm", "seeds", "dense", f"50{SPACE}% kept", f"20{SPACE}% kept", "λ₁", "trace"),
        *("gradient noise", "noise scale", "excess kurtosis"),
    )
    assert table.frame["arm"].to_list() == list(ARMS)  # the control has a round alone
    columns = {
        "dense_test_accuracy": QUALITY[:, :, 0],
        "kept_50_test_accuracy": QUALITY[:, :, 1],
        "kept_20_test_accuracy": QUALITY[:, :, 2],
        "hessian-eigenvalue-1": FLAT,
        "gradient_noise": np.full_like(FLAT, 4.0),
        "noise_scale": 4 / SIGNAL,
        "weights-kurtosis": np.arange(5.0)[:, None] + 0 * FLAT,
    }
    for name, values in columns.items():
        assert table.frame[f"{name}_mean"].to_list() == approx(values.mean(1).tolist()), name
    half = stats.t.ppf(0.975, SEEDS - 1) * stats.sem(FLAT, axis=1)
    low = (FLAT.mean(1) - half).tolist()
    assert table.frame["hessian-eigenvalue-1_low"].to_list() == approx(low)


def test_ranks_are_correlated_seed_by_seed_and_adjusted_for_the_panel():
    found = associations([compared(measured())])
    pairs = {(each.first.heading, each.second.heading): each for each in found}
    assert len(pairs) == len(found) == 4 * 5  # flatness and noise, with dense, tickets and losses
    last = pairs["λ₁", f"20{SPACE}% kept"]
    expected = [stats.spearmanr(FLAT[:, s], QUALITY[:, s, 2]).statistic for s in range(SEEDS)]
    assert last.association.by_seed == approx(tuple(expected))
    lost = pairs["λ₁", f"20{SPACE}% kept less dense"].association
    difference = QUALITY[:, :, 2] - QUALITY[:, :, 0]
    expected = [stats.spearmanr(FLAT[:, s], difference[:, s]).statistic for s in range(SEEDS)]
    assert lost.by_seed == approx(tuple(expected))
    adjusted = holm([each.association.p for each in found])
    assert [each.p_adjusted for each in found] == approx(list(adjusted))
    (table,) = association_tables([compared(measured())])
    for each, row in zip(found, table.frame.to_dicts(), strict=True):
        if each.first.heading == "gradient noise":  # the same for all arms
            assert row["correlation"] is None and row["p_adjusted"] == row["p_arms"] == 1
        else:
            assert row["correlation"] == approx(np.mean(each.association.by_seed))


def test_the_verdict_says_which_way_and_whether_it_is_resolved():
    results = measured()
    sentence, trace = association_verdicts([compared(results)])
    assert sentence.startswith(
        f"digits, mlp: λ₁ of the dense network with test accuracy, 20{SPACE}% kept: "
        "mean rank correlation −0."
    )
    assert "(5 arms, 4 seeds, 95 % interval −" in sentence
    assert ": trace of the dense network with" in trace
    assert sentence in further_answers(results, panels(results))
    strong = compared(results)
    flat, ticket = strong.of("flatness")[0], strong.of("ticket")[-1]
    # As λ₁ falls at every seed, but for one swap of neighbours at one, the ticket is better.
    better = {arm: {s: -flat.values[arm][s] for s in range(SEEDS)} for arm in ARMS}
    first, second = sorted(ARMS, key=lambda arm: better[arm][0])[:2]
    better[first][0], better[second][0] = better[second][0], better[first][0]
    only = replace(strong, quantities=(flat, replace(ticket, values=better)))
    (sentence,) = association_verdicts([only])
    assert (
        "resolved for these arms: less of it goes with the better network; p over arms 0.0"
        in sentence
    )
    worse = {arm: {s: -v for s, v in own.items()} for arm, own in better.items()}
    (sentence,) = association_verdicts(
        [replace(only, quantities=(flat, replace(ticket, values=worse)))]
    )
    assert ": more of it goes with the better network" in sentence


def test_an_arm_without_a_figure_is_left_out_of_the_pair():
    found = associations([compared(measured(unconverged=True))])
    arms = {each.first.heading: each.association.arms for each in found}
    assert arms == {"λ₁": 4, "trace": 5, "gradient noise": 5, "noise scale": 5}


def test_a_chart_has_an_arm_a_point():
    charts = flatness_charts([compared(measured())])
    assert [chart.name for chart in charts] == [
        "ticket-against-hessian-eigenvalue-1-digits-mlp",
        "ticket-against-trace-trace-digits-mlp",  # but for the arm of which a trace is 0
    ]
    first, second = charts
    assert [layer.label for layer in first.layers] == list(ARMS)
    assert [layer.label for layer in second.layers] == list(ARMS[1:])
    place = first.layers[2]
    assert place.x == approx([np.exp(np.log(FLAT[2]).mean())])
    assert place.y == approx([100 * QUALITY[2, :, 2].mean()])
    for chart in charts:
        assert png(static_figure(chart)) and interactive_figure(chart)


def test_a_study_without_measured_dense_networks_has_nothing(tickets):
    assert dense_and_tickets(tickets, panels(tickets)) == []
    bare = replace(measured(), round_probes=pl.DataFrame(schema=PROBES))
    assert dense_and_tickets(bare, panels(bare)) == []
    assert association_tables([]) == [] and flatness_charts([]) == []


@pytest.mark.parametrize("count", [1, 2])
def test_two_arms_have_no_rank_correlation(count):
    results = measured()
    kept = pl.col("arm").is_in(ARMS[:count])
    few = replace(results, runs=results.runs.filter(kept), rounds=results.rounds.filter(kept))
    found = compared(few)
    assert len(found.arms) == count and associations([found]) == []
