"""Choices made on the test set."""

import ast
import re
from collections.abc import Iterator

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.audit.read.scripts import Script, called, calls, dotted, inside, names
from thalweg.errors import ThalwegError
from thalweg.execute.models import load_named_task
from thalweg.spec import Named
from thalweg.study import StudyPlan

_TEST = re.compile(r"(?:^|_)test(?:$|_)|^test")
_BEST = re.compile(r"best|max_acc|min_loss|highest|lowest", re.I)
_COLUMN = r"select(?:ed|ion)(?:[_ ](?:by|on|metric|split))?|chosen[_ ](?:by|on)"


def _of_plan(plan: StudyPlan) -> Iterator[Seen]:
    arms = dict.fromkeys(point.arm for point in plan.points)
    points = {arm: [point for point in plan.points if point.arm == arm] for arm in arms}
    chosen = {arm: len(own) for arm, own in points.items() if len(own) > 1 or arm in plan.spaces}
    on_test = [arm for arm in chosen if _has_no_validation(points[arm][0].specs[0].task)]
    if on_test:
        yield Seen(
            "severe",
            ", ".join(on_test),
            "grid points can only be chosen on the test split",
            f"no validation split (task.validation = 0), up to "
            f"{max(chosen[arm] for arm in on_test)} points",
        )


def _has_no_validation(task: Named) -> bool:
    """Return whether a task is known to have no validation split; its data may not be here."""
    try:
        return load_named_task(task, None).validation is None
    except ThalwegError:
        return False


def _of_study(study: RecordedStudy) -> Iterator[Seen]:
    for panel in study.panels:
        most = max(len(arm.points) for arm in panel.arms)
        if panel.metric.startswith("test_") and most > 1:
            yield Seen(
                "severe",
                panel.title,
                "grid points were chosen on the test split",
                f"by {panel.metric}, among up to {most} points an arm",
            )


def _of_folder(folder: Folder) -> Iterator[Seen]:
    for table in folder.tables:
        column = table.find(_COLUMN)
        chosen = {row[column] for row in table.rows} if column is not None else set()
        for value in sorted(value for value in chosen if _TEST.search(value.lower())):
            yield Seen(
                "severe",
                table.where,
                "what the table shows was chosen on the test set",
                f"{column} is {value}",
            )
    for script in folder.scripts:
        for body in script.scopes():
            for node in inside(body):
                if isinstance(node, ast.If) and _keeps_best_test(node):
                    yield Seen(
                        "severe",
                        script.at(node),
                        "the network that is kept is chosen on the test set",
                        script.text(node),
                    )
            yield from _renamed(script, body)


def _keeps_best_test(node: ast.If) -> bool:
    """Return whether ``if test > best:`` keeps a network or a best figure."""
    read = {name.rpartition(".")[2].lower() for name in names(node.test)}
    if not isinstance(node.test, ast.Compare) or not any(map(_TEST.search, read)):
        return False
    if not any(map(_BEST.search, read)):
        return False
    targets = [
        dotted(target)
        for each in inside(node.body)
        if isinstance(each, ast.Assign)
        for target in each.targets
    ]
    saves = [called(call) for call in calls(node.body)]
    return any(map(_BEST.search, targets)) or any(re.search("save|state_dict", s) for s in saves)


def _renamed(script: Script, body: list[ast.stmt]) -> Iterator[Seen]:
    """Look for a validation set that is the test set under another name."""
    for node in inside(body):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        target = dotted(node.targets[0]).lower()
        if not re.search(r"(?:^|_)val(?:id|idation)?(?:$|_|[a-z]*(?:set|loader|data))", target):
            continue
        parts = [node.value, *(a for a in node.value.args if isinstance(a, ast.Call))]
        held = any(
            k.arg == "train" and isinstance(k.value, ast.Constant) and k.value.value is False
            for part in parts
            for k in part.keywords
        )
        given = {name.lower() for argument in node.value.args[:1] for name in names(argument)}
        if held or any(map(_TEST.search, given)):
            yield Seen(
                "severe",
                script.at(node),
                "the validation set is the test set",
                script.text(node),
            )


CHECK = Check(
    "test-selection",
    "checkpoints, hyperparameters or grid points chosen on the test set",
    "test figures are the best of many draws, and higher than on new data",
    "choose on a validation split and look at the test set once",
    of_plan=_of_plan,
    of_study=_of_study,
    of_folder=_of_folder,
)
