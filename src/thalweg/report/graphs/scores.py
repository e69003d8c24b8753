"""What changes with pruning beyond what random graphs of the same degrees explain."""

from collections.abc import Sequence

from thalweg.report.by_layer import Figures
from thalweg.report.charts import Axis, Chart, Facet, Line, Style, finite, padded
from thalweg.report.formats import clipped, number
from thalweg.report.graphs.lines import mean_line
from thalweg.report.graphs.subjects import Place, facets_height, short
from thalweg.report.levels import Levels
from thalweg.report.recovery import kept_axis
from thalweg.report.rounds import Round
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug

MOST_CHARTS = 6

MOST_FACETS = 16

CHANCE = 2.0
"""Standard deviations within which a figure is what random graphs give."""

NULL = Style(6, 0)

SHOWN = {
    "variance of the degrees": {"in_degree_variance": "in", "out_degree_variance": "out"},
    "clustering": {"robins_alexander": "4·C₄/L₃", "clustering": "Fagiolo"},
    "modularity": {"modularity": ""},
    "assortativity": {"assortativity": ""},
    "Ramanujan gap Δ_r": {"delta_r": ""},
    "largest component": {"largest_weak": ""},
    "small world σ": {"small_world": ""},
}
"""Measures by the chart's title, with what tells them apart in it."""


def score_charts(
    results: StudyResults, label: str, found: Sequence[Levels], place: Place
) -> list[Chart]:
    """Return z-scores against the fraction kept, a chart a measure and a small panel a graph; none
    where no arm has two rounds of which they are known.

    Args:
        results: The study's results.
        label: Of the probe.
        found: The panel's arms that were pruned by rounds.
        place: Where the charts stand.
    """
    charts = (_chart(results, label, found, place, *each) for each in SHOWN.items())
    return [chart for chart in charts if chart is not None][:MOST_CHARTS]


def _chart(
    results: StudyResults,
    label: str,
    found: Sequence[Levels],
    place: Place,
    title: str,
    measures: dict[str, str],
) -> Chart | None:
    layers = dict.fromkeys(
        layer
        for each in found
        for point in each.points
        for figures in _figures(results, label, point)
        for layer in figures["layer"]
    )
    facets, words = [], []
    for measure, tag in measures.items():
        for layer in layers:
            lines = [
                line
                for each in found
                if (line := _line(results, label, each, f"{measure}_z", layer)) is not None
            ]
            if any(len(line.x) > 1 for line in lines):
                facets.append(_facet(f"{clipped(short(layer), 24)} {tag}".strip(), lines))
                words += [f"{line.label} {facets[-1].title} {_last(line)}" for line in lines]
    if not facets:
        return None
    against = "as many edges" if "degrees" in title else "the same degrees"
    more = f" The first {MOST_FACETS} of {len(facets)} panels." if len(facets) > MOST_FACETS else ""
    facets = facets[:MOST_FACETS]
    return Chart(
        name=slug("z", *place.parts, label, next(iter(measures))),
        title=place.titled(f"{label}: {title} from round to round"),
        description=f"z-scores of {title} against the fraction of the weights kept, by graph and "
        f"arm. At the fewest weights: {'; '.join(words)}.",
        caption="Standard deviations above the mean of random graphs of "
        f"{against}: mean over seeds with the 95 % Student t band. Within the grey band, ±2, is "
        f"what chance gives.{more}",
        x=Axis("Weights kept (%)"),
        y=Axis("z"),
        layers=(),
        height=facets_height(len(facets)),
        facets=tuple(facets),
    )


def _figures(results: StudyResults, label: str, point: Round) -> list[Figures]:
    found = (results.grids.get((run["run"], label)) for run in point.runs)
    return [own for own in found if own is not None]


def _line(results: StudyResults, label: str, each: Levels, figure: str, layer: str) -> Line | None:
    points = [
        (100 * point.kept, values)
        for point in each.points
        if point.kept is not None
        if (
            values := finite(
                own[figure][own["layer"].index(layer)]
                for own in _figures(results, label, point)
                if figure in own and layer in own["layer"]
            )
        )
    ]
    if not points:
        return None
    x = [kept for kept, _ in points]
    return mean_line(each.name, each.style, x, [own for _, own in points], markers=True)


def _facet(title: str, lines: Sequence[Line]) -> Facet:
    x = kept_axis([place for line in lines for place in line.x])
    assert x.limits is not None
    y = padded(
        (-CHANCE, CHANCE, *(v for line in lines for v in (*line.y, *line.low, *line.high))),
    )
    band = Line("chance", NULL, x.limits, [0.0] * 2, [-CHANCE] * 2, [CHANCE] * 2)
    return Facet(title, Axis("", x.log, x.limits, x.ticks), Axis("", limits=y), (band, *lines))


def _last(line: Line) -> str:
    return number(line.y[-1], 3)
