"""Landscapes along directions, and on grids, that do not show the network."""

import ast
import re
from collections.abc import Iterator

import numpy as np

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.scripts import Script, called, calls, dotted, inside

_DIRECTION = re.compile(
    r"(?:^|_)(?:dir|direction|directions|delta|eta|d[12xy]|dx|dy)(?:$|_|\d)", re.I
)
_UNIFORM = re.compile(
    r"(?:torch\.rand|torch\.rand_like|(?:np|numpy)\.random\.(?:rand|random|random_sample))$"
)
_ALPHA = r"alphas?|α"
_GRID = re.compile(r"(?:^|_)(?:alphas?|betas?)(?:$|_)", re.I)


def _directions(folder: Folder) -> Iterator[Seen]:
    for script in folder.scripts:
        for body in script.scopes():
            for node in inside(body):
                if not isinstance(node, ast.Assign):
                    continue
                targets = [dotted(target) for target in node.targets]
                if not any(map(_DIRECTION.search, targets)):
                    continue
                # "2 * torch.rand(n) - 1" is centred, and so is what is subtracted from.
                centred = any(isinstance(each, ast.Sub) for each in ast.walk(node.value))
                drawn = [c for c in calls(node.value) if _UNIFORM.search(called(c))]
                if drawn and not centred:
                    yield Seen(
                        "severe",
                        script.at(node),
                        "a direction is drawn from U[0, 1)",
                        script.text(node),
                    )


def _centre(folder: Folder) -> Iterator[Seen]:
    for table in folder.tables:
        column = table.find(_ALPHA)
        if column is None:
            continue
        values = np.array(table.numbers(column))
        known = values[np.isfinite(values)]
        if known.size > 2 and known.min() < 0 < known.max() and np.abs(known).min() > 1e-9:
            nearest = np.abs(known).min()
            yield Seen(
                "warning",
                table.where,
                "the grid goes round the network itself",
                f"{column} from {known.min():g} to {known.max():g}, nearest to 0 is {nearest:g}",
            )
    for script in folder.scripts:
        for body in script.scopes():
            for node in inside(body):
                if isinstance(node, ast.Assign):
                    yield from _of_grid(script, node)


def _of_grid(script: Script, node: ast.Assign) -> Iterator[Seen]:
    if not any(_GRID.search(dotted(target)) for target in node.targets):
        return
    for call in calls(node.value):
        if called(call).endswith("linspace"):
            ends = [_constant(argument) for argument in call.args[:3]]
            given = {each.arg: _constant(each.value) for each in call.keywords}
            start, stop, *count = ends if len(ends) >= 2 else [None, None]
            points = count[0] if count else given.get("num", given.get("steps"))
            if start is None or stop is None or points is None or not start < 0 < stop:
                continue
            grid = np.linspace(start, stop, int(points))
            if np.abs(grid).min() > 1e-9 * (stop - start):
                yield Seen(
                    "warning",
                    script.at(call),
                    "the grid goes round the network itself",
                    f"{script.text(call)}: the nearest to 0 is {np.abs(grid).min():g}",
                )


def _constant(node: ast.AST) -> float | None:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
    return float(value) if isinstance(value, int | float) else None


DIRECTIONS = Check(
    "uniform-directions",
    "landscape directions drawn from U[0, 1)",
    "all components are positive, so that every direction is nearly (1, …, 1)/√n",
    "draw from a normal distribution (randn) and normalise by filter",
    of_folder=_directions,
)
CENTRE = Check(
    "missing-centre",
    "a landscape whose grid has no point at α = 0",
    "the network's own loss is not on its landscape, and a narrow minimum is missed",
    "take an odd number of points on a symmetric grid",
    of_folder=_centre,
)
