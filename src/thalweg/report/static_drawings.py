"""Pictures, and units with the links between them, drawn by Matplotlib."""

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from thalweg.report.charts import Dots, Links, Picture, Words
from thalweg.report.palette import colour
from thalweg.report.paper import POINTS


def draw_picture(axes: Axes, layer: Picture) -> None:
    axes.imshow(layer.pixels, extent=(*layer.x, *layer.y), aspect="auto", interpolation="nearest")


def draw_words(axes: Axes, layer: Words) -> None:
    for x, y, text in zip(layer.x, layer.y, layer.texts, strict=True):
        axes.annotate(text, (x, y), (0, 2), textcoords="offset points")


def draw_links(axes: Axes, layer: Links) -> Line2D:
    """Draw them, and return what stands for them in a legend."""
    ink = colour(layer.style)
    axes.add_collection(
        LineCollection(
            [list(path) for path in layer.paths],
            colors=ink,
            linewidths=POINTS * layer.width,
            alpha=layer.opacity,
        )
    )
    return Line2D([], [], color=ink)


def draw_dots(axes: Axes, layer: Dots) -> None:
    axes.scatter(
        list(layer.x),
        list(layer.y),
        s=[(POINTS * size) ** 2 for size in layer.sizes],
        color=colour(layer.style),
        linewidths=0,
        zorder=3,
        clip_on=False,
    )
