"""Parameters that an exponentiated update never moves."""

from collections.abc import Iterator

import torch

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.audit.read.tensors import Named
from thalweg.errors import ThalwegError
from thalweg.execute.models import build_spec_model, initial_seed, load_named_task
from thalweg.optim.registry import OPTIMIZERS
from thalweg.optim.rule import Rule
from thalweg.spec import RunSpec
from thalweg.study import StudyPlan

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def _of_plan(plan: StudyPlan) -> Iterator[Seen]:
    for arm in dict.fromkeys(point.arm for point in plan.points):
        spec = next(point.specs[0] for point in plan.points if point.arm == arm)
        if not _freezes(spec):
            continue
        zeros = {
            name: int((weight == 0).sum())
            for name, weight in _initial(spec).items()
            if bool((weight == 0).any())
        }
        if zeros:
            listed = ", ".join(f"{count} of {name}" for name, count in zeros.items())
            yield Seen(
                "severe",
                arm,
                f"{spec.optimizer.name} never moves a weight that starts at 0",
                f"initially 0: {listed}",
            )


def _of_study(study: RecordedStudy) -> Iterator[Seen]:
    for panel in study.panels:
        for arm in panel.arms:
            for point in arm.points:
                done = [run["run"] for run in point.runs if run["status"] == "done"]
                unmoved = _unmoved(study, done)
                if not unmoved:
                    continue
                spec = study.spec(done[0])
                yield Seen(
                    "severe" if spec is not None and _freezes(spec) else "warning",
                    f"{panel.title}, {arm.name} {point.label}".rstrip(),
                    f"{', '.join(unmoved)} never moved",
                    f"{' and '.join(sorted(set(unmoved.values())))} in all {len(done)} runs",
                )


def _unmoved(study: RecordedStudy, run_ids: list[str]) -> dict[str, str]:
    """Return the parameters that all of these runs ended with as they began, or exactly 0, with
    which of the two; runs are read only as long as there are any.
    """
    left: dict[str, str] = {}
    for index, run_id in enumerate(run_ids):
        spec, weights = study.spec(run_id), study.weights(run_id)
        masks = study.store.run(run_id).masks() or {}
        kept = [name for name in weights if name not in masks or bool(masks[name].any())]
        begun = {} if spec is None else _initial(spec)
        found = {}
        for name in kept:
            if not bool(weights[name].any()):
                found[name] = "exactly 0"
            elif name in begun and torch.equal(begun[name], weights[name]):
                found[name] = "equal to its initial values"
        left = {k: v for k, v in found.items() if index == 0 or left.get(k) == v}
        left = {name: how for name, how in left.items() if not name.endswith(BUFFERS)}
        if not left:
            return {}
    return left


def _of_folder(folder: Folder) -> Iterator[Seen]:
    groups: dict[tuple[tuple[str, torch.Size], ...], list[tuple[str, Named]]] = {}
    for file in folder.weights:
        shapes = tuple((name, value.shape) for name, value in sorted(file.weights.items()))
        groups.setdefault(shapes, []).append((file.name, file.weights))
    for members in groups.values():
        first = members[0][1]
        names = [name for name in first if not name.endswith(BUFFERS)]
        still = [
            name
            for name in names
            if all(torch.equal(first[name], other[name]) for _, other in members[1:])
        ]
        if len(members) < 2 or len(still) == len(names):
            continue  # nothing to compare, or copies of one network
        for name in still:
            zero = not bool(first[name].any())
            yield Seen(
                "severe" if zero and first[name].ndim == 1 else "warning",
                ", ".join(file for file, _ in members[:3]) + (", …" if members[3:] else ""),
                f"{name} never moved",
                f"{'exactly 0' if zero else 'the same to the bit'} in all {len(members)} files, "
                f"in which {len(names) - len(still)} other parameters differ",
            )


def _freezes(spec: RunSpec) -> bool:
    rule = OPTIMIZERS[spec.optimizer.name].target
    return isinstance(rule, Rule) and rule.freezes_zeros(rule.options(**spec.optimizer.options))


def _initial(spec: RunSpec) -> Named:
    """Return a run's initial weights; none where its data is not on this machine."""
    try:
        module = build_spec_model(spec, load_named_task(spec.task, None), initial_seed(spec))
    except ThalwegError:
        return {}
    return {name: weight.detach() for name, weight in module.named_parameters()}


CHECK = Check(
    "frozen-parameters",
    "parameters that never move, as zeros under an exponentiated update do",
    "the network that was trained is a smaller one, and its optimizer is judged by that",
    "start them away from 0 (init lognormal), split them (split_bias = 0.1), or say they are fixed",
    of_plan=_of_plan,
    of_study=_of_study,
    of_folder=_of_folder,
)
