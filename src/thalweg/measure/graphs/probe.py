"""The probe ``graph``: a network's kept weights as graphs, against random ones."""

from pydantic import Field

from thalweg.measure.curvature import CurvatureMatrix
from thalweg.measure.figures import Figures
from thalweg.measure.graphs.figures import graph_figures
from thalweg.measure.graphs.network import Convolutions, network_graphs
from thalweg.validation import Options


class GraphOptions(Options):
    """``edge_keep``: this fraction of each weight matrix, the strongest, makes the edges; by
    default all that the mask keeps, or is not 0. ``convolutions``: whether their units are
    "channels", or, "unrolled", all places of them. ``nulls``: draws of each kind of random graph.
    """

    edge_keep: float | None = Field(default=None, gt=0, le=1)
    convolutions: Convolutions = "channels"
    nulls: int = Field(default=20, ge=0)


def measure_graphs(matrix: CurvatureMatrix, options: GraphOptions) -> list[Figures]:
    """Return what is told of the graphs of each network; its examples are not looked at."""
    subject = matrix.subject
    found = []
    for row in range(subject.cohort.rows):
        graphs = network_graphs(
            *(subject.cohort.module, subject.task.shape, subject.cohort.state(row)),
            *(subject.origin(row).masks, options.edge_keep, options.convolutions),
        )
        found.append(graph_figures(graphs, options.nulls, subject.seed))
    return found
