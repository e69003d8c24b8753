"""The command that measures a trained network: measure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer

from thalweg import api
from thalweg.cli.graph_pictures import draw_network
from thalweg.cli.masks import are_masks, measure_masks
from thalweg.cli.networks import WHAT, FileModel, FileTask, load_network
from thalweg.cli.output import print_json, print_table, prints_aside
from thalweg.cli.parameters import Data, Json, Out, Trust, value
from thalweg.errors import InputError
from thalweg.measure import curvature_of
from thalweg.measure import measure as run_probes
from thalweg.measure.curvature.operator import Curvature
from thalweg.measure.origin import Origin
from thalweg.measure.probes import DATA_FREE
from thalweg.sparsity import load_masks

LONG_LINE = 8
"""More figures than this are a table, and a table of more columns is turned on its side."""


def measure(
    what: Annotated[str, WHAT],
    probe: Annotated[str, typer.Option("--probe", help="Names, separated by commas.")] = "hessian",
    model: FileModel = None,
    task: FileTask = None,
    top: Annotated[
        Any, typer.Option("--top", parser=value, metavar="K", help="Eigenvalues; 2 if absent.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An option of the probes."),
    ] = None,
    edge_keep: Annotated[
        Any,
        typer.Option(
            *("--edge-keep",),
            parser=value,
            metavar="F",
            help="Edges of graph: this fraction of each weight matrix, the strongest.",
        ),
    ] = None,
    prefer: Annotated[
        str | None,
        typer.Option(
            "--prefer",
            help="weights or masks: what graph looks at where both are there; weights then count "
            "whether a mask keeps them or not.",
        ),
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
    figures: Annotated[
        Path | None,
        typer.Option("--figures", metavar="FOLDER", help="Of graph: draw it, as PNG and SVG."),
    ] = None,
    out: Out = api.DEFAULT_OUT,
    data: Data = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Measure a trained network, by default the curvature of its loss; or a file of masks."""
    if matrix not in get_args(Curvature):
        raise InputError(f"--matrix {matrix}: must be one of {', '.join(get_args(Curvature))}")
    if examples is not None and (not isinstance(examples, int) or isinstance(examples, bool)):
        raise InputError(f"--examples {examples}: must be a whole number")
    options = _options(set_ or [])
    if top is not None:
        options["top"] = top
    if edge_keep is not None:
        options["edge_keep"] = edge_keep
    names = [name.strip() for name in probe.split(",")]
    _check_preference(prefer, names)
    if figures is not None and names != ["graph"]:
        raise InputError(f"--figures {figures}: must go with --probe graph alone")
    with prints_aside():
        if names == ["graph"] and are_masks(what, model, task, prefer):
            curvature_only = {
                **{"--matrix": matrix != "hessian", "--examples": examples is not None},
                **{"--split": split != "train", "--parameters": parameters, "--mask": mask},
            }
            for key, given in curvature_only.items():
                if given:
                    raise InputError(f"{key}: must be left out for a file of masks alone")
            found = {"graph": measure_masks(Path(what), model, task, options, seed, data, figures)}
        else:
            loaded = load_network(what, model, task, out, data, {*names} <= {*DATA_FREE})
            origin = _preferred(what, loaded.origin, prefer)
            masks = None if mask is None else load_masks(mask, loaded.module)
            found = run_probes(
                curvature_of(
                    *(loaded.module, loaded.task, cast(Curvature, matrix), examples, split),
                    *(parameters or None, masks, seed),
                    origins=[origin],
                ),
                names,
                options,
            )
            if figures is not None:
                draw_network(loaded, origin, found["graph"], options, figures)
    if as_json:
        print_json(found[names[0]] if len(names) == 1 else found)
        return
    for name, own in found.items():
        _print(name, own)


def _check_preference(prefer: str | None, names: list[str]) -> None:
    if prefer not in (None, "weights", "masks"):
        raise InputError(f"--prefer {prefer}: must be weights or masks")
    if prefer is not None and names != ["graph"]:
        raise InputError(f"--prefer {prefer}: must go with --probe graph alone")


def _preferred(what: str, origin: Origin, prefer: str | None) -> Origin:
    """Return where a network comes from, without its masks where its weights are preferred."""
    if prefer == "masks" and origin.masks is None:
        raise InputError(f"--prefer masks: {what} has none")
    return Origin() if prefer == "weights" else origin


def _options(pairs: list[str]) -> dict[str, Any]:
    options = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair}: must be KEY=VALUE")
        options[key] = value(text)
    return options


def _print(name: str, figures: Mapping[str, Any]) -> None:
    """Print the lists of each length as a table, and single figures in a line below."""
    tables: dict[int, dict[str, Any]] = {}
    for key, figure in figures.items():
        if _is_column(figure):
            tables.setdefault(len(figure), {})[key] = figure
    for lists in tables.values():
        print_table(_turned(lists) if len(lists) > LONG_LINE else _rows(lists))
    if nested := [key for key, value in figures.items() if _is_grid(value)]:
        print(f"{name}: {', '.join(nested)} are printed with --json")
    single = {key: value for key, value in figures.items() if not isinstance(value, list)}
    if len(single) > LONG_LINE:
        print_table([{name: key, "value": _text(value)} for key, value in single.items()])
        return
    print(f"{name}: " + ", ".join(f"{key} {_text(value)}" for key, value in single.items()))


def _rows(lists: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _turned(lists: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Return a row a list; the columns are named by the first, if it holds texts.

    A list ``NAME_z`` follows the one it is a score of. Undefined figures are left out, and so are
    lists of nothing else.
    """
    (first, names), *rest = lists.items()
    if not all(isinstance(name, str) for name in names):
        first, names, rest = "", [str(1 + index) for index in range(len(names))], [*lists.items()]
    place = {key: index for index, (key, _) in enumerate(rest)}
    rest.sort(key=lambda item: place.get(item[0].removesuffix("_z"), place[item[0]]))
    return [
        {
            first: "  z" if key.endswith("_z") and key.removesuffix("_z") in place else key,
            **{name: _defined(value) for name, value in zip(names, values, strict=True)},
        }
        for key, values in rest
        if any(_defined(value) is not None for value in values)
    ]


def _defined(value: Any) -> Any:
    return None if value != value else value


def _is_column(found: Any) -> bool:
    return isinstance(found, list) and not _is_grid(found)


def _is_grid(found: Any) -> bool:
    return isinstance(found, list) and any(isinstance(each, list) for each in found)


def _text(figure: Any) -> str:
    if isinstance(figure, float):
        return "undefined" if figure != figure else f"{figure:.5g}"
    return str(figure)
