"""One network carried through the arms of a sweep."""

import ast
import hashlib
import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterator

import torch

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.audit.read.scripts import Script, called, calls, dotted, inside, names
from thalweg.audit.read.tables import ARM, EPOCH, RATE, SEED, Table
from thalweg.audit.read.tensors import Named

NEAR = 0.1
"""An arm goes on from the one before if its first figure is this near to that one's last, in units
of its distance from where the first arm began."""

LEAST = 2
"""Transitions of which all must be so."""

_FIGURE = r".*(?:loss|acc|accuracy|error|cost)(?:[_ -].*)?"
_RENEWS = re.compile(r"reset|reinit|init_?weights|load_state_dict|deepcopy")


def _of_study(study: RecordedStudy) -> Iterator[Seen]:
    same: dict[str, list[dict[str, object]]] = defaultdict(list)
    for run in study.complete:
        path = study.store.run(run["run"]).path / "final.safetensors"
        if run["status"] == "done" and path.exists():
            same[hashlib.blake2b(path.read_bytes()).hexdigest()].append(run)
    for runs in same.values():
        if len(runs) < 2:
            continue
        listed = [f"{run['arm']} {run['point']} seed {run['seed']}" for run in runs]
        seeds = {run["seed"] for run in runs}
        yield Seen(
            "severe" if len(seeds) > 1 else "warning",
            str(runs[0]["arm"]),
            "runs that were asked for differently ended with the same weights",
            f"equal to the bit: {'; '.join(listed[:4])}{'; …' if listed[4:] else ''}",
        )


def _of_folder(folder: Folder) -> Iterator[Seen]:
    for table in folder.tables:
        yield from _of_curves(table)
    yield from _of_files(folder)
    for script in folder.scripts:
        for body in script.scopes():
            yield from _of_statements(script, body)


def _of_files(folder: Folder) -> Iterator[Seen]:
    """Compare files whose names differ in their numbers alone: of other arms or seeds."""
    groups: dict[str, list[tuple[str, Named]]] = defaultdict(list)
    for file in folder.weights:
        groups[re.sub(r"\d+(?:\.\d+)?(?:e-?\d+)?", "#", file.name)].append(
            (file.name, file.weights)
        )
    for members in groups.values():
        for index, (name, weights) in enumerate(members):
            twin = next((n for n, other in members[:index] if _equal(weights, other)), None)
            if twin is not None:
                yield Seen(
                    "severe",
                    name,
                    "two networks that should differ are one",
                    f"all {len(weights)} tensors equal those of {twin} to the bit",
                )


def _equal(first: Named, second: Named) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


def _of_curves(table: Table) -> Iterator[Seen]:
    epoch = table.find(EPOCH)
    keys = [name for name in (*table.find_all(ARM), *table.find_all(SEED)) if name != epoch]
    if epoch is None or not keys:
        return
    arms: dict[tuple[str, ...], list[int]] = {}
    for index, row in enumerate(table.rows):
        arms.setdefault(tuple(row[key] for key in keys), []).append(index)
    curves = [rows for rows in arms.values() if len(rows) > 1]
    if len(curves) < 2:
        return
    for column in table.find_all(_FIGURE):
        values = table.numbers(column)
        yield from _continued(table, column, [[values[i] for i in rows] for rows in curves])
        yield from _carried_nan(table, column, curves)


def _continued(table: Table, column: str, curves: list[list[float]]) -> Iterator[Seen]:
    begin = curves[0][0]
    pairs = [(before[-1], after[0]) for before, after in itertools.pairwise(curves)]
    finite = [pair for pair in pairs if all(map(math.isfinite, pair))]
    if not math.isfinite(begin) or len(finite) < LEAST:
        return
    if all(
        abs(first - last) <= NEAR * abs(begin - last) and last != begin for last, first in finite
    ):
        listed = ", ".join(f"{last:.4g} → {first:.4g}" for last, first in finite[:4])
        yield Seen(
            "severe",
            table.where,
            "each arm goes on where the one before ended",
            f"{column}, last of an arm → first of the next: {listed}; the first arm began at "
            f"{begin:.4g}",
        )


def _carried_nan(table: Table, column: str, curves: list[list[int]]) -> Iterator[Seen]:
    """Look for a smaller step size that is NaN from its first row on, after one that became so."""
    rate = table.find(RATE)
    if rate is None:
        return
    values, rates = table.numbers(column), table.numbers(rate)
    diverged = math.inf
    for rows in curves:
        own = [values[i] for i in rows]
        written = all(table.rows[i][column].strip() for i in rows)
        if written and rates[rows[0]] < diverged < math.inf and all(map(math.isnan, own)):
            yield Seen(
                "severe",
                table.where,
                "an arm begins with the NaN of the one before",
                f"{column} is NaN from the first row on at {rate} = {rates[rows[0]]:g}, after "
                f"{diverged:g} had diverged",
            )
        if math.isnan(own[-1]) and math.isfinite(own[0]):
            diverged = rates[rows[0]]


def _of_statements(script: Script, body: list[ast.stmt]) -> Iterator[Seen]:
    """Look for loops that make an optimizer for a network made before them."""
    made = {
        dotted(target): node
        for node in inside(body)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
    }
    for loop in (node for node in inside(body) if isinstance(node, ast.For)):
        within = {
            dotted(target)
            for node in inside(loop.body)
            if isinstance(node, ast.Assign)
            for target in node.targets
        }
        for call in calls(loop.body):
            model = _optimized(call)
            if model is None or model in within or model not in made:
                continue
            varied = names(loop.target) & names(call)
            before = (made[model].lineno, made[model].col_offset) < (loop.lineno, loop.col_offset)
            if varied and before and not _renewed(model, loop.body):
                yield Seen(
                    "severe",
                    script.at(call),
                    f"each {', '.join(sorted(varied))} trains the network that the one before left",
                    f"{model} is made once, at line {made[model].lineno}, and its optimizer in the "
                    f"loop at line {loop.lineno}",
                )


def _optimized(call: ast.Call) -> str | None:
    """Return the network of ``Optimizer(model.parameters(), …)``."""
    for argument in call.args[:1]:
        if isinstance(argument, ast.Call) and called(argument).endswith(".parameters"):
            return called(argument).removesuffix(".parameters")
    return None


def _renewed(model: str, body: list[ast.stmt]) -> bool:
    """Return whether a loop puts a network back: by a call on it, or one that is given it."""
    for call in calls(body):
        given = {name for argument in call.args for name in names(argument)}
        about = called(call).rpartition(".")[0] == model or model in given
        if about and _RENEWS.search(called(call)):
            return True
    return False


CHECK = Check(
    "carried-network",
    "arms that go on with the network of the arm before, its NaNs included",
    "an arm's figures are those of all arms before it too; arms cannot be compared",
    "make a fresh network from the seed in every arm",
    of_study=_of_study,
    of_folder=_of_folder,
)
