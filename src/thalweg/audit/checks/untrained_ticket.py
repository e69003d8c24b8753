"""A ticket that was never trained after its last pruning."""

import ast
import math
import re
from collections.abc import Iterator, Sequence

import torch

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.audit.read.scripts import called, calls, inside
from thalweg.audit.read.tables import Table
from thalweg.audit.read.tensors import Named, TensorFile, matrices

_TRAIN = re.compile(r"(?:^|_)(?:re|pre)?(?:train|fit|finetune|fine_tune)(?:$|_|ing)")
_PRUNE = re.compile(r"prune|rewind")


def _of_study(study: RecordedStudy) -> Iterator[Seen]:
    done = [row for row in study.results.rounds.to_dicts() if row["status"] == "done"]
    last = {(row["arm"], row["point"], row["seed"]): row for row in done}
    untrained: dict[tuple[str, str], list[int]] = {}
    for (arm, point, seed), row in last.items():
        if row["trained"] is False:
            untrained.setdefault((arm, point), []).append(seed)
    for (arm, point), seeds in untrained.items():
        yield Seen(
            "severe",
            f"{arm} {point}".rstrip(),
            "the ticket was not trained after its last pruning",
            f"no step after the last round, seeds {', '.join(map(str, seeds))}",
        )


def _of_folder(folder: Folder) -> Iterator[Seen]:
    files = [file for file in folder.weights if _support(file)]
    for file in files:
        source = next((each for each in files if _only_pruned(file, each)), None)
        if source is None or any(_trained_as(file, each) for each in files):
            continue
        left = sum(int(support.sum()) for support in _support(file).values())
        yield Seen(
            "severe",
            file.name,
            "the pruned network was never trained under its mask",
            f"all {left} weights that are left equal those of {source.name} to the bit, and no "
            "file has other weights under the same mask",
        )
    yield from _of_logs(folder.tables)
    for script in folder.scripts:
        for body in script.scopes():
            for index, loop in enumerate(body):
                if not isinstance(loop, ast.For | ast.While) or not _ends_with_pruning(loop.body):
                    continue
                after = [_last_name(call) for call in calls(body[index + 1 :])]
                if not any(_TRAIN.search(name) for name in after):
                    yield Seen(
                        "warning",
                        script.at(loop),
                        "every round trains and then prunes, and nothing trains after the last",
                        f"the loop's last such call is {_last_name(_steps(loop.body)[-1])}()",
                    )


def _of_logs(tables: Sequence[Table]) -> Iterator[Seen]:
    """Compare logs of prunings with the figures by epoch beside them, as the published scripts name
    both.
    """
    figures = {table.where: table for table in tables}
    for log in tables:
        beside = figures.get(log.where.replace("_sparsity_log.", "_lottery_ticket_metrics."))
        if beside is None or beside is log:
            continue
        pruned, trained = (_last_epoch(table) for table in (log, beside))
        if pruned >= trained:
            yield Seen(
                "severe",
                log.where,
                "the ticket was not trained after its last pruning",
                f"it was pruned after epoch {pruned:g}, and {beside.where} ends with epoch "
                f"{trained:g}, whose figures are those of the network before",
            )


def _last_epoch(table: Table) -> float:
    """Return the last epoch that a table tells; NaN if it tells none."""
    column = table.find("epochs?")
    told = [] if column is None else table.numbers(column)
    return max((epoch for epoch in told if math.isfinite(epoch)), default=math.nan)


def _support(file: TensorFile) -> Named:
    """Return where the matrices of a file are nonzero."""
    return {name: values != 0 for name, values in matrices(file.weights).items()}


def _only_pruned(file: TensorFile, source: TensorFile) -> bool:
    """Return whether a file's weights are another's, of which some more were set to 0."""
    own, other = matrices(file.weights), matrices(source.weights)
    if file is source or _shapes(own) != _shapes(other):
        return False
    fewer = False
    for name, values in own.items():
        if not bool(((values == other[name]) | (values == 0)).all()):
            return False
        fewer |= bool(((values == 0) & (other[name] != 0)).any())
    return fewer and any(bool(values.any()) for values in own.values())


def _trained_as(file: TensorFile, other: TensorFile) -> bool:
    """Return whether another file has other weights at the same places."""
    own, theirs = matrices(file.weights), matrices(other.weights)
    if _shapes(own) != _shapes(theirs):
        return False
    same = all(torch.equal(values != 0, theirs[name] != 0) for name, values in own.items())
    return same and not all(torch.equal(values, theirs[name]) for name, values in own.items())


def _shapes(named: Named) -> dict[str, torch.Size]:
    return {name: values.shape for name, values in named.items()}


def _steps(body: list[ast.stmt]) -> list[ast.Call]:
    """Return the calls that train or prune; those in inner loops, of single steps, are left out."""
    nested = [each for each in inside(body) if isinstance(each, ast.For | ast.While)]
    skipped = {id(call) for loop in nested for call in calls(loop)}
    known = [call for call in calls(body) if id(call) not in skipped]
    return [call for call in known if _is_training(call) or _PRUNE.search(_last_name(call))]


def _ends_with_pruning(body: list[ast.stmt]) -> bool:
    steps = _steps(body)
    return bool(
        steps
        and any(map(_is_training, steps))
        and not _is_training(steps[-1])
        and _PRUNE.search(_last_name(steps[-1]))
    )


def _is_training(call: ast.Call) -> bool:
    # model.train() only switches the mode.
    mode = isinstance(call.func, ast.Attribute) and call.func.attr == "train" and not call.args
    return bool(_TRAIN.search(_last_name(call))) and not mode


def _last_name(call: ast.Call) -> str:
    return called(call).rpartition(".")[2].lower()


CHECK = Check(
    "untrained-ticket",
    "a pruned network that was not trained after its last pruning",
    "its figures are those of a freshly pruned network, not of a ticket",
    "train it under its mask after the last pruning, and report that",
    of_study=_of_study,
    of_folder=_of_folder,
)
