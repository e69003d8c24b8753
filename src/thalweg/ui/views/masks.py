"""Masks and the graphs they make, from round to round of pruning."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from thalweg.errors import InputError
from thalweg.measure.graphs import Graph, mask_graphs
from thalweg.measure.graphs.degrees import degrees
from thalweg.measure.graphs.histograms import histograms
from thalweg.report.arm_style import arm_style
from thalweg.report.by_layer import GRAPHS
from thalweg.report.charts import Chart
from thalweg.report.figures import Group
from thalweg.report.formats import number
from thalweg.report.graphs.charts import figure_charts, ordered_masks
from thalweg.report.graphs.densities import density_chart
from thalweg.report.graphs.drawing import drawing_chart
from thalweg.report.graphs.masks import evolution_chart, mask_chart
from thalweg.report.graphs.scores import score_charts
from thalweg.report.graphs.subjects import Masked, Measured, Place
from thalweg.report.levels import levels
from thalweg.report.rounds import kept_text, prunings
from thalweg.report.table import Column, Table, build_table
from thalweg.sparsity.masks import Masks, density
from thalweg.store import Store
from thalweg.store.files import DamagedError
from thalweg.store.results import StudyResults
from thalweg.store.run_directory import COMPLETE
from thalweg.study.panels import Arm, Panel, Point
from thalweg.ui.content import Asked, Content, View
from thalweg.ui.views.asking import in_order, offered, one
from thalweg.ui.views.panel_choices import (
    begun,
    choose_arm,
    choose_panel,
    choose_seed,
    known_panels,
    with_arms,
)

LEAD = (
    "Which weights of one network are left, round by round, and what the graph of its units is "
    "like that they make."
)

OVER_SEEDS = "Over all seeds of the arm."

NO_SCORES = (
    "How the graph differs from random graphs, round by round, was not measured: ask for it in the "
    'study file with [[probes]] and name = "graph".'
)

UNMEASURED = (
    "Degrees and clustering are of this mask alone. What random graphs of the same degrees have, "
    'was not measured: ask for it in the study file with [[probes]] and name = "graph".'
)

ALL = "all"

MASK, GRAPH, ROUNDS = "mask", "graph", "rounds"

PARTS = {
    MASK: "mask and drawing",
    GRAPH: "degrees and clustering",
    ROUNDS: "all rounds",
}

MOST_UNITS = 3000
"""Units of a network that can be drawn so that they are told apart."""

ROUNDS_SHOWN = 8
"""Columns of the table of rounds: the last."""


@begun
def show(results: StudyResults, store: Store, asked: Asked) -> Content:
    """Return the mask of one network and what its graph is like."""
    grouped = known_panels(results)
    panel, panel_choice = choose_panel(asked, grouped, lambda p: any(map(_seeds, p.arms)))
    arm, arm_choice = choose_arm(asked, grouped, panel, lambda arm: bool(_seeds(arm)))
    if not _seeds(arm):
        why = "No run of this study that has ended is sparse."
        return Content(LEAD, offered(panel_choice, arm_choice), (why,))
    seed, seed_choice = choose_seed(asked, results, _seeds(arm))
    choices = (panel_choice, arm_choice, seed_choice)
    try:
        rounds = _rounds(results, store, arm, seed)
    except DamagedError as error:
        return Content(LEAD, offered(*choices), (f"{error}.",))
    if not rounds:
        return Content(LEAD, offered(*choices), ("This run has kept no mask.",))
    numbers = {str(n): str(n) for n in results.rounds["round"].unique()}
    names = {str(n): f"{n}, {kept_text(density(own))} kept" for n, (_, own) in rounds.items()}
    round_choice = one(asked, "round", "Round", names, str(max(rounds)), elsewhere=numbers)
    chosen = int(round_choice.chosen[0])
    run, masks = rounds[chosen]
    try:
        graphs = mask_graphs(masks)
    except InputError as error:  # no mask of a matrix of weights
        return Content(LEAD, offered(*choices, round_choice), (f"{error}.",))
    masks = ordered_masks(masks, graphs)
    layers = {ALL: "all"} | {name: name for name in masks}
    others = () if layers.keys() >= set(asked.get("layer", ())) else _every_layer(results, store)
    layer_choice = one(asked, "layer", "Layer", layers, elsewhere=others)
    layer = layer_choice.chosen[0]
    parts = {part: text for part, text in PARTS.items() if part != ROUNDS or len(rounds) > 1}
    part_choice = one(asked, "part", "Look at", parts, elsewhere=PARTS)
    place = Place((panel.task, panel.model), panel.title)
    if part_choice.chosen[0] == MASK:
        subject = _subject(arm, seed, chosen, rounds, layer, masks)
        drawing, why_not = _drawing(subject, _of_layer(graphs, layer), place)
        charts = [mask_chart(subject, place), *_evolution(subject, place), *drawing]
        found = Content("", (), tuple(why_not), (Group("", tuple(charts)),), (_kept(rounds),))
    elif part_choice.chosen[0] == GRAPH:
        found = _graph(results, arm, run, graphs, layer, place)
    else:
        found = _over_rounds(results, panel, arm, place)
    of_one = () if part_choice.chosen[0] == ROUNDS else (seed_choice, round_choice, layer_choice)
    choices = (panel_choice, arm_choice, part_choice, *of_one)
    return replace(found, lead=LEAD, choices=offered(*choices))


def _graph(
    results: StudyResults, arm: Arm, run: str, graphs: Sequence[Graph], layer: str, place: Place
) -> Content:
    """Return degrees and clustering, and what random graphs have."""
    label, figures = _figures(results, run, _of_layer(graphs, layer), layer)
    measured = Measured(arm.name, arm_style(arm), [figures])
    charts = tuple(figure_charts(label or "mask", [measured], place))
    sentences = [] if label else [UNMEASURED]
    if not charts:
        sentences.append("All units of this graph have equally many edges, so there is no chart.")
    groups = (Group("", charts),) if charts else ()
    return Content("", (), tuple(sentences), groups, tuple(_null_tables(figures, layer)))


def _over_rounds(results: StudyResults, panel: Panel, arm: Arm, place: Place) -> Content:
    """Return what changes from round to round of an arm, over all its seeds."""
    pruned = prunings(results, [with_arms(panel, [arm.name])])
    labels = GRAPHS.labels(results)
    scores = [c for name in labels for c in score_charts(results, name, levels(pruned), place)]
    kept = density_chart(pruned, place)
    groups = (Group(OVER_SEEDS, (*kept, *scores)),) if kept or scores else ()
    return Content("", (), () if scores else (NO_SCORES,), groups)


def _point(arm: Arm) -> Point:
    return arm.selected or arm.points[0]


def _seeds(arm: Arm) -> list[int]:
    """Return the seeds of an arm's runs that are sparse and have ended."""
    return [
        run["seed"]
        for run in _point(arm).runs
        if run["status"] in COMPLETE and run["kept"] is not None
    ]


def _rounds(
    results: StudyResults, store: Store, arm: Arm, seed: int
) -> dict[int, tuple[str, Masks]]:
    """Return run and masks after each round of pruning; of a network that was sparse or became so
    as it trained, those it ended with, as round 1.

    Raises:
        DamagedError: Some are not as they were written.
    """
    own = results.rounds.filter(arm=arm.name, point=_point(arm).label, seed=seed)
    runs = [(row["round"], row["run"]) for row in own.sort("round").iter_rows(named=True)]
    if not runs:
        runs = [(1, run["run"]) for run in _point(arm).runs if run["seed"] == seed]
    return {
        number: (run, {name: masks[name] for name in sorted(masks, key=in_order)})
        for number, run in runs
        if (number > 0 and (masks := store.run(run).masks()))
    }


def _every_layer(results: StudyResults, store: Store) -> set[str]:
    """Return the layers of one sparse network of every arm."""
    sparse = results.runs.filter(pl.col("kept").is_not_null(), pl.col("status").is_in(COMPLETE))
    runs = sparse.group_by("arm").agg(pl.col("run").first())["run"]
    return {name for run in runs for name in store.run(run).masks() or {}}


def _subject(
    arm: Arm,
    seed: int,
    chosen: int,
    rounds: Mapping[int, tuple[str, Masks]],
    layer: str,
    masks: Masks,
) -> Masked:
    def own(found: Masks) -> Masks:
        return {name: found[name] for name in masks if layer in (ALL, name)}

    past = [(number, own(found)) for number, (_, found) in rounds.items() if number <= chosen]
    which = f"Seed {seed}, round {chosen}. " if len(rounds) > 1 else f"Seed {seed}. "
    return Masked(arm.name, which, own(masks), past)


def _evolution(subject: Masked, place: Place) -> list[Chart]:
    return [evolution_chart(subject, place)] if len(subject.rounds) > 1 else []


def _drawing(
    subject: Masked, graphs: Sequence[Graph], place: Place
) -> tuple[list[Chart], list[str]]:
    """Return the drawing of the network, or why there is none."""
    largest = max(graphs, key=lambda graph: graph.units, default=None)
    if largest is None:
        return [], ["This layer is no matrix of weights between units, so no graph is drawn."]
    if largest.units > MOST_UNITS:
        return [], [
            f"The graph has {largest.units:,} units and is not drawn: beyond {MOST_UNITS:,} they "
            "cannot be told apart. A single layer may be small enough."
        ]
    chart = drawing_chart(subject, graphs, place)
    return ([], ["Nothing is kept, so no graph is drawn."]) if chart is None else ([chart], [])


def _of_layer(graphs: Sequence[Graph], layer: str) -> list[Graph]:
    return [graph for graph in graphs if layer in (ALL, graph.name)]


def _figures(
    results: StudyResults, run: str, graphs: Sequence[Graph], layer: str
) -> tuple[str | None, dict[str, Any]]:
    """Return what a probe has found of the graphs of a run, with its label, or else their degrees
    and clustering.
    """
    for label in GRAPHS.labels(results):
        if (found := results.grids.get((run, label))) is not None:
            return label, _figures_of_layer(found, layer)
    own = [{**degrees(graph), **histograms(graph)} for graph in graphs]
    return None, {
        "layer": [graph.name for graph in graphs],
        "kind": [graph.kind for graph in graphs],
        "edges": [len(graph.edges[0]) for graph in graphs],
        **{name: [each[name] for each in own] for name in own[0]},
    }


def _figures_of_layer(figures: Mapping[str, Any], layer: str) -> dict[str, Any]:
    """Return the figures of one graph alone, where there is one of the layer."""
    if layer not in figures["layer"]:
        return dict(figures)
    place, count = figures["layer"].index(layer), len(figures["layer"])
    return {
        name: [values[place]]
        if isinstance(values, list) and len(values) == count and name != "nulls"
        else values
        for name, values in figures.items()
    }


def _kept(rounds: Mapping[int, tuple[str, Masks]]) -> Table:
    """Return the fraction kept of each layer after the last rounds."""
    shown = dict(list(rounds.items())[-ROUNDS_SHOWN:])
    _, first = next(iter(shown.values()))
    records: list[dict[str, Any]] = [
        {
            "layer": name,
            "weights": mask.numel(),
            **{f"round {n}": float(own[name].double().mean()) for n, (_, own) in shown.items()},
        }
        for name, mask in first.items()
    ]
    total = {f"round {number}": density(own) for number, (_, own) in shown.items()}
    weights = sum(mask.numel() for mask in first.values())
    records.append({"layer": ALL, "weights": weights, **total})

    def column(name: str) -> Column:
        return Column(name, lambda row: kept_text(row[name]))

    schema = {"layer": pl.String, "weights": pl.Int64, **dict.fromkeys(total, pl.Float64)}
    left = f" The last {len(shown)} of {len(rounds)} rounds." if len(shown) < len(rounds) else ""
    return build_table(
        "kept",
        "Weights kept",
        f"Of each pruned parameter of this network.{left}",
        records,
        schema,
        [
            Column("layer", lambda row: row["layer"], numeric=False),
            Column("weights", lambda row: f"{row['weights']:,}"),
            *map(column, total),
        ],
    )


def _null_tables(figures: Mapping[str, Any], layer: str) -> list[Table]:
    """Return the measures against those of random graphs, if there are any."""
    names = ("null", "layer", "measure", "value", "mean", "low", "high", "z")
    records = [
        dict(zip(names, row, strict=True))
        for row in figures.get("nulls", ())
        if layer in (ALL, row[1])
    ]
    if not records:
        return []

    def text(name: str) -> Column:
        return Column(name, lambda row: str(row[name]), numeric=False)

    def figure(name: str) -> Column:
        return Column(name, lambda row: number(row[name]))

    return [
        build_table(
            "nulls",
            "Against random graphs",
            "Each measure, its mean and the central 95 % in random graphs of the same degrees or "
            "of as many edges, and how many of their standard deviations it lies above the mean.",
            records,
            dict.fromkeys(names[:3], pl.String) | dict.fromkeys(names[3:], pl.Float64),
            [*map(text, names[:3]), *map(figure, names[3:])],
        )
    ]


def _sparse(results: StudyResults) -> bool:
    return results.runs["kept"].null_count() < len(results.runs)


VIEW = View("masks", "Masks and graphs", _sparse, show)
