"""Curvature from too small a sample, or from one drawn with replacement."""

import ast
import re
from collections.abc import Iterator

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.audit.read.scripts import Script, called, calls, keyword
from thalweg.study import StudyPlan

ENOUGH = 1000
"""Examples. LeNet-5 on MNIST: λ1 of 500 is three times that of 5,000 (docs/results/flatness.md)."""

_CURVATURE = re.compile(r"hessian|eigen|lanczos|hvp|curvature", re.I)
_DRAWS = re.compile(r"(?:^|\.)(?:randint|choices|choice|RandomSampler)$")


def _of_plan(plan: StudyPlan) -> Iterator[Seen]:
    for request in plan.probes:
        examples = request.sample.examples
        if request.name == "hessian" and examples is not None and examples < ENOUGH:
            yield Seen(
                "warning" if request.when is None else "note",
                f"probes.{request.label}",
                "eigenvalues are of a small sample",
                f"examples = {examples}, fewer than {ENOUGH}",
            )


def _of_study(study: RecordedStudy) -> Iterator[Seen]:
    if study.plan is not None:
        yield from _of_plan(study.plan)


def _of_folder(folder: Folder) -> Iterator[Seen]:
    for script in folder.scripts:
        if not _CURVATURE.search(script.source):
            continue
        for body in script.scopes():
            for call in calls(body):
                drawn = _drawn(call)
                if drawn is not None:
                    yield from _seen(script, call, drawn)


def _seen(script: Script, call: ast.Call, drawn: int) -> Iterator[Seen]:
    if drawn < ENOUGH:
        yield Seen(
            "severe",
            script.at(call),
            "curvature is measured on a small sample drawn with replacement",
            f"{script.text(call)} ({drawn} examples)",
        )
    else:
        yield Seen(
            "warning",
            script.at(call),
            "the sample for curvature is drawn with replacement",
            script.text(call),
        )


def _drawn(call: ast.Call) -> int | None:
    """Return how many examples a call draws with replacement; None where it draws none."""
    name = called(call)
    kind = name.rpartition(".")[2]
    if not _DRAWS.search(name):
        return None
    if kind == "choice" and (keyword(call, "replace") is False or not _size(call)):
        return None
    if kind == "RandomSampler" and keyword(call, "replacement") is not True:
        return None
    return _size(call)


def _size(call: ast.Call) -> int | None:
    """Return the number of draws, if it is written as a number."""
    given = {each.arg: each.value for each in call.keywords}
    kind = called(call).rpartition(".")[2]
    places = {"choice": 1, "choices": 1, "randint": 2}
    node = given.get("size") or given.get("k") or given.get("num_samples")
    if node is None and kind in places and len(call.args) > places[kind]:
        node = call.args[places[kind]]
    if isinstance(node, ast.Tuple) and len(node.elts) == 1:
        node = node.elts[0]
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, int) else None


CHECK = Check(
    "curvature-sample",
    "eigenvalues measured on few examples, or on some drawn with replacement",
    "the largest eigenvalue of a small sample is too large, and the gap is the sample's",
    "draw without replacement, some thousands, and report the sampling error",
    of_plan=_of_plan,
    of_study=_of_study,
    of_folder=_of_folder,
)
