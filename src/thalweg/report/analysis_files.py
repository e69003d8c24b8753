"""What published analyses of pruned recurrent networks leave: two tables, five pictures each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.graphs import Graph, mask_graphs
from thalweg.measure.graphs.undirected import undirected, undirected_small_world
from thalweg.report.charts import Axis, Chart, Line, Style, padded
from thalweg.report.graphs.drawing import drawing_chart
from thalweg.report.graphs.subjects import Masked, Place
from thalweg.report.static import png, static_figure
from thalweg.sparsity.masks import Masks
from thalweg.store.files import write_whole

DRAWS = 20
"""Random graphs that each is compared with."""

BINS = {"degree": 50, "clustering": 40, "weights": 80}
"""Of the histograms, as in the published ones."""


@dataclass(frozen=True)
class Pruned:
    """A network that was pruned and trained.

    Attributes:
        label: Its name in the tables, with which its pictures' names begin.
        weights: By parameter name.
        masks: Of those that were pruned, boolean.
        kept: Fraction of these weights that is nonzero.
        accuracy: On the test split; None in regression.
    """

    label: str
    weights: Mapping[str, Tensor]
    masks: Masks
    kept: float
    accuracy: float | None

    @cached_property
    def graphs(self) -> list[Graph]:
        """Of each weight matrix, and of the network."""
        support = {name: values != 0 for name, values in self.weights.items() if values.ndim > 1}
        return mask_graphs({**support, **self.masks})

    @property
    def recurrent(self) -> list[Graph]:
        """Those of the states of each layer."""
        return [graph for graph in self.graphs if graph.kind == "recurrent"]

    @property
    def network(self) -> Graph:
        """Of the whole, in which states are joined with the next layer's by its weights."""
        return self.graphs[-1]


def check(networks: Sequence[Pruned]) -> None:
    """Check that there is something to be analysed.

    Raises:
        InputError: There are no networks, or one is no chain of layers or has no recurrent one.
    """
    if not networks:
        raise InputError("--analysis: needs complete rounds of pruning, and the study has none")
    for each in networks:
        if not each.recurrent or each.network.kind != "network":
            raise InputError(
                f"--analysis: {each.label} must be a chain of layers with recurrent ones among "
                "them, since there are no triangles in others; the probe graph looks at any"
            )


def write_analysis(networks: Sequence[Pruned], folder: Path) -> list[Path]:
    """Write the tables and pictures of some networks.

    - ``rewind_analysis_results.csv``, a row a network, named in the first column: what
      `undirected_small_world` returns of its joined layers; ``graph_sparsity_undirected`` and
      ``graph_sparsity_directed``, the shares of the possible edges that there are, self-loops left
      out; ``train_remaining_frac`` and ``train_pruned_frac`` of the weights that were pruned;
      ``final_test_acc_pct``.
    - ``per_layer_results.csv``, a row a recurrent layer: ``Model``, ``Layer`` from 0, and the same
      figures of its states.
    - ``LABEL_degree_hist.png`` and ``LABEL_clustering_hist.png``, of the states of all recurrent
      layers, each in the undirected graph of its own layer; ``LABEL_abs_weights_hist.png`` of all
      weight matrices, ``LABEL_log_abs_weights_hist.png`` of what is not 0 in them;
      ``LABEL_graph_LCC.png``, the largest component of the network.

    Args:
        networks: That pass `check`.
        folder: Made where it does not exist.

    Raises:
        ThalwegError: The folder cannot be written.
    """
    tables = {
        "rewind_analysis_results.csv": pl.DataFrame([_whole(each) for each in networks]),
        "per_layer_results.csv": pl.DataFrame([row for each in networks for row in _layers(each)]),
    }
    files = [folder / name for name in tables]
    for path, table in zip(files, tables.values(), strict=True):
        write_whole(path, table.write_csv())
    for each in networks:
        for chart in _charts(each):
            files.append(folder / f"{chart.name}.png")
            write_whole(files[-1], png(static_figure(chart)))
    return files


def _whole(network: Pruned) -> dict[str, Any]:
    graph = network.network
    found = undirected_small_world(graph, DRAWS, seed=0)
    directed, either_way = _places(graph)
    targets, sources = graph.edges
    return {
        "": network.label,
        **found,
        "graph_sparsity_undirected": found["edges"] / either_way,
        "graph_sparsity_directed": np.count_nonzero(targets != sources) / directed,
        "train_remaining_frac": network.kept,
        "train_pruned_frac": 1 - network.kept,
        "final_test_acc_pct": None if network.accuracy is None else 100 * network.accuracy,
    }


def _layers(network: Pruned) -> list[dict[str, Any]]:
    rows = []
    for number, graph in enumerate(network.recurrent):
        found = undirected_small_world(graph, DRAWS, seed=0)
        small_world = {name: found[name] for name in ("sigma", "C", "L", "C_rand", "L_rand")}
        rows.append(
            {
                "Model": network.label,
                "Layer": number,
                "nodes": found["nodes"],
                "edges_undirected": found["edges"],
                **small_world,
                "LCC_nodes": found["LCC_nodes"],
                "LCC_coverage": found["LCC_coverage"],
            }
        )
    return rows


def _places(graph: Graph) -> tuple[int, int]:
    """Return how many edges there could be with and without directions, but for self-loops."""
    directed = either_way = 0
    for block in graph.blocks:
        size = block.links.size
        if block.first_source == block.first_target:
            size -= len(block.links)
            either_way += size // 2
        else:
            either_way += size
        directed += size
    return directed, either_way


def _charts(network: Pruned) -> list[Chart]:
    layers = [undirected(graph) for graph in network.recurrent]
    degrees = np.concatenate([graph.degree() for graph in layers])
    clustering = [graph.transitivity_local_undirected(mode="zero") for graph in layers]
    matrices = [values for values in network.weights.values() if values.ndim > 1]
    sizes = np.concatenate([values.abs().flatten().numpy() for values in matrices])
    label = network.label
    masked = Masked(label, "", network.masks)
    drawing = drawing_chart(masked, network.graphs, Place((), ""))
    assert drawing is not None  # its states have edges, or pruning would have been refused
    return [
        _histogram(f"{label}_degree_hist", label, "Degree", "Units", degrees, BINS["degree"]),
        _histogram(
            *(f"{label}_clustering_hist", label, "Clustering coefficient", "Units"),
            *(np.concatenate(clustering), BINS["clustering"]),
        ),
        _histogram(f"{label}_abs_weights_hist", label, "|w|", "Weights", sizes, BINS["weights"]),
        _histogram(
            *(f"{label}_log_abs_weights_hist", label, "log₁₀|w|", "Weights"),
            *(np.log10(sizes[sizes > 0]), BINS["weights"]),
        ),
        replace(drawing, name=f"{label}_graph_LCC"),
    ]


def _histogram(
    name: str, label: str, quantity: str, things: str, values: ArrayLike, bins: int
) -> Chart:
    counts, edges = np.histogram(values, bins)
    x = np.repeat(edges, 2).tolist()
    y = [0.0, *np.repeat(counts, 2).astype(float).tolist(), 0.0]
    nothing = [None] * len(x)
    return Chart(
        name=name,
        title=f"{label}: {quantity}",
        description=f"Histogram of {quantity} over {counts.sum():,} {things.lower()}.",
        caption="",
        x=Axis(quantity, limits=padded(x)),
        y=Axis(things, limits=(0.0, 1.05 * max(y))),
        layers=(Line(label, Style(0, 0), x, y, nothing, nothing),),
        legend=False,
    )
