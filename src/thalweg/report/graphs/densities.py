"""How much of each layer is left, from round to round."""

import json
from collections.abc import Sequence

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Axis, Chart, Facet, name_ticks, value_axis
from thalweg.report.formats import clipped
from thalweg.report.graphs.lines import mean_line
from thalweg.report.graphs.subjects import MOST_LAYERS, Place, facets_height, short
from thalweg.report.rounds import Pruning, Round, kept_text
from thalweg.store.slug import slug


def density_chart(found: Sequence[Pruning], place: Place) -> list[Chart]:
    """Return the fraction kept of every parameter against the round, a small panel a parameter, if
    an arm has two rounds; only what some round has pruned is shown.
    """
    arms = [
        (each, rounds)
        for each in found
        if len(each.rounds) > 1
        if len(rounds := [r for r in each.from_dense if _densities(r)]) > 1
    ]
    if not arms:
        return []
    last = max(rounds[-1].number for _, rounds in arms)
    names = dict.fromkeys(name for _, rounds in arms for name in _densities(rounds[-1]))
    facets, words = [], []
    for name in list(names)[:MOST_LAYERS]:
        lines = []
        for each, rounds in arms:
            values = [[100 * v for v in _densities(r).get(name, ())] for r in rounds]
            x = [float(r.number) for r in rounds]
            lines.append(
                mean_line(each.arm.name, arm_style(each.arm), x, values, 0.0, markers=True)
            )
            if (end := lines[-1].y[-1]) is not None:
                words.append(f"{each.arm.name} {name} {kept_text(end / 100)}")
        axis, drawn = value_axis("", lines)
        ticks = name_ticks([str(number) for number in range(last + 1)], 11)
        x_axis = Axis("", limits=(-0.2, last + 0.2), ticks=ticks)
        facets.append(Facet(clipped(short(name), 30), x_axis, axis, drawn))
    return [
        Chart(
            name=slug("kept-by-layer", *place.parts),
            title=place.titled("Weights kept of each layer, round by round"),
            description=f"Fraction kept of each parameter against the round; at last "
            f"{'; '.join(words)}.",
            caption="Mean over seeds with the 95 % Student t band; round 0 is the dense network.",
            x=Axis("Round"),
            y=Axis("Weights kept (%)"),
            layers=(),
            height=facets_height(len(facets)),
            facets=tuple(facets),
        )
    ]


def _densities(each: Round) -> dict[str, list[float]]:
    """Return the fraction kept of each pruned parameter, one a seed."""
    known = [json.loads(run["layers"]) for run in each.runs if run["layers"] is not None]
    return {name: [own[name] for own in known if name in own] for name in (known or [{}])[0]}
