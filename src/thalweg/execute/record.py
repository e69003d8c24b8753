"""What is recorded of a cohort that has been trained."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from torch import Tensor

from thalweg.cohort import Training
from thalweg.execute.keeper import stops_the_study
from thalweg.execute.writers import Writers
from thalweg.sparsity.outcome import describe
from thalweg.spec import RunSpec
from thalweg.store import RunDirectory, Store


def record_results(
    training: Training,
    specs: Sequence[RunSpec],
    runs: Sequence[RunDirectory],
    record: dict[str, Any],
) -> None:
    """Evaluate the runs on all splits and write what they ended with; then their checkpoints go.

    None is complete before the results of all are written: until then the cohort can be trained
    again from its last checkpoint in the same company, so to the same bits.

    Args:
        training: The cohort, trained.
        specs: Of its runs.
        runs: Where they lie.
        record: What is noted of the training itself: device, versions, machine.
    """
    final = {name: training.evaluate(name) for name in training.task.splits}
    with stops_the_study(), training.judged(), Writers() as writers:
        sparsity = _sparsity(training, specs)
        for row, run in enumerate(runs):
            losses = [evaluation.loss[row].item() for evaluation in final.values()]
            diverged = training.diverged_step[row] is not None or not all(map(isfinite, losses))
            figures: dict[str, Any] = {}
            confusion: list[dict[str, int]] = []
            if diverged:
                figures["message"] = _divergence(training, row, losses)
            else:
                for split, evaluation in final.items():
                    figures[f"{split}_loss"] = evaluation.loss[row].item()
                    if evaluation.accuracy is not None:
                        figures[f"{split}_accuracy"] = evaluation.accuracy[row].item()
                if (counts := final["test"].confusion) is not None:
                    confusion = [
                        {"true": i, "predicted": j, "count": count}
                        for i, line in enumerate(counts[row].tolist())
                        for j, count in enumerate(line)
                    ]
            cost = training.costs[row]
            weights = training.cohort.state(row)
            status = {
                "status": "diverged" if diverged else "done",
                "diverged_step": training.diverged_step[row],
                "epochs": training.epoch,
                "steps": training.step,
                "parameters": training.cohort.layout.size,
                **cost.as_dict(),
                "task": training.task.name,
                "class_names": list(training.task.class_names),
                **figures,
                **sparsity[row],
                **record,
            }
            names = _sparse_parameters(training, specs[row])
            masks = _masks(training, row, weights, names)
            writers.submit(*(run.stage, status, training.metrics[row], confusion, weights, masks))
    with stops_the_study():
        for run in runs:
            run.complete()
    for run in runs:
        run.drop_checkpoints()


def complete_staged(runs: Sequence[RunDirectory], store: Store) -> bool:
    """Complete runs whose process ended when the results of their whole cohort were written, and
    not yet all of its statuses; return whether they were such runs.
    """
    cohort = {run_id for run in runs for run_id in run.status().get("cohort", [run.id])}
    others = cohort.difference(run.id for run in runs)
    if not all(run.is_staged() for run in runs):
        return False
    if not all(store.run(i).is_complete() or store.run(i).is_staged() for i in others):
        return False
    for run in runs:
        run.complete()
        run.drop_checkpoints()
    return True


def _divergence(training: Training, row: int, losses: Sequence[float]) -> str:
    """Return in a sentence why a run counts as diverged."""
    step, loss = training.diverged_step[row], training.diverged_loss[row]
    if step is None:
        return f"its loss was {next(x for x in losses if not isfinite(x))} after its last step"
    return f"its loss was {loss or 'not finite'} at step {step}"


def _sparse_parameters(training: Training, spec: RunSpec) -> list[str] | None:
    """Return the names of the parameters that a run's sparsity is about; None without one."""
    return None if spec.sparsity is None else spec.sparsity_options.names(training.cohort.module)


def _sparsity(training: Training, specs: Sequence[RunSpec]) -> list[dict[str, Any]]:
    """Return what is recorded of each run's sparsity; nothing for runs without one."""
    names = [_sparse_parameters(training, spec) for spec in specs]
    sparse = [each for each in names if each is not None]
    if len(sparse) < len(names):  # all of a cohort or none
        return [{} for _ in specs]
    constraint = training.settings.constraint
    found = describe(training.cohort, sparse, training.task.shape)
    return [
        {
            "sparsity": {
                "round": specs[row].round,
                **each,
                **({} if constraint is None else constraint.figures(row)),
            }
        }
        for row, each in enumerate(found)
    ]


def _masks(
    training: Training, row: int, weights: Mapping[str, Tensor], names: Sequence[str] | None
) -> dict[str, Tensor] | None:
    """Return the mask that a run ends with, of the parameters that its sparsity is about; where
    none was held, it is that of the weights that are not 0.
    """
    if names is None:
        return None
    mask = training.cohort.mask
    if mask is None:
        return {name: weights[name] != 0 for name in names}
    views = training.cohort.layout.views(mask[row])
    return {name: views[name] for name in names}
