"""Gradients that are clipped too late or left over from an earlier pass."""

import ast
import re
from collections.abc import Iterator
from typing import Literal

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.scripts import called, calls, dotted, inside, keyword

Event = Literal["backward", "step", "clip", ""]


def _clipping(folder: Folder) -> Iterator[Seen]:
    for script in folder.scripts:
        for body in script.scopes():
            events = [(event, call) for call in calls(body) if (event := _event(call))]
            for index, (event, call) in enumerate(events):
                if event != "clip":
                    continue
                before = next((e for e, _ in reversed(events[:index]) if e != "clip"), "")
                after = next((e for e, _ in events[index + 1 :] if e != "clip"), "")
                if before == "step" and after != "step":
                    yield Seen(
                        "severe",
                        script.at(call),
                        "gradients are clipped after the optimizer's step",
                        script.text(call),
                    )


def _event(call: ast.Call) -> Event:
    owner, _, name = called(call).rpartition(".")
    if name == "backward":
        return "backward"
    if name == "step" and not re.search(r"sched|warm", owner, re.I):
        return "step"
    return "clip" if re.match(r"clip_grad(?:_norm|_value)", name) else ""


def _leftover(folder: Folder) -> Iterator[Seen]:
    for script in folder.scripts:
        for body in script.scopes():
            kept = [
                call
                for call in calls(body)
                if called(call).endswith(".backward") and keyword(call, "create_graph") is True
            ]
            if kept and not _cleared(body):
                yield Seen(
                    "severe",
                    script.at(kept[0]),
                    "backward(create_graph=True), and nothing clears the gradients it adds to",
                    script.text(kept[0]),
                )


def _cleared(body: list[ast.stmt]) -> bool:
    """Return whether gradients are set to zero or None somewhere."""
    called_names = [called(call).rpartition(".")[2] for call in calls(body)]
    if any(name in ("zero_grad", "zero_") for name in called_names):
        return True
    return any(
        isinstance(node, ast.Assign) and any(dotted(t).endswith(".grad") for t in node.targets)
        for node in inside(body)
    )


CLIPPING = Check(
    "clipping-after-step",
    "gradient clipping after the optimizer's step",
    "nothing is clipped: the step was taken with the whole gradient",
    "clip between backward() and step()",
    of_folder=_clipping,
)
LEFTOVER = Check(
    "leftover-gradient",
    "a Hessian product on top of a gradient or graph of an earlier pass",
    "gradients add up over passes, so that products and eigenvalues are those of a sum",
    "use torch.autograd.grad, or clear all gradients before each pass",
    of_folder=_leftover,
)
