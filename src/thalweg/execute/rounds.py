"""How a round of pruning begins: from what earlier runs left in the store."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from thalweg.cohort import Cohort, Training
from thalweg.data import Task
from thalweg.execute.models import build_spec_model, initial_seed
from thalweg.execute.paths import snapshot_of_path
from thalweg.execute.wanted import END
from thalweg.sparsity import RoundsOptions
from thalweg.sparsity.rounds import Rewind
from thalweg.sparsity.tickets import choose_mask, control_mask
from thalweg.spec import RunSpec
from thalweg.store import Store


def snapshot_step(name: str, training: Training) -> int:
    """Return the step after which a snapshot is taken."""
    along = snapshot_of_path(name)
    return Rewind.parse(name).first_step(training.steps_per_epoch) if along is None else along


def begin_round(
    cohort: Cohort, task: Task, specs: Sequence[RunSpec], store: Store
) -> list[dict[str, Any] | None]:
    """Put the cohort, at its initial weights, where its round begins: survivors rewound, the others
    pruned and masked.

    Returns:
        The optimizer's state of each row; None where it starts anew.
    """
    mask = cohort.open_mask()
    states = []
    for row, spec in enumerate(specs):
        assert spec.rounds is not None and spec.parent is not None
        before = store.run(spec.parent.id)
        trained = before.weights() or {}
        rounds, keep = spec.rounds, spec.rounds.keep[-1]
        found = choose_mask(cohort, trained, task, rounds, keep, spec.seed, before.masks())
        found = control_mask(found, rounds.control, spec.seed)
        cohort.layout.write(mask[row], found)
        initial = cohort.state(row)
        weights, state = _start(spec, spec.rounds, store, task, trained, initial)
        cohort.load_state(row, weights)
        states.append(state)
    cohort.set_mask(mask)
    return states


def _start(
    spec: RunSpec,
    rounds: RoundsOptions,
    store: Store,
    task: Task,
    trained: dict[str, Tensor],
    initial: dict[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Return the weights, and the optimizer's state, with which a round begins."""
    start = rounds.start
    snapshot = None
    if start.weights == "dense" and start.count > 0:
        snapshot = store.run(spec.dense.id).load_snapshot(rounds.rewind)
    if rounds.control == "reinitialised":
        weights = build_spec_model(spec, task, initial_seed(spec)).state_dict()
    elif start.weights == "last":
        weights = trained
    elif snapshot is not None:
        weights = snapshot["weights"]
    else:
        weights = initial
    if rounds.optimizer_state == "keep":
        assert spec.parent is not None
        return weights, store.run(spec.parent.id).load_snapshot(END)["optimizer"]
    if rounds.optimizer_state == "rewind" and snapshot is not None:
        return weights, snapshot["optimizer"]
    return weights, None
