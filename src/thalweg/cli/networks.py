"""The trained networks that a command measures: runs, and anyone's files of weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import nn

from thalweg.cli.blank import fitting_network
from thalweg.cli.parameters import value
from thalweg.data import Task, load_task
from thalweg.errors import InputError
from thalweg.execute.paths import RunOrigin
from thalweg.export.trained import load_trained
from thalweg.measure.origin import Origin
from thalweg.measure.state_dicts import load_state_dict, read_state_dict
from thalweg.models import build_model
from thalweg.registry import vouch
from thalweg.spec import RunSpec
from thalweg.spec.imported import is_imported
from thalweg.spec.named import split_name
from thalweg.store import Store
from thalweg.store.find import find_run
from thalweg.tensor_files import SUFFIXES

WHAT = typer.Argument(
    help="A run's id, its beginning, or STUDY/ARM\\[/POINT]/SEED; or a file of weights "
    f"({', '.join(SUFFIXES)}) with --model and --task.",
    metavar="RUN|FILE",
)
FileModel = Annotated[
    Any,
    typer.Option(
        *("--model",),
        parser=value,
        metavar="NAME",
        help='Of a file: a name, or a table such as {name="mlp", widths=[300]}.',
    ),
]
FileTask = Annotated[
    Any, typer.Option("--task", parser=value, metavar="NAME", help="Of a file: name or table.")
]


@dataclass(frozen=True)
class Loaded:
    """A network in evaluation mode, and what it was trained on.

    Attributes:
        module: The network.
        task: Its task.
        made_of: Names and options of both, by "model" and "task".
        origin: What is known of where it comes from.
    """

    module: nn.Module
    task: Task
    made_of: dict[str, Any]
    origin: Origin


def load_network(
    what: str, model: Any, task: Any, out: Path, data: Path | None, blank: bool = False
) -> Loaded:
    """Load the network of a run, or of a file of weights.

    Args:
        what: As the command line names it.
        model: Name or table of a file's network; None for a run.
        task: Likewise of its task.
        out: Results folder.
        data: Folder searched first for downloadable data sets.
        blank: Whether a file's task may be left out, because none of its examples is looked at.

    Raises:
        InputError: There is no such run or file, or it does not hold such a network.
    """
    path = Path(what)
    if path.suffix not in SUFFIXES:
        for key, given in (("--model", model), ("--task", task)):
            if given is not None:
                raise InputError(f"{key} {given}: must be left out for a run, which names its own")
        run = find_run(Store(out), what)
        trained, spec = load_trained(run, data), run.spec()
        origin = (
            Origin(run.masks())
            if is_imported(spec)
            else RunOrigin(run, RunSpec.parse(spec), trained.task)
        )
        return Loaded(trained.module, trained.task, trained.made_of, origin)
    if not path.exists():
        raise InputError(f"{path}: does not exist")
    vouch(model)
    vouch(task)
    if model is None or (task is None and not blank):
        needed = "--model" if blank else "--model and --task"
        raise InputError(f"{path}: a file of weights needs {needed}")
    if task is None:
        module, chosen = fitting_network(model, read_state_dict(path))
    else:
        module, chosen = new_network(model, task, data)
    load_state_dict(module, path)
    return Loaded(module.eval(), chosen, {"model": model, "task": task}, Origin())


def new_network(model: Any, task: Any, data: Path | None) -> tuple[nn.Module, Task]:
    """Return a network that a file's tensors are for, with weights of its own, and its task.

    Raises:
        InputError: An unknown model or task, or a wrong option.
    """
    name, options = split_name(task, "--task")
    chosen = load_task(name, options, data)
    name, options = split_name(model, "--model")
    return build_model(name, options, chosen.shape, chosen.outputs, 0, None), chosen
