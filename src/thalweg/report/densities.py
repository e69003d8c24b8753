"""The densities of spectra, on the page."""

from collections.abc import Sequence

import torch
from torch import Tensor

from thalweg.measure.curvature import Density
from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Axis, Chart, Line, cut, finite, log_ticks, padded
from thalweg.report.formats import number
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Arm, Panel

WIDTH = 0.01
"""Standard deviation of the smoothing, as a share of the range of an arm's eigenvalues."""

POINTS = 400

DECADES = 8
"""What is shown below the highest density: one eigenvalue of millions is within it."""


def density_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return one chart a probe that has left the nodes of a spectrum: the density, by arm."""
    labels = dict.fromkeys(label for (_, label), own in results.grids.items() if "nodes" in own)
    charts = []
    for label in labels:
        lines = [line for arm in panel.arms if (line := _line(results, label, arm)) is not None]
        if not lines:
            continue
        highest = max(finite(y for line in lines for y in line.y))
        limits = (highest * 10.0**-DECADES, 3 * highest)
        words = "; ".join(
            f"{line.label} from {number(line.x[0])} to {number(line.x[-1])}" for line in lines
        )
        charts.append(
            Chart(
                name=slug("density", panel.task, panel.model, label),
                title=f"{label}: spectral density, {panel.title}",
                description=f"Density of the eigenvalues by arm; {words}.",
                caption="Mean over seeds; every node of the quadrature is a normal distribution "
                f"of {100 * WIDTH:g} % of the range of the arm's eigenvalues.",
                x=Axis("Eigenvalue", limits=padded(x for line in lines for x in line.x)),
                y=Axis("Density", True, limits, log_ticks(limits)),
                layers=tuple(lines),
            )
        )
    return charts


def _line(results: StudyResults, label: str, arm: Arm) -> Line | None:
    runs = [] if arm.selected is None else arm.selected.runs
    found = [own for run in runs if (own := results.grids.get((run["run"], label))) is not None]
    if not found:
        return None
    spectra = [Density(_matrix(own["nodes"]), _matrix(own["weights"]), 0) for own in found]
    low = min(float(each.nodes.min()) for each in spectra)
    high = max(float(each.nodes.max()) for each in spectra)
    deviation = WIDTH * ((high - low) or 1.0)
    places = torch.linspace(low - 5 * deviation, high + 5 * deviation, POINTS).double()
    width = torch.tensor([deviation], dtype=torch.float64)
    mean = torch.stack([each.at(places[None], width)[0] for each in spectra]).mean(0)
    floor = float(mean.max()) * 10.0 ** -(DECADES + 1)  # below the axis, so that no line lies on it
    nothing = [None] * POINTS
    return Line(
        arm.name, arm_style(arm), places.tolist(), cut(mean.tolist(), floor), nothing, nothing
    )


def _matrix(rows: Sequence[Sequence[float]]) -> Tensor:
    return torch.tensor([rows], dtype=torch.float64)
