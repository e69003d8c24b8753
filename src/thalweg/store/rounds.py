"""Rounds of pruning and the figures of sparse runs, as rows of frames."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.sparsity.rounds import Rewind
from thalweg.store.results import ROUNDS

Row = dict[str, Any]


def sparsity_figures(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Row:
    """Return what a complete run's record says of its sparsity, by columns of the ``runs`` frame.

    Also ``layers``, the fraction kept of each parameter, and ``own_steps`` and ``own_epochs``, what
    it trained for itself: a round of pruning counts its steps on from where it was rewound to.
    Files of another program tell no steps, and may not tell epochs or counts of weights.
    """
    steps, epochs = status["steps"], status["epochs"]
    figures: Row
    if "own_epochs" in status:  # the run was imported
        own_epochs = status["own_epochs"]
        figures = {"own_steps": status.get("own_steps"), "own_epochs": own_epochs}
    elif not steps:  # pruned from a run that diverged: what else its record has is of that run
        return {"own_steps": 0, "own_epochs": 0.0}
    else:
        end = steps if status["diverged_step"] is None else min(status["diverged_step"], steps)
        own = max(0, end - _first_step(spec, steps // epochs))
        figures = {"own_steps": own, "own_epochs": own * epochs / steps}
    found = status.get("sparsity")
    if found is None:
        return figures
    figures["kept"] = found["kept"] if "kept" in found else found["nonzero"] / found["weights"]
    figures["layers"] = {
        name: layer["nonzero"] / layer["weights"] for name, layer in found["layers"].items()
    }
    if "connectivity" in found:
        total = found["connectivity"]["total"]
        figures["forward_flops"] = total["flops"]
        for name in ("effective_density", "dead", "zombies", "nonzero_flops"):
            figures[name] = total[name]
    return figures


def round_rows(entries: Sequence[Mapping[str, Any]], described: Mapping[str, Row]) -> list[Row]:
    """Return the rows of the ``rounds`` frame.

    Args:
        entries: Of a study's record: arm, point, seed, round and run.
        described: Runs as rows, with what `sparsity_figures` returns.
    """
    pruned: dict[tuple[Any, ...], Row] = {}
    for entry in entries:
        row = described.get(entry["run"], {})
        if entry["round"] > 0 and "kept" in row:
            pruned.setdefault(_lineage(entry), row)
    rows = []
    for entry in entries:
        row = {"status": "missing", **described.get(entry["run"], {})}
        if entry["round"] == 0 and "own_steps" in row:
            row |= _dense(pruned.get(_lineage(entry), {}))
        layers, epochs = row.get("layers"), row.get("own_epochs")
        row |= {
            **entry,
            "layers": None if layers is None else json.dumps(layers),
            "steps": row.get("own_steps"),
            "epochs": epochs,
            "trained": None if epochs is None else epochs > 0,
        }
        rows.append({name: row.get(name) for name in ROUNDS})
    return rows


def _lineage(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return entry["arm"], entry["point"], entry["seed"]


def _dense(pruned: Row) -> Row:
    """Return the figures of the dense network, given those of one that was pruned from it."""
    dense: Row = {"kept": 1.0}
    if "layers" in pruned:
        dense["layers"] = dict.fromkeys(pruned["layers"], 1.0)
    if "forward_flops" in pruned:
        flops = pruned["forward_flops"]
        dense |= {"forward_flops": flops, "nonzero_flops": flops}
        dense |= {"effective_density": 1.0, "dead": 0, "zombies": 0}
    return dense


def _first_step(spec: Mapping[str, Any], steps_per_epoch: int) -> int:
    """Return the step at which the run's training began."""
    rewind = spec.get("sparsity", {}).get("rewind")
    return 0 if rewind is None else Rewind.parse(rewind).first_step(steps_per_epoch)
