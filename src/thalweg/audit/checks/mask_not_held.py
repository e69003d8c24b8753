"""Weights outside their mask that are not 0."""

from collections.abc import Iterator, Mapping
from itertools import product

from torch import Tensor

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.audit.read.tensors import TensorFile

FILLERS = frozenset({"mask", "masks", "weight", "weights", "model", "checkpoint", "ckpt", "net"})
"""Words of a file's name that do not tell which network it is of."""


def _of_study(study: RecordedStudy) -> Iterator[Seen]:
    for run_id, arm in study.sparse.items():
        masks = study.store.run(run_id).masks()
        outside, of, largest = _outside(study.weights(run_id), masks or {})
        if outside:
            yield _seen(f"{arm}, run {run_id}", outside, of, largest)


def _of_folder(folder: Folder) -> Iterator[Seen]:
    pairs = [(file, file) for file in folder.weights if file.masks]
    own = {file.name for file, _ in pairs}
    apart = [file for file in folder.masks if not file.weights]
    others = [file for file in folder.weights if file.name not in own]
    for mask, file in product(apart, others):
        alone = len(apart) == 1 and len(others) == 1
        if alone or _subject(mask) == _subject(file):
            pairs.append((mask, file))
    for mask, file in pairs:
        held = {name: each for name, each in mask.masks.items() if name not in file.applied}
        outside, of, largest = _outside(file.weights, held)
        if not outside:
            continue
        if outside == of and _subject(mask) != _subject(file):
            yield Seen(
                "warning",
                file.name,
                "its weights are dense, though a mask lies beside them",
                f"all {of} weights outside the mask in {mask.name} are nonzero",
            )
        else:
            yield _seen(f"{file.name} (mask: {mask.name})", outside, of, largest)


def _subject(file: TensorFile) -> tuple[str, ...]:
    return tuple(word for word in file.words if word not in FILLERS)


def _outside(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> tuple[int, int, float]:
    """Return how many weights outside the masks are not 0, of how many, and the largest."""
    outside = of = 0
    largest = 0.0
    for name, mask in masks.items():
        if name in weights and weights[name].shape == mask.shape:
            pruned = weights[name][mask == 0]
            of += pruned.numel()
            outside += int((pruned != 0).sum())
            largest = max([largest, *pruned.abs().flatten().tolist()]) if pruned.any() else largest
    return outside, of, largest


def _seen(where: str, outside: int, of: int, largest: float) -> Seen:
    return Seen(
        "severe",
        where,
        "the mask was not held",
        f"{outside} of {of} weights outside it are nonzero, the largest {largest:.3g}",
    )


CHECK = Check(
    "mask-not-held",
    "weights outside the mask that are not 0",
    "the network is denser than said, and its accuracy is not that of the ticket",
    "zero gradients and weights outside the mask at every step (momentum revives them too)",
    of_study=_of_study,
    of_folder=_of_folder,
)
