"""The command that looks between two trained networks: connect."""

from typing import Annotated, Any

import torch
import typer

from thalweg import api
from thalweg.cli.networks import WHAT, FileModel, FileTask, Loaded, load_network
from thalweg.cli.output import print_json, print_table, prints_aside
from thalweg.cli.parameters import Data, Json, Out, Trust
from thalweg.errors import InputError
from thalweg.measure.landscape import Interpolation, aligned_subject, interpolate
from thalweg.measure.landscape import connect as find_curve
from thalweg.measure.similarity import cka, layer_features
from thalweg.measure.subject import Subject


def connect(
    first: Annotated[str, WHAT],
    second: Annotated[str, WHAT],
    align: Annotated[
        bool,
        typer.Option("--align", help="Also the line to the second with its hidden units permuted."),
    ] = False,
    curve: Annotated[
        bool,
        typer.Option("--curve", help="Also a Bézier curve of low loss, fitted to training data."),
    ] = False,
    similarity: Annotated[
        bool,
        typer.Option("--cka", help="Also how alike the features of their layers are."),
    ] = False,
    points: Annotated[int, typer.Option("--points", help="Places, both ends among them.")] = 25,
    steps: Annotated[int, typer.Option("--steps", help="Of fitting the curve.")] = 1000,
    examples: Annotated[
        int | None, typer.Option("--examples", help="A sample of the split; all if absent.")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="What is evaluated on: train, validation or test.")
    ] = "test",
    model: FileModel = None,
    task: FileTask = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the sample and the curve.")] = 0,
    out: Out = api.DEFAULT_OUT,
    data: Data = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Print the loss between two trained networks, and how high the barrier is."""
    with prints_aside():
        loaded = [load_network(name, model, task, out, data) for name in (first, second)]
        _check_alike(second, *loaded)
        modules = [each.module for each in loaded]
        subject = Subject.of(modules, loaded[0].task, examples, split, seed)
        paths = {"line": interpolate(subject, points=points)}
        if align:
            paths["aligned"] = interpolate(aligned_subject(subject), points=points)
        if curve:
            paths["curve"] = find_curve(subject, points=points, steps=steps).path
        alike = _alike(subject) if similarity else {}
    if as_json:
        sample = {"split": split, "examples": subject.examples, "seed": seed}
        figures = {name: _figures(path) for name, path in paths.items()}
        print_json({"networks": [first, second], **sample, **figures, **alike})
        return
    print_table(_rows(paths))
    if alike:
        rows = zip(alike["layer"], alike["cka"], strict=True)
        print_table(
            [{"CKA": name, **dict(zip(alike["layer"], row, strict=True))} for name, row in rows]
        )
    print("barrier: " + ", ".join(f"{name} {path.barrier:.5g}" for name, path in paths.items()))


def _check_alike(name: str, first: Loaded, second: Loaded) -> None:
    for what, own in second.made_of.items():
        if own != first.made_of[what]:
            raise InputError(
                f"{name}: its {what} is {own}, but must be that of the first, {first.made_of[what]}"
            )


def _figures(path: Interpolation) -> dict[str, Any]:
    columns = {name: getattr(path, name) for name in ("places", "loss", "accuracy", "nonzero")}
    return {"barrier": path.barrier} | {name: each.tolist() for name, each in columns.items()}


def _rows(paths: dict[str, Interpolation]) -> list[dict[str, float]]:
    """Return a row a place; without accuracies where the task has none."""
    columns = {"place": next(iter(paths.values())).places}
    for figure in ("loss", "accuracy"):
        for name, path in paths.items():
            if not getattr(path, figure).isnan().all():
                columns[f"{figure}, {name}"] = getattr(path, figure)
    rows = torch.stack(list(columns.values()), 1).tolist()
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _alike(subject: Subject) -> dict[str, list[Any]]:
    """Return the layers, and the CKA of each of the first network with each of the second."""
    first, second = (layer_features(subject, row) for row in range(2))
    found = cka([*first.values()], [*second.values()])
    return {"layer": [*first], "cka": found.tolist()}
