"""Which figures of the dense networks go with how well they and their tickets do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.report.dense_and_tickets import DenseAndTickets, Quantity
from thalweg.report.formats import metric_name, plural
from thalweg.report.table import Column, Table, build_table
from thalweg.study.association import FEWEST, Association, rank_association
from thalweg.study.comparison import holm
from thalweg.study.metrics import is_accuracy

LEVEL = 0.95

LEAD = (
    "Does the arm that ends where the loss is flatter, or its gradients noisier, have the better "
    "network, dense and pruned? An arm is one point of a rank correlation, taken seed by seed."
)

NOTE = (
    "Spearman's rank correlation over the arms at each seed: its mean over seeds with the 95 % "
    "Student t interval, for these arms. Resolved is what the t test tells from 0 at 5 %, adjusted "
    "by Holm's method for all pairs of the panel. P over arms is the share of the ways to pair the "
    "one figure of each arm with the other of any arm that go together as closely: what to expect "
    "of other arms."
)


@dataclass(frozen=True)
class Pairing:
    """A figure of the dense networks and one that it may go with.

    Attributes:
        panel: Where.
        first: Flatness or noise of the dense network.
        second: How well it, or a ticket, does.
        association: Over the arms that have both at every seed.
        p_adjusted: For all pairs of the panel.
    """

    panel: DenseAndTickets
    first: Quantity
    second: Quantity
    association: Association
    p_adjusted: float

    @property
    def resolved(self) -> bool:
        return self.p_adjusted <= 1 - LEVEL

    def verdict(self) -> str:
        """One sentence: whether the first goes with the second, and whether that is resolved."""
        found, interval = self.association, self.association.interval
        what = f"{self.panel.panel.title}: {self.first.heading} of the dense network with "
        what += f"{metric_name(self.panel.metric)}, {self.second.heading}"
        if interval is None:
            return f"{what}: all arms are alike, so there is no order."
        over = f"{plural(found.arms, 'arm')}, {plural(interval.count, 'seed')}"
        if interval.low is not None and interval.high is not None:
            over += f", 95 % interval {_signed(interval.low)} to {_signed(interval.high)}"
        word = "not resolved for these arms"
        if self.resolved:
            better = (interval.mean < 0) == is_accuracy(self.panel.metric)
            which = "less" if better else "more"
            word = f"resolved for these arms: {which} of it goes with the better network"
        return (
            f"{what}: mean rank correlation {_signed(interval.mean)} ({over}), {word}; "
            f"p over arms {found.p_arms:.2g}."
        )


def associations(found: Sequence[DenseAndTickets]) -> list[Pairing]:
    """Pair flatness and noise of the dense networks with how well they and their tickets do, where
    three arms or more have both.
    """
    pairings = []
    for panel in found:
        pairs = [
            (first, second, association)
            for first in panel.of("flatness", "noise")
            for second in panel.of("dense", "ticket", "lost")
            if (association := _association(first, second)) is not None
        ]
        adjusted = holm([association.p for *_, association in pairs])
        pairings += [Pairing(panel, *pair, p) for pair, p in zip(pairs, adjusted, strict=True)]
    return pairings


def association_verdicts(found: Sequence[DenseAndTickets]) -> list[str]:
    """Return one sentence a panel and measure of flatness: does it go with the sparsest ticket?"""
    sentences = []
    for pairing in associations(found):
        tickets = pairing.panel.of("ticket")
        if pairing.first.kind == "flatness" and pairing.second is tickets[-1]:
            sentences.append(pairing.verdict())
    return sentences


def association_tables(found: Sequence[DenseAndTickets]) -> list[Table]:
    """Return the table of all pairs, if there is one."""
    records: list[dict[str, Any]] = []
    for each in associations(found):
        interval = each.association.interval
        records.append(
            {
                "task": each.panel.panel.task,
                "model": each.panel.panel.model,
                "first": each.first.heading,
                "second": each.second.heading,
                "arms": each.association.arms,
                "seeds": len(each.association.by_seed),
                "correlation": None if interval is None else interval.mean,
                "low": None if interval is None else interval.low,
                "high": None if interval is None else interval.high,
                "p": each.association.p,
                "p_adjusted": each.p_adjusted,
                "p_arms": each.association.p_arms,
                "resolved": each.resolved,
            }
        )
    texts = ("task", "model", "first", "second")
    figures = ("correlation", "low", "high", "p", "p_adjusted", "p_arms")
    table = build_table(
        "associations",
        "What goes with the better network",
        NOTE,
        records,
        {
            **dict.fromkeys(texts, pl.String),
            **dict.fromkeys(("arms", "seeds"), pl.Int64),
            **dict.fromkeys(figures, pl.Float64),
            "resolved": pl.Boolean,
        },
        [
            Column("task", lambda row: row["task"], numeric=False),
            Column("model", lambda row: row["model"], numeric=False),
            Column("of the dense network", lambda row: row["first"], numeric=False),
            Column("with", lambda row: row["second"], numeric=False),
            Column("arms", lambda row: str(row["arms"])),
            Column("seeds", lambda row: str(row["seeds"])),
            Column("rank correlation", _correlation),
            Column("p", lambda row: f"{row['p_adjusted']:.2g}"),
            Column("p over arms", lambda row: f"{row['p_arms']:.2g}"),
            Column("", lambda row: "resolved" if row["resolved"] else "", numeric=False),
        ],
    )
    return [table] if records else []


def _association(first: Quantity, second: Quantity) -> Association | None:
    """Over the arms that have both at every seed that any arm has."""
    seeds = sorted({seed for own in second.values.values() for seed in own})
    rows = [
        ([first.values[arm][seed] for seed in seeds], [own[seed] for seed in seeds])
        for arm, own in second.values.items()
        if all(seed in own and seed in first.values.get(arm, {}) for seed in seeds)
    ]
    if not seeds or len(rows) < FEWEST:
        return None
    x, y = zip(*rows, strict=True)
    return rank_association(np.array(x), np.array(y))


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _correlation(row: dict[str, Any]) -> str:
    if row["correlation"] is None:
        return "—"
    text = _signed(row["correlation"])
    if row["low"] is None:
        return text
    return f"{text} [{_signed(row['low'])}, {_signed(row['high'])}]"
