"""How alike the features of layers are, on the page."""

from collections.abc import Sequence

from thalweg.report.arm_style import arm_style
from thalweg.report.by_layer import SIMILARITY, Figures, arm_figures, by_seed
from thalweg.report.charts import Axis, Chart, Heatmap, Line, Number, finite, name_ticks, padded
from thalweg.report.formats import clipped, number, plural
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Arm, Panel
from thalweg.study.statistics import mean_interval


def similarity_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return for every probe that has compared layers the likeness of each arm's, of its first
    network at its selected point, and what the features of each layer are like, by arm.
    """
    charts: list[Chart] = []
    for label in SIMILARITY.labels(results):
        members = [(arm, own) for arm in panel.arms if (own := arm_figures(results, label, arm))]
        charts += [_heatmap(panel, label, arm, own) for arm, own in members]
        for figure in SIMILARITY.shown:
            charts += _along_layers(panel, label, figure, members)
    return charts


def _heatmap(panel: Panel, label: str, arm: Arm, members: Sequence[Figures]) -> Chart:
    names, likeness = members[0]["layer"], members[0]["cka"]
    ticks = name_ticks([clipped(name, 14) for name in names])
    first, last = -0.5, len(names) - 0.5
    neighbours = [likeness[i][i + 1] for i in range(len(names) - 1)]
    words = "; ".join(
        f"{a} and {b} {number(value)}"
        for a, b, value in zip(names[:-1], names[1:], neighbours, strict=True)
    )
    return Chart(
        name=slug("cka", panel.task, panel.model, label, arm.name),
        title=f"{label}: likeness of the layers of {arm.name}, {panel.title}",
        description=f"CKA of the features of the layers of {arm.name}. {words}.",
        caption=f"CKA in per cent, of the first of {plural(len(members), 'seed')}.",
        x=Axis("Layer", limits=(first, last), ticks=ticks),
        y=Axis("Layer", limits=(last, first), ticks=ticks),
        layers=(
            Heatmap(
                [[None if v is None else min(max(v, 0.0), 1.0) for v in row] for row in likeness],
                [
                    [f"{a}, {b}: {number(value)}" for b, value in zip(names, row, strict=True)]
                    for a, row in zip(names, likeness, strict=True)
                ],
            ),
        ),
        height=120 + 30 * min(max(len(names), 5), 20),
    )


def _along_layers(
    panel: Panel, label: str, figure: str, members: Sequence[tuple[Arm, Sequence[Figures]]]
) -> list[Chart]:
    lines = [_line(arm, own, figure) for arm, own in members]
    known = finite(y for line in lines for y in (*line.y, *line.low, *line.high))
    if not known:
        return []
    longest = max((own[0]["layer"] for _, own in members), key=len)
    words = "; ".join(f"{line.label} {', '.join(map(number, line.y))}" for line in lines)
    title = SIMILARITY.shown[figure]
    return [
        Chart(
            name=slug("layers", panel.task, panel.model, label, figure),
            title=f"{label}: {title} of the layers, {panel.title}",
            description=f"{title.capitalize()} of the features from layer to layer; {words}.",
            caption="Mean over seeds with the 95 % Student t band.",
            x=Axis(
                "Layer",
                limits=(-0.2, len(longest) - 0.8),
                ticks=name_ticks([clipped(name, 14) for name in longest]),
            ),
            y=Axis(title.capitalize(), limits=padded(known)),
            layers=tuple(lines),
        )
    ]


def _line(arm: Arm, members: Sequence[Figures], figure: str) -> Line:
    layers = range(len(members[0]["layer"]))
    found = [by_seed(members, figure, layer) for layer in layers]
    intervals = [mean_interval(values) if values else None for values in found]
    columns: list[list[Number]] = [
        [None if each is None else getattr(each, end) for each in intervals]
        for end in ("mean", "low", "high")
    ]
    y, low, high = columns
    return Line(arm.name, arm_style(arm), [float(i) for i in layers], y, low, high, markers=True)
