"""Pictures of the graphs of one network, which a command measures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from thalweg.cli.networks import Loaded
from thalweg.measure.figures import Figures
from thalweg.measure.graphs import Graph, network_graphs
from thalweg.measure.graphs.probe import GraphOptions
from thalweg.measure.origin import Origin
from thalweg.validation import validate


def draw_network(
    loaded: Loaded, origin: Origin, found: Figures, options: Mapping[str, Any], folder: Path
) -> None:
    """Write what `draw_graphs` does of a network.

    Args:
        loaded: The network.
        origin: With its masks, if they are what was looked at.
        found: What the probe ``graph`` has found of it.
        options: Of the probe.
        folder: Made if there is none.
    """
    checked = validate(GraphOptions, options)
    weights = dict(loaded.module.named_parameters())
    how = (origin.masks, checked.edge_keep, checked.convolutions)
    graphs = network_graphs(loaded.module, loaded.task.shape, weights, *how)
    masks = origin.masks if checked.edge_keep is None else None
    draw_graphs(found, graphs, masks or {}, folder)


def draw_graphs(
    found: Figures, graphs: Sequence[Graph], masks: Mapping[str, Tensor], folder: Path
) -> None:
    """Write the pictures of a network's graphs as PNG and SVG; see
    `thalweg.report.graphs.network_charts`.

    Raises:
        ThalwegError: The folder cannot be written.
    """
    from thalweg.report.graphs import network_charts  # Matplotlib takes long to import
    from thalweg.report.write import write_figures

    write_figures(network_charts(found, graphs, masks), folder)
