"""The command that measures a trained network: measure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer
from torch import nn

from thalweg import api
from thalweg.cli.output import print_json, print_table, prints_aside
from thalweg.cli.parameters import Data, Json, Out, value
from thalweg.data import Task, load_task
from thalweg.errors import InputError
from thalweg.export.trained import load_trained
from thalweg.measure import curvature_of
from thalweg.measure import measure as run_probes
from thalweg.measure.curvature.operator import Curvature
from thalweg.measure.state_dicts import load_state_dict
from thalweg.models import build_model
from thalweg.sparsity import load_masks
from thalweg.spec.named import split_name
from thalweg.store import Store
from thalweg.store.find import find_run
from thalweg.tensor_files import SUFFIXES

LONG_LINE = 8
"""More figures than this are a table."""


def measure(
    what: Annotated[
        str,
        typer.Argument(
            help="A run's id, its beginning, or STUDY/ARM[/POINT]/SEED; or a file of weights "
            f"({', '.join(SUFFIXES)}) with --model and --task.",
            metavar="RUN|FILE",
        ),
    ],
    probe: Annotated[str, typer.Option("--probe", help="Names, separated by commas.")] = "hessian",
    model: Annotated[
        Any,
        typer.Option(
            *("--model",),
            parser=value,
            metavar="NAME",
            help='Of a file: a name, or a table such as {name="mlp", widths=[300]}.',
        ),
    ] = None,
    task: Annotated[
        Any, typer.Option("--task", parser=value, metavar="NAME", help="Of a file: name or table.")
    ] = None,
    top: Annotated[
        Any, typer.Option("--top", parser=value, metavar="K", help="Eigenvalues; 2 if absent.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An option of the probes."),
    ] = None,
    matrix: Annotated[
        str, typer.Option("--matrix", help=f"{', '.join(get_args(Curvature))}.")
    ] = "hessian",
    examples: Annotated[
        Any, typer.Option("--examples", parser=value, metavar="N", help="A sample of the split.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="train, validation or test.")] = "train",
    parameters: Annotated[
        list[str] | None,
        typer.Option("--parameters", help="Pattern of names: the block of these parameters."),
    ] = None,
    mask: Annotated[
        Path | None, typer.Option("--mask", help="Restrict to the support of a file of masks.")
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of the sample and of the solvers.")
    ] = 0,
    out: Out = api.DEFAULT_OUT,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Measure the curvature of the loss at a trained network, with errors."""
    if matrix not in get_args(Curvature):
        raise InputError(f"--matrix {matrix}: must be one of {', '.join(get_args(Curvature))}")
    if examples is not None and (not isinstance(examples, int) or isinstance(examples, bool)):
        raise InputError(f"--examples {examples}: must be a whole number")
    options = _options(set_ or [])
    if top is not None:
        options["top"] = top
    names = [name.strip() for name in probe.split(",")]
    with prints_aside():
        module, chosen = _network(what, model, task, out, data)
        masks = None if mask is None else load_masks(mask, module)
        found = run_probes(
            curvature_of(
                *(module, chosen, cast(Curvature, matrix), examples, split),
                *(parameters or None, masks, seed),
            ),
            names,
            options,
        )
    if as_json:
        print_json(found[names[0]] if len(names) == 1 else found)
        return
    for name, figures in found.items():
        _print(name, figures)


def _network(
    what: str, model: Any, task: Any, out: Path, data: Path | None
) -> tuple[nn.Module, Task]:
    path = Path(what)
    if path.suffix not in SUFFIXES:
        for key, given in (("--model", model), ("--task", task)):
            if given is not None:
                raise InputError(f"{key} {given}: must be left out for a run, which names its own")
        trained = load_trained(find_run(Store(out), what), data)
        return trained.module, trained.task
    if not path.exists():
        raise InputError(f"{path}: does not exist")
    if model is None or task is None:
        raise InputError(f"{path}: a file of weights needs --model and --task")
    name, options = split_name(task, "--task")
    chosen = load_task(name, options, data)
    name, options = split_name(model, "--model")
    module = build_model(name, options, chosen.shape, chosen.outputs, 0, None)
    load_state_dict(module, path)
    return module.eval(), chosen


def _options(pairs: list[str]) -> dict[str, Any]:
    options = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair}: must be KEY=VALUE")
        options[key] = value(text)
    return options


def _print(name: str, figures: Mapping[str, Any]) -> None:
    """Print lists of one length as a table, and single figures in a line below it."""
    lists = {key: value for key, value in figures.items() if _is_column(value)}
    if lists:
        columns = zip(*lists.values(), strict=True)
        print_table([dict(zip(lists, row, strict=True)) for row in columns])
    single = {key: value for key, value in figures.items() if not isinstance(value, list)}
    if len(single) > LONG_LINE:
        print_table([{name: key, "value": _text(value)} for key, value in single.items()])
        return
    print(f"{name}: " + ", ".join(f"{key} {_text(value)}" for key, value in single.items()))


def _is_column(found: Any) -> bool:
    return isinstance(found, list) and not any(isinstance(each, list) for each in found)


def _text(figure: Any) -> str:
    if isinstance(figure, float):
        return "undefined" if figure != figure else f"{figure:.5g}"
    return str(figure)
