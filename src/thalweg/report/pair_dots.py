"""Differences of arms compared two by two: each seed, and the mean with its interval."""

from collections.abc import Mapping, Sequence

from thalweg.report.charts import (
    Axis,
    Chart,
    Layer,
    Line,
    Points,
    Style,
    finite,
    name_ticks,
    padded,
)
from thalweg.report.comparison_sentences import difference_figure, difference_range
from thalweg.report.formats import clipped, metric_name
from thalweg.report.metric_axis import shown
from thalweg.store.slug import slug
from thalweg.study.comparison import PairComparison
from thalweg.study.metrics import is_accuracy

NULL = Style(6, 2)
"""Look of the line at no difference."""

MOST_PAIRS = 30
"""Rows of a chart."""


def pair_dots(
    pairs: Sequence[PairComparison],
    metric: str,
    title: str,
    styles: Mapping[str, Style],
    place: Sequence[str],
) -> Chart | None:
    """Return a chart with a row a pair; None where no seed of any has a finite difference.

    Args:
        pairs: Those beyond `MOST_PAIRS` are told to be left out.
        metric: What is compared.
        title: Of what the arms share.
        styles: Looks by arm; a pair has that of its first.
        place: What follows the beginning of the file's name.
    """
    rows = pairs[:MOST_PAIRS]
    layers: list[Layer] = []
    ends: list[float] = [0.0]
    words = []
    for row, pair in enumerate(rows):
        name = f"{pair.runs.first} − {pair.runs.second}"
        style = styles[pair.runs.first]
        seeds = [
            (seed, shown(metric, float(value)))
            for seed, value in zip(pair.runs.seeds, pair.runs.differences, strict=True)
            if finite([float(value)])
        ]
        if seeds:
            values = [value for _, value in seeds]
            texts = [f"{clipped(name)}, seed {seed}: {value:+.4g}" for seed, value in seeds]
            layers.append(Points(name, style, values, [row + 0.18] * len(seeds), "small", texts))
            ends += values
        text = f"{difference_figure(pair, metric)} ({difference_range(pair.interval, metric)})"
        words.append(f"{name} {text}")
        if pair.mean is None:
            continue
        interval = None if pair.interval is None else [shown(metric, end) for end in pair.interval]
        bounds = None if interval is None else (interval[0], interval[1])
        mean = shown(metric, pair.mean)
        hover = f"{clipped(name)}: {text}, {'resolved' if pair.resolved else 'not resolved'}"
        layers.append(Points(name, style, [mean], [float(row)], "dot", [hover], [bounds]))
        ends += [mean, *(bounds or ())]
    if not layers:
        return None
    left = f" The first {len(rows)} of {len(pairs)} pairs." if len(pairs) > len(rows) else ""
    limits = (len(rows) - 0.4, -0.6)
    line = Line("no difference", NULL, [0.0, 0.0], list(limits), [None] * 2, [None] * 2)
    unit = " (points)" if is_accuracy(metric) else ""
    return Chart(
        name=slug("difference", *place, metric),
        title=f"Difference in {metric_name(metric)}: {title}",
        description=f"Paired differences in {metric_name(metric)}, mean and 95 % interval: "
        f"{'; '.join(words)}.",
        caption="The large mark is the mean difference at equal seeds, the bar its 95 % interval; "
        f"every small mark is one seed.{left}",
        x=Axis(f"Difference in {metric_name(metric)}{unit}", limits=padded(ends)),
        y=Axis(
            "",
            limits=limits,
            ticks=name_ticks(
                [clipped(f"{p.runs.first} − {p.runs.second}", 34) for p in rows], MOST_PAIRS
            ),
        ),
        layers=(line, *layers),
        height=150 + 44 * len(rows),
        legend=False,
    )
