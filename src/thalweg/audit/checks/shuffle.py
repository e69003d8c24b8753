"""A shuffled mask that is the mask it was made of."""

import ast
from collections.abc import Iterator

import torch

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.audit.read.scripts import called, calls
from thalweg.audit.read.tensors import Named
from thalweg.sparsity.rounds import CONTROLS

WORDS = frozenset({"shuffle", "shuffled", "random", "control", "permuted", "permutation", "shuf"})
"""What names of files of controls have."""

COPIES = ("flatten", "tolist", "copy", "clone", "list", "array")
"""Calls whose result a shuffle in place changes instead of the mask."""


def _of_study(study: RecordedStudy) -> Iterator[Seen]:
    rounds = study.results.rounds.to_dicts()
    last = {(row["arm"], row["point"], row["seed"]): row["run"] for row in rounds}
    for (arm, point, seed), run_id in last.items():
        ticket, _, control = arm.rpartition(" ")
        if control not in CONTROLS or control == "reinitialised":
            continue
        other = last.get((ticket, point, seed))
        if other is None or other not in study.results.masks or run_id not in study.results.masks:
            continue
        masks = [study.store.run(i).masks() or {} for i in (run_id, other)]
        if _same(*masks):
            yield _seen(f"{arm} {point}, seed {seed}".replace(" ,", ","), ticket)


def _of_folder(folder: Folder) -> Iterator[Seen]:
    for file in folder.masks:
        if not WORDS & set(file.words):
            continue
        subject = [word for word in file.words if word not in WORDS]
        for other in folder.masks:
            if (
                other is not file
                and list(other.words) == subject
                and _same(file.masks, other.masks)
            ):
                yield _seen(file.name, other.name)
    for script in folder.scripts:
        for call in (call for body in script.scopes() for call in calls(body)):
            if not called(call).endswith("shuffle") or not call.args:
                continue
            inner = call.args[0]
            if isinstance(inner, ast.Call) and called(inner).rpartition(".")[2] in COPIES:
                yield Seen(
                    "severe",
                    script.at(call),
                    "the shuffle is of a copy that is thrown away",
                    script.text(call),
                )


def _same(first: Named, second: Named) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(mask, second[name]) for name, mask in first.items()
    )


def _seen(where: str, other: str) -> Seen:
    return Seen(
        "severe",
        where,
        "the shuffled mask is the mask itself",
        f"equal to that of {other} in every entry",
    )


CHECK = Check(
    "shuffle-unchanged",
    "a shuffled or random mask that equals the ticket's",
    "the control is the ticket again, so that a ticket always matches it",
    "shuffle into a new mask and assert that it differs",
    of_study=_of_study,
    of_folder=_of_folder,
)
