"""Which pictures of graphs a panel of a study has, and a single network."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from thalweg.measure.graphs import Graph, mask_graphs
from thalweg.report.arm_style import arm_style
from thalweg.report.by_layer import GRAPHS, Figures, arm_figures
from thalweg.report.charts import Chart, Style
from thalweg.report.graphs.clustering import clustering_charts
from thalweg.report.graphs.degrees import degree_charts
from thalweg.report.graphs.densities import density_chart
from thalweg.report.graphs.drawing import drawing_chart
from thalweg.report.graphs.masks import evolution_chart, mask_chart
from thalweg.report.graphs.scores import score_charts
from thalweg.report.graphs.subjects import MOST_ARMS, Masked, Measured, Place, chosen_note
from thalweg.report.levels import levels
from thalweg.report.rounds import Pruning, prunings
from thalweg.sparsity import load_masks
from thalweg.sparsity.masks import Masks
from thalweg.store.results import StudyResults
from thalweg.study.panels import Panel, Run


def graph_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return the charts of a panel in which the probe ``graph`` has looked at a run: of every such
    probe its figures, and once the masks of its arms.
    """
    labels = GRAPHS.labels(results)
    if not labels:
        return []
    place = Place((panel.task, panel.model), panel.title)
    pruned = prunings(results, [panel])
    charts: list[Chart] = []
    for label in labels:
        found = [
            Measured(arm.name, arm_style(arm), own)
            for arm in panel.arms
            if (own := arm_figures(results, label, arm))
        ]
        if found:
            charts += figure_charts(label, found, place)
            charts += score_charts(results, label, levels(pruned), place)
    if charts:
        charts += density_chart(pruned, place)
        charts += _mask_charts(results, pruned, place)
    return charts


def network_charts(
    figures: Figures, graphs: Sequence[Graph], masks: Mapping[str, Tensor]
) -> list[Chart]:
    """Return the charts of a single network.

    Args:
        figures: What the probe ``graph`` has found of it.
        graphs: What the figures are of.
        masks: Its masks, boolean by parameter name; of others their graphs stand in.
    """
    place = Place((), "")
    found = [Measured("network", Style(0, 0), [figures])]
    subject = Masked("", "", ordered_masks(masks, graphs))
    drawing = drawing_chart(subject, graphs, place)
    charts = [*figure_charts("graph", found, place), mask_chart(subject, place)]
    return [*charts, *([drawing] if drawing else [])]


def ordered_masks(masks: Mapping[str, Tensor], graphs: Sequence[Graph]) -> Masks:
    """Return the masks of matrices in the order of the graphs."""
    return {
        graph.name: masks[graph.name]
        if graph.name in masks
        else torch.from_numpy(graph.blocks[0].links)
        for graph in graphs
        if graph.kind != "network"
    }


def figure_charts(label: str, found: Sequence[Measured], place: Place) -> list[Chart]:
    """Return the degrees and the clustering of the units of some networks.

    Args:
        label: Of the probe that has measured them.
        found: The networks.
        place: Where the charts stand.
    """
    return [*degree_charts(label, found, place), *clustering_charts(label, found, place)]


def _mask_charts(results: StudyResults, pruned: Sequence[Pruning], place: Place) -> list[Chart]:
    """Return the pictures of the first network of the first arms."""
    known = [each for each in pruned if _pictured(results, each)]
    note = chosen_note(min(MOST_ARMS, len(known)), len(known))
    subjects = [_subject(results, each, note) for each in known[:MOST_ARMS]]
    drawings = (drawing_chart(subject, mask_graphs(subject.masks), place) for subject in subjects)
    return [
        *(mask_chart(subject, place) for subject in subjects),
        *(evolution_chart(subject, place) for subject in subjects if len(subject.rounds) > 1),
        *(drawing for drawing in drawings if drawing is not None),
    ]


def _pictured(results: StudyResults, pruning: Pruning) -> list[Run]:
    """Return the runs of an arm's last round that have masks."""
    return [run for run in pruning.rounds[-1].runs if run["run"] in results.masks]


def _subject(results: StudyResults, pruning: Pruning, note: str) -> Masked:
    seed = _pictured(results, pruning)[0]["seed"]
    rounds = [
        (each.number, load_masks(results.masks[run["run"]]))
        for each in pruning.rounds
        for run in each.runs
        if run["seed"] == seed and run["run"] in results.masks
    ]
    number, last = rounds[-1]
    masks = ordered_masks(last, mask_graphs(last))
    return Masked(pruning.arm.name, f"Seed {seed}, round {number}.{note} ", masks, rounds)
