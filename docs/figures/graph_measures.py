"""Draw the pictures of docs/graphs.md: for each measure, small graphs in which it is low and high.

The values under the pictures are taken by the package itself. Run as a script, it writes
``docs/figures/graphs/*.svg`` beside this file.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from numpy.typing import NDArray

from thalweg.measure.graphs import Block, Graph, graph_figures, measure_graph
from thalweg.measure.graphs.goodness import goodness_of_fit

FOLDER = Path(__file__).parent / "graphs"
EDGE, SOURCE, TARGET, MARKED = "#8a8f98", "#3b6fb6", "#d1792b", "#b3261e"

Links = NDArray[np.bool_]
Panel = tuple[str, Graph, list[int]]
"""Title, graph, and the units to mark."""


def layer(rows: Sequence[str]) -> Graph:
    """Return a layer from a row of sources for each target: "x" is an edge, "." is none."""
    return Graph.bipartite("", np.array([[mark == "x" for mark in row] for row in rows]))


def state(graph: nx.Graph) -> Graph:
    """Return a graph of networkx as a recurrent one; edges without direction lead both ways."""
    links = nx.to_numpy_array(graph, nodelist=sorted(graph)) > 0
    return Graph.recurrent("", links.T)


def network(*layers: Sequence[str]) -> Graph:
    blocks, first = [], 0
    for rows in layers:
        links = layer(rows).blocks[0].links
        blocks.append(Block(links, first + links.shape[1], first))
        first += links.shape[1]
    return Graph("network", "network", first + len(blocks[-1].links), tuple(blocks))


def places(graph: Graph) -> NDArray[np.float64]:
    """Return where each unit stands: on a ring, or in a column a layer."""
    if graph.kind == "recurrent":
        angle = 2 * np.pi * np.arange(graph.units) / graph.units + np.pi / 2
        return np.column_stack((np.cos(angle), np.sin(angle)))
    found = np.zeros((graph.units, 2))
    columns = [(block.first_source, block.links.shape[1]) for block in graph.blocks]
    last = graph.blocks[-1]
    columns.append((last.first_target, len(last.links)))
    for number, (first, count) in enumerate(columns):
        x = 2 * number / (len(columns) - 1) - 1
        found[first : first + count, 0] = x
        found[first : first + count, 1] = np.linspace(1, -1, count) if count > 1 else 0
    return found


def draw(axes: Axes, graph: Graph, marked: Sequence[int]) -> None:
    at = places(graph)
    both = {(int(t), int(s)) for t, s in zip(*graph.edges, strict=True)}
    for target, source in sorted(both):
        arrow = graph.kind != "bipartite" and (source, target) not in both
        style = "-|>" if arrow else "-"
        colour = MARKED if {target, source} <= set(marked) else EDGE
        axes.add_patch(
            FancyArrowPatch(
                at[source], at[target], arrowstyle=style, mutation_scale=7, color=colour,
                linewidth=1.6 if colour == MARKED else 0.8, shrinkA=4, shrinkB=4, zorder=1,
            )
        )  # fmt: skip
    colours = [
        MARKED if unit in marked else (SOURCE if graph.senders[unit] else TARGET)
        for unit in range(graph.units)
    ]
    axes.scatter(*at.T, c=colours, s=38, zorder=2, edgecolors="white", linewidths=0.8)
    axes.set(xlim=(-1.25, 1.25), ylim=(-1.25, 1.25), aspect="equal")
    axes.axis("off")


def picture(name: str, panels: Sequence[Panel], told: Callable[[Graph], str]) -> None:
    """Write one picture: a panel a graph, with its title above and its figures below."""
    figure, axes = plt.subplots(1, len(panels), figsize=(2.3 * len(panels), 2.6), squeeze=False)
    for each, (title, graph, marked) in zip(axes[0], panels, strict=True):
        draw(each, graph, marked)
        each.set_title(title, fontsize=9)
        each.text(0, -1.42, told(graph), ha="center", va="top", fontsize=8.5)
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(FOLDER / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def laws() -> None:
    """Write how the degrees of three layers are distributed, and which law they may come from."""
    random = np.random.default_rng(0)
    drawn = {
        "by chance": random.binomial(400, 0.1, 400),
        "exponential": np.minimum(random.geometric(0.1, 400), 400),
        "power law": np.minimum(random.zipf(2.2, 400), 400),
    }
    figure, axes = plt.subplots(1, 3, figsize=(7.5, 2.4), sharex=True, sharey=True)
    for each, (title, degrees) in zip(axes, drawn.items(), strict=True):
        graph = Graph.recurrent("", np.zeros((1, 1), dtype=np.bool_))
        vars(graph).update(in_degrees=degrees, out_degrees=np.zeros_like(degrees))  # both cached
        fit = goodness_of_fit(graph, 0)
        at = np.unique(degrees)
        above = [(degrees >= k).mean() for k in at]
        each.loglog(at, above, ".", color=SOURCE, markersize=4)
        each.set_title(title, fontsize=9)
        each.set_xlabel("degree k", fontsize=8)
        told = "\n".join(f"{name} {value:.2f}" for name, value in fit.items())
        each.text(0.03, 0.05, told, transform=each.transAxes, fontsize=8, va="bottom")
        each.tick_params(labelsize=7)
    axes[0].set_ylabel("share of units\nwith k edges or more", fontsize=8)
    figure.savefig(FOLDER / "degree-laws.svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def values(*names: str) -> Callable[[Graph], str]:
    """Return what writes these measures of a graph, one on a line."""

    def told(graph: Graph) -> str:
        found = measure_graph(graph)
        return "\n".join(f"{name} {found[name]:.3g}" for name in names)

    return told


def small_world(graph: Graph) -> str:
    found = graph_figures([graph], 50, 0)
    return f"σ {found['small_world'][0]:.2f}\nω {found['small_world_omega'][0]:.2f}"


FULL = ["xxxx", "xxxx", "xxxx", "xxxx"]
RING = ["xx..", ".xx.", "..xx", "x..x"]
GROUPS = ["xxx...", "xxx...", "xxx...", "...xxx", "...xxx", "...xxx"]
MIXED = ["x..xx.", ".xx..x", "xx..x.", "..xx.x", "x.x.x.", ".x.x.x"]
HUB = ["xxxxxx", "x.....", ".x....", "..x...", "...x..", "....x."]
EVEN = ["xx....", ".xx...", "..xx..", "...xx.", "....xx", "x....x"]


def main() -> None:
    plt.rcParams.update({"svg.hashsalt": "thalweg", "font.family": "DejaVu Sans"})
    picture(
        "degrees",
        [("even", layer(EVEN), []), ("a hub", layer(HUB), [6])],
        values("in_degree_mean", "in_degree_variance", "hubs", "hub_edges"),
    )
    isolated = ["xx..", "xx..", "....", "...."]
    picture(
        "components",
        [("one", layer(RING), []), ("two", layer(GROUPS), []), ("cut off", layer(isolated), [])],
        values("weak_components", "largest_weak", "isolated"),
    )
    like = ["xxx..", "xxx..", "xxx..", "...x.", "....x"]
    unlike = ["xxxx.", "x...x", "x....", "x....", "x...."]
    picture(
        "assortativity",
        [("many with many", layer(like), []), ("many with few", layer(unlike), [])],
        values("assortativity"),
    )
    picture(
        "bipartite-clustering",
        [("shared by chance", layer(MIXED), []), ("groups", layer(GROUPS), [0, 1, 6, 7])],
        values("robins_alexander", "latapy", "square_clustering"),
    )
    picture(
        "clustering",
        [
            ("a ring", state(nx.cycle_graph(8)), []),
            ("with triangles", state(nx.circulant_graph(8, [1, 2])), [0, 1, 2]),
        ],
        values("clustering", "path_length"),
    )
    picture(
        "small-world",
        [
            ("lattice", state(nx.connected_watts_strogatz_graph(24, 4, 0.0, seed=1)), []),
            ("small world", state(nx.connected_watts_strogatz_graph(24, 4, 0.15, seed=1)), []),
            ("random", state(nx.connected_watts_strogatz_graph(24, 4, 1.0, seed=1)), []),
        ],
        small_world,
    )
    bridge = nx.barbell_graph(4, 1)
    picture(
        "centrality",
        [
            ("all alike", state(nx.complete_graph(9)), []),
            ("a bridge", state(bridge), [4]),
        ],
        values("betweenness_max", "betweenness_gini", "closeness_max", "pagerank_gini"),
    )
    picture(
        "modularity",
        [
            ("no groups", layer(MIXED), []),
            ("three groups", state(nx.ring_of_cliques(3, 4)), []),
        ],
        values("modularity", "communities"),
    )
    loop = nx.DiGraph([(0, 1), (1, 2), (0, 2)])
    cycle = nx.DiGraph([(0, 1), (1, 2), (2, 0)])
    picture(
        "motifs",
        [
            ("mutual", state(nx.complete_graph(2)), [0, 1]),
            ("feed-forward loop", state(loop), [0, 1, 2]),
            ("cycle", state(cycle), [0, 1, 2]),
            ("bifan", layer(["xx", "xx"]), [0, 1, 2, 3]),
            ("biparallel", network(["x", "x"], ["xx"]), [0, 1, 2, 3]),
        ],
        lambda graph: "",
    )
    # Points and lines of the Fano plane: any two targets share one source.
    fano = ["xx.x...", ".xx.x..", "..xx.x.", "...xx.x", "x...xx.", ".x...xx", "x.x...x"]
    picture(
        "spectrum",
        [("an expander", layer(fano), []), ("a bottleneck", layer(GROUPS), [])],
        values("sigma_1", "sigma_2", "delta_r", "imdb"),
    )
    laws()
    whole = network(["xx", "xx", "xx"], ["xxx", "xxx"])
    broken = network(["xx", "x.", ".."], ["..x", "x.x"])
    picture(
        "routes",
        [("all of use", whole, []), ("dead ends", broken, [])],
        values("effective_edges", "effective_units", "log10_paths"),
    )


if __name__ == "__main__":
    main()
