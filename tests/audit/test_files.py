"""Checkpoints, masks and tables: each fault planted, and a twin without it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from tests.audit.conftest import Files, brief, masks, network

from thalweg.audit import Finding


@dataclass(frozen=True)
class Case:
    """A fault, the check that must find it, and the same files without it."""

    name: str
    check: str
    severity: str
    fault: Files
    clean: Files
    rest: frozenset[str] = frozenset()  # of checks that the clean twin cannot but set off


TICKET = masks(0)
PRUNED = network(0, TICKET)  # the weights of seed 0, most of them set to 0
TRAINED = network(1, TICKET)  # other weights under the same mask


def revived(seed: int, count: int) -> dict[str, torch.Tensor]:
    """A masked network in which momentum has moved some pruned weights."""
    found = network(seed, TICKET)
    rows, columns = torch.nonzero(~TICKET["fc1.weight"], as_tuple=True)
    found["fc1.weight"][rows[:count], columns[:count]] = 1e-3
    return found


def recurrent(inputs: bool) -> dict[str, torch.Tensor]:
    """Masks of three recurrent layers, with or without the weights between them."""
    kinds = ("hh", "ih") if inputs else ("hh",)
    eye = torch.eye(6, dtype=torch.bool)
    return {f"rnn.weight_{kind}_l{layer}_mask": eye for kind in kinds for layer in range(3)}


def without_bias(seed: int) -> dict[str, torch.Tensor]:
    found = network(seed)
    return {n: torch.zeros_like(w) if n == "fc1.bias" else w for n, w in found.items()}


def curves(carried: bool, rates: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4)) -> str:
    """Losses by epoch of a sweep: each arm from 2.3 on, or from where the last one ended."""
    lines, start = ["lr,epoch,loss"], 2.3
    for index, rate in enumerate(rates):
        losses = [start * (0.7 + 0.02 * abs(index - 1)) ** epoch for epoch in range(5)]
        lines += [f"{rate},{epoch},{loss:.4f}" for epoch, loss in enumerate(losses)]
        start = losses[-1] * 0.99 if carried else 2.3
    return "\n".join(lines)


def with_nan(rates: tuple[float, ...], dead: tuple[float, ...], begun: float) -> str:
    """Losses of a sweep in which some arms are NaN, the one at ``begun`` after a first figure."""
    lines = ["lr,epoch,loss"]
    for rate in rates:
        for epoch in range(3):
            loss = "nan" if rate in dead or (rate == begun and epoch) else f"{2.3 - epoch / 3:.3f}"
            lines.append(f"{rate},{epoch},{loss}")
    return "\n".join(lines)


def seeds(**arms: list[int]) -> str:
    lines = ["optimizer,seed,test_accuracy"]
    lines += [f"{arm},{s},{90 + s / 10}" for arm, own in arms.items() for s in own]
    return "\n".join(lines)


def prunings(*after: int) -> str:
    """A log as the published scripts write it: half of what is left goes at each epoch."""
    lines = ["Epoch,Remaining Fraction,Pruned Fraction,Nonzeros,Total"]
    shares = [0.5 ** (index + 1) for index in range(len(after))]
    rows = zip(after, shares, strict=True)
    lines += [f"{epoch},{kept},{1 - kept},{1000 * kept:g},1000" for epoch, kept in rows]
    return "\n".join(lines)


def epochs(count: int) -> str:
    lines = ["Epoch,Test Loss,Test Acc (%)"]
    return "\n".join([*lines, *(f"{e},{1 - e / 10},{80 + e}" for e in range(1, count + 1))])


LAMBDAS = "optimizer,test_accuracy,lambda1\nSGD,98.9 ± 0.1,0.62\nAdam,98.4 ± 0.1,0.90\n"
CLOSE = "optimizer,test_accuracy\nSGD,98.9 ± 0.3\nAdam,98.7 ± 0.3\n"

CASES = [
    Case(
        "rewound and not trained",
        "untrained-ticket",
        "severe",
        {"init.pt": network(0), "ticket.pt": PRUNED},
        {"init.pt": network(0), "round_1_rewound.pt": PRUNED, "ticket.pt": TRAINED},
    ),
    Case(
        "pruned after the last epoch",
        "untrained-ticket",
        "severe",
        {
            "out/gd_sparsity_log.csv": prunings(2, 4),
            "out/gd_lottery_ticket_metrics.csv": epochs(4),
            "out/eg_lottery_ticket_metrics.csv": epochs(5),
        },
        {
            "out/gd_sparsity_log.csv": prunings(2, 4),
            "out/gd_lottery_ticket_metrics.csv": epochs(5),
            "out/eg_lottery_ticket_metrics.csv": epochs(4),
        },
    ),
    Case(
        "weights beside their mask",
        "mask-not-held",
        "severe",
        {
            "seed0_mask.pt": TICKET,
            "seed0_weights.pt": revived(1, 7),
            "seed1_weights.pt": network(2),
        },
        {"seed0_mask.pt": TICKET, "seed0_weights.pt": TRAINED, "seed1_weights.pt": network(2)},
    ),
    Case(
        "weights and masks in one file",
        "mask-not-held",
        "severe",
        {"net.pt": {"state_dict": revived(1, 3), "masks": TICKET}},
        {"net.pt": {"state_dict": TRAINED, "masks": TICKET}},
    ),
    Case(
        "torch.nn.utils.prune, which applies masks itself",
        "mask-not-held",
        "severe",
        {"net.pt": {**revived(1, 3), "fc1.weight_mask": TICKET["fc1.weight"].float()}},
        {
            "net.pt": {
                "fc1.weight_orig": network(1)["fc1.weight"],
                "fc1.weight_mask": TICKET["fc1.weight"].float(),
                "fc1.bias": network(1)["fc1.bias"],
            }
        },
    ),
    Case(
        "sparsity in a name",
        "sparsity-claim",
        "severe",
        {"mask_sparsity_95.pt": TICKET},
        {
            "mask_sparsity_90.pt": TICKET,
            "mask-kept0.1.pt": TICKET,
            "80pct_pruned.pt": masks(1, 0.2),
        },
    ),
    Case(
        "sparsity in a table",
        "sparsity-claim",
        "severe",
        {"m.pt": TICKET, "results.csv": "file,sparsity,acc\nm.pt,0.724,88.5"},
        {"m.pt": TICKET, "results.csv": "file,sparsity,acc\nm.pt,90 %,88.5"},
    ),
    Case(
        "sparsity beside counts",
        "sparsity-claim",
        "severe",
        {"results.csv": "arm,sparsity,nonzero,total\na,0.9,4500,44190\nb,0.8,4500,44190"},
        {"results.csv": "arm,sparsity,nonzero,total\na,0.9,4419,44190\nb,0.8,8838,44190"},
    ),
    Case(
        "shuffled mask",
        "shuffle-unchanged",
        "severe",
        {"ticket_mask.pt": TICKET, "ticket_mask_shuffled.pt": TICKET},
        {"ticket_mask.pt": TICKET, "ticket_mask_shuffled.pt": masks(5)},
    ),
    Case(
        "zero biases in every checkpoint",
        "frozen-parameters",
        "severe",
        {f"eg_seed{s}.pt": without_bias(s) for s in range(3)},
        {f"eg_seed{s}.pt": network(s) for s in range(3)},
    ),
    Case(
        "curves that go on",
        "carried-network",
        "severe",
        {"curves.csv": curves(carried=True)},
        {"curves.csv": curves(carried=False)},
    ),
    Case(
        "NaN handed on",
        "carried-network",
        "severe",
        {"curves.csv": with_nan((0.1, 1.0, 0.01), (0.01,), begun=1.0)},
        {"curves.csv": with_nan((0.01, 0.1, 1.0), (), begun=1.0)},
        frozenset({"grid-edge", "one-diverged-chain"}),
    ),
    Case(
        "arms that ended with one network",
        "carried-network",
        "severe",
        {f"final_lr0.{k}.pt": network(0) for k in (1, 2)},
        {"final_lr0.1.pt": network(0), "final_lr0.2.pt": network(1), "best.pt": network(0)},
    ),
    Case(
        "selected on test",
        "test-selection",
        "severe",
        {"final.csv": "arm,selected_by,test_accuracy\nsgd,test_accuracy,0.9"},
        {"final.csv": "arm,selected_by,test_accuracy\nsgd,validation_accuracy,0.9"},
    ),
    Case(
        "disjoint seeds",
        "unequal-seeds",
        "severe",
        {"runs.csv": seeds(sgd=[0, 1, 2], adam=[3, 4, 5])},
        {"runs.csv": seeds(sgd=[0, 1, 2], adam=[0, 1, 2])},
    ),
    Case(
        "fewer seeds",
        "unequal-seeds",
        "warning",
        {"runs.csv": seeds(sgd=[0, 1, 2], adam=[0, 1])},
        {"runs.csv": seeds(sgd=[2, 1, 0], adam=[0, 1, 2])},
    ),
    Case(
        "one seed",
        "single-seed",
        "warning",
        {"runs.csv": seeds(sgd=[0], adam=[0])},
        {"runs.csv": seeds(sgd=[0, 1], adam=[0, 1])},
    ),
    Case(
        "one chain that diverged",
        "one-diverged-chain",
        "warning",
        {"runs.csv": "lr,seed,loss\n0.1,0,0.5\n0.2,0,0.4\n0.4,0,0.6\n0.6,0,nan\n0.1,1,0.5"},
        {"runs.csv": "lr,seed,loss\n0.1,0,.5\n0.2,0,.4\n0.6,0,nan\n0.1,1,.5\n0.2,1,.4\n0.6,1,nan"},
    ),
    Case(
        "best at the edge",
        "grid-edge",
        "warning",
        {"sweep.csv": "lr,val_acc\n0.01,80\n0.03,85\n0.1,88\n"},
        {"sweep.csv": "lr,val_acc\n0.01,80\n0.03,88\n0.1,85\n"},
    ),
    Case(
        "ranks inside their errors",
        "ranking-inside-error",
        "warning",
        {"table.csv": "rank,optimizer,test_accuracy,test_accuracy_std\n1,a,92.3,.3\n2,b,92.2,.2"},
        {"table.csv": "rank,optimizer,test_accuracy,test_accuracy_std\n1,a,93.3,.3\n2,b,92.2,.2"},
    ),
    Case(
        "claim against its table",
        "claim-against-table",
        "severe",
        {"README.md": "We find that Adam ends in the flattest minimum.", "t.csv": LAMBDAS},
        {"README.md": "We find that SGD ends in the flattest minimum.", "t.csv": LAMBDAS},
    ),
    Case(
        "comparison against its table",
        "claim-against-table",
        "severe",
        {"README.md": "Adam is more accurate than SGD here.", "t.csv": LAMBDAS},
        {"README.md": "SGD is more accurate than Adam here.", "t.csv": LAMBDAS},
    ),
    Case(
        "claim that is not resolved",
        "claim-against-table",
        "warning",
        {"README.md": "SGD has the best accuracy.", "t.csv": CLOSE},
        {"README.md": "It is not resolved whether SGD has the best accuracy.", "t.csv": CLOSE},
    ),
    Case(
        "claim beside a Markdown table",
        "claim-against-table",
        "severe",
        {
            "README.md": "| | test loss |\n|-|-|\n| SGD | 0.3 |\n| EG | 0.4 |\n\n"
            "EG has the lowest loss."
        },
        {
            "README.md": "| | test loss |\n|-|-|\n| SGD | 0.4 |\n| EG | 0.3 |\n\n"
            "EG has the lowest loss."
        },
    ),
    Case(
        "flags of convergence",
        "unconverged-eigenvalues",
        "severe",
        {"eig.csv": "seed,lambda1,converged\n0,1.2,False\n1,1.3,False\n2,1.1,True"},
        {"eig.csv": "seed,lambda1,converged\n0,1.2,True\n1,1.3,True\n2,1.1,True"},
    ),
    Case(
        "eigenvalues out of order",
        "misordered-eigenvalues",
        "severe",
        {"eig.csv": "optimizer,lambda_1,lambda_2\nSGD,0.62,0.8\nAdam,1.2,0.9"},
        {"eig.csv": "optimizer,lambda_1,lambda_2\nSGD,0.82,0.6\nAdam,1.2,0.9"},
    ),
    Case(
        "ratio below 1",
        "misordered-eigenvalues",
        "severe",
        {"eig.csv": "optimizer,eigenvalue_ratio\nSGD,1.6\nAdam,0.87"},
        {"eig.csv": "optimizer,eigenvalue_ratio\nSGD,1.6\nAdam,1.87"},
    ),
    Case(
        "gap within its error",
        "gap-at-noise-floor",
        "warning",
        {"eig.csv": "optimizer,spectral_gap\nSGD,0.18 ± 0.27\nAdam,0.6 ± 0.7"},
        {"eig.csv": "optimizer,spectral_gap\nSGD,0.58 ± 0.07\nAdam,0.6 ± 0.1"},
    ),
    Case(
        "no centre",
        "missing-centre",
        "warning",
        {"line.csv": "alpha,loss\n-1,2\n-0.33,1\n0.33,1\n1,2"},
        {"line.csv": "alpha,loss\n-1,2\n-0.5,1\n0,0.8\n0.5,1\n1,2"},
    ),
    Case(
        "pooled recurrent layers",
        "disconnected-by-construction",
        "warning",
        {"rnn_mask.pt": recurrent(inputs=False)},
        {"rnn_mask.pt": recurrent(inputs=True)},
    ),
    Case(
        "as many components as layers",
        "disconnected-by-construction",
        "severe",
        {"rnn_mask.pt": recurrent(False), "graph.csv": "seed,n_components\n0,3\n1,3\n2,3"},
        {"rnn_mask.pt": recurrent(True), "graph.csv": "seed,n_components\n0,3\n1,3\n2,3"},
    ),
    Case(
        "clustering that is 0",
        "bipartite-clustering",
        "severe",
        {"graph.csv": "seed,avg_clustering\n0,0.0\n1,0.0"},
        {"graph.csv": "seed,avg_clustering\n0,0.08\n1,0.0"},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_planted_fault_is_found(case: Case, audited: Callable[[Files], list[Finding]]) -> None:
    found = audited(case.fault)
    assert (case.check, case.severity) in brief(found)
    told = next(f for f in found if (f.check, f.severity) == (case.check, case.severity))
    assert all((told.where, told.fault, told.evidence, told.consequence, told.remedy))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_clean_twin_is_not_flagged(case: Case, audited: Callable[[Files], list[Finding]]) -> None:
    assert {name for name, _ in brief(audited(case.clean))} <= case.rest - {case.check}


def test_evidence_has_the_figures(audited: Callable[[Files], list[Finding]]) -> None:
    # 720 weights are pruned: 600 - 60 of fc1 and 200 - 20 of fc2.
    (found,) = audited({"net.pt": {"model": revived(1, 7), "mask": TICKET}})
    assert found.evidence == "7 of 720 weights outside it are nonzero, the largest 0.001"


def test_a_dense_network_beside_a_mask_may_be_the_one_that_was_pruned(
    audited: Callable[[Files], list[Finding]],
) -> None:
    found = audited({"init.pt": network(0), "mask.pt": TICKET})
    assert brief(found) == {("mask-not-held", "warning")}


@pytest.mark.parametrize("claim", [0.1, 10, "10 %"])
def test_density_is_read_as_a_fraction_or_in_percent(
    claim: Any, audited: Callable[[Files], list[Finding]]
) -> None:
    assert not audited({"m.pt": TICKET, "t.csv": f"mask,density\nm.pt,{claim}"})
    wrong = audited({"m.pt": masks(0, 0.25), "t.csv": f"mask,density\nm.pt,{claim}"})
    assert brief(wrong) == {("sparsity-claim", "severe")}


def test_a_rise_from_a_large_rate_is_no_carried_nan(
    audited: Callable[[Files], list[Finding]],
) -> None:
    found = audited({"c.csv": with_nan((0.1, 1.0, 10.0), (10.0,), begun=1.0)})
    assert "carried-network" not in {finding.check for finding in found}


def test_a_claim_of_another_clause_is_not_laid_at_an_arms_door(
    audited: Callable[[Files], list[Finding]],
) -> None:
    text = "By trace Adam is worse than SGD, but by another measure it is the flattest."
    assert not audited({"README.md": text, "t.csv": LAMBDAS})
