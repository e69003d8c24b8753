"""Measures of masks as graphs against networkx: the three state matrices of the recurrent network
and fc1 of LeNet-5, pruned by magnitude.

networkx is handed its graph ready-made; ours starts from the mask. Every value is compared too.
Times are the processor's, of one thread, since the machine may be shared. At the end, the measures
of linear cost on a graph of a million edges.
"""

import argparse
import gc
import os
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import networkx as nx
import numpy as np
import torch
from networkx.algorithms import bipartite

from benchmarks.harness import machine
from thalweg.measure.graphs import Graph, mask_graphs
from thalweg.measure.graphs.assortativity import assortativity
from thalweg.measure.graphs.centrality import centrality
from thalweg.measure.graphs.clustering import bipartite_clustering, recurrent_clustering
from thalweg.measure.graphs.communities import modularity
from thalweg.measure.graphs.components import components
from thalweg.measure.graphs.degree_fit import degree_fit
from thalweg.measure.graphs.degrees import degrees
from thalweg.measure.graphs.motifs import motifs
from thalweg.measure.graphs.paths import path_lengths
from thalweg.measure.graphs.spectrum import spectrum
from thalweg.models import build_model
from thalweg.sparsity import prune

Values = dict[str, float]

TIMES = 5
"""How often ours is taken beside one of theirs; its median counts."""


def masks(density: float) -> list[Graph]:
    shape = (1, 28, 28)
    rnn, lenet5 = (build_model(name, {}, shape, 10, 0, None) for name in ("rnn", "lenet5"))
    found = prune(rnn, target=1 - density, parameters="rnn.weight_hh*", scope="layerwise")
    found |= prune(lenet5, target=1 - density, parameters="fc1.weight")
    return mask_graphs(found)


def arrows(graph: Graph) -> nx.DiGraph:
    found = nx.DiGraph()
    found.add_nodes_from(range(graph.units))
    targets, sources = graph.edges
    found.add_edges_from(zip(sources.tolist(), targets.tolist(), strict=True))
    return found


def their_degrees(plain: Any, directed: nx.DiGraph, graph: Graph) -> Values:
    targets, sources = graph.blocks[0].links.shape
    into = [degree for unit, degree in directed.in_degree() if unit >= graph.units - targets]
    out = [degree for unit, degree in directed.out_degree() if unit < sources]
    found = {"isolated": nx.number_of_isolates(directed) / graph.units}
    for name, values in (("in_degree", into), ("out_degree", out)):
        found[f"{name}_mean"] = np.mean(values)
        found[f"{name}_variance"] = np.var(values)
        found[f"{name}_max"] = max(values)
    return found


def their_assortativity(plain: Any, directed: nx.DiGraph, graph: Graph) -> Values:
    return {"assortativity": nx.degree_assortativity_coefficient(directed)}


def their_components(plain: nx.Graph, directed: nx.DiGraph, graph: Graph) -> Values:
    found = {"weak_components": float(nx.number_connected_components(plain))}
    if graph.kind == "recurrent":
        found["strong_components"] = float(nx.number_strongly_connected_components(directed))
    return found


def their_clustering(plain: nx.Graph, directed: nx.DiGraph, graph: Graph) -> Values:
    if graph.kind == "recurrent":
        return {"clustering": nx.average_clustering(directed)}
    return {
        "robins_alexander": bipartite.robins_alexander_clustering(plain),
        "latapy": bipartite.average_clustering(plain),
        "square_clustering": float(np.mean(list(nx.square_clustering(plain).values()))),
    }


def their_paths(plain: nx.Graph, directed: nx.DiGraph, graph: Graph) -> Values:
    recurrent = graph.kind == "recurrent"
    parts = nx.strongly_connected_components(directed) if recurrent else None
    largest = max(parts or nx.connected_components(plain), key=len)
    inside = (directed if recurrent else plain).subgraph(largest).copy()
    total = longest = 0
    for _, lengths in nx.all_pairs_shortest_path_length(inside):
        total += sum(lengths.values())
        longest = max(longest, *lengths.values())
    return {
        "path_length": total / (len(largest) * (len(largest) - 1)),
        "diameter": longest,
        "closeness_max": max(nx.closeness_centrality(inside).values()),
    }


def their_centrality(plain: nx.Graph, directed: nx.DiGraph, graph: Graph) -> Values:
    recurrent = graph.kind == "recurrent"
    between = nx.betweenness_centrality(directed if recurrent else plain)
    found = {"betweenness_max": max(between.values())}
    if recurrent:
        found["pagerank_max"] = max(nx.pagerank(directed, tol=1e-13, max_iter=1000).values())
    return found


def their_modularity(plain: nx.Graph, directed: nx.DiGraph, graph: Graph) -> Values:
    groups = nx.community.louvain_communities(plain, seed=0)
    nx.community.modularity(plain, groups)
    return {}  # of another division


def their_motifs(plain: nx.Graph, directed: nx.DiGraph, graph: Graph) -> Values:
    census = nx.triadic_census(directed)
    cycles = {"030C": 1, "120C": 1, "210": 1, "300": 2}
    return {"cycles": sum(count * census[kind] for kind, count in cycles.items())}


def their_spectrum(plain: nx.Graph, directed: nx.DiGraph, graph: Graph) -> Values:
    if graph.kind == "recurrent":
        values = np.linalg.svd(nx.to_numpy_array(directed), compute_uv=False)
    else:
        values = np.sort(nx.adjacency_spectrum(plain).real)[::-1]
    return {"sigma_1": values[0], "sigma_2": values[1]}


def our_clustering(graph: Graph) -> Values:
    both = {"recurrent": recurrent_clustering, "bipartite": bipartite_clustering}
    return both[graph.kind](graph)


CONTESTS: dict[str, tuple[Callable[[Graph], Values], Callable[..., Values]]] = {
    "degrees": (degrees, their_degrees),
    "assortativity": (assortativity, their_assortativity),
    "clustering": (our_clustering, their_clustering),
    "components": (components, their_components),
    "paths": (path_lengths, their_paths),
    "centrality": (centrality, their_centrality),
    "modularity": (modularity, their_modularity),
    "motifs": (motifs, their_motifs),
    "spectrum": (spectrum, their_spectrum),
}
KINDS = {"motifs": ("recurrent",)}
"""Graphs that networkx has something to compare with, if not all."""


def compare(graph: Graph, name: str) -> tuple[float, float]:
    """Return our seconds and theirs, the values being the same."""
    ours, theirs = CONTESTS[name]
    directed = arrows(graph)
    directed_alone = directed.copy()
    directed_alone.remove_edges_from(list(nx.selfloop_edges(directed)))
    chosen = directed_alone if name in ("clustering", "motifs") else directed
    plain = nx.Graph(directed)
    seconds = []
    for _ in range(TIMES):
        fresh = graph.rewired([block.links for block in graph.blocks])
        start = time.process_time()
        found = ours(fresh)
        seconds.append(time.process_time() - start)
    start = time.process_time()
    expected = theirs(plain, chosen, graph)
    their_seconds = time.process_time() - start
    for key, value in expected.items():
        same = np.isclose(found[key], value, rtol=1e-9, atol=1e-7 if "sigma" in key else 1e-9)
        if not same and np.isfinite(found[key]):
            raise AssertionError(f"{graph.name}: {key} is {found[key]}, by networkx {value}")
    return median(seconds), their_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--densities", type=float, nargs="+", default=[1.0, 0.5, 0.2, 0.05])
    args = parser.parse_args()
    torch.set_num_threads(1)
    gc.freeze()  # or the collector, at some allocation of either, looks through all of PyTorch
    warnings.simplefilter(
        "ignore", RuntimeWarning
    )  # networkx divides 0 by 0 where degrees are equal
    print(f"{machine()}; networkx {nx.__version__}; load {os.getloadavg()[0]:.1f}\n")
    print("| density | measures | ours, ms | networkx, ms | times as fast |")
    print("|--:|---|--:|--:|--:|")
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for density in args.densities:
        graphs = masks(density)
        for name in CONTESTS:
            chosen = [g for g in graphs if g.kind in KINDS.get(name, ("bipartite", "recurrent"))]
            found = [compare(graph, name) for graph in chosen]
            ours, theirs = (sum(each) for each in zip(*found, strict=True))
            for key in (name, "all"):
                sums[key] = [sums[key][0] + ours, sums[key][1] + theirs]
            _print(f"{density:.0%}", name, ours, theirs)
    for name, (ours, theirs) in sums.items():
        _print("all", name, ours, theirs)

    million = np.random.default_rng(0).random((2500, 4000)) < 0.1
    print("\n| a graph of a million edges | s |")
    print("|---|--:|")
    for measure in (degrees, degree_fit, assortativity, components):
        graph = Graph.bipartite("million", million)
        start = time.process_time()
        measure(graph)
        print(f"| {measure.__name__} | {time.process_time() - start:.3f} |")


def _print(density: str, name: str, ours: float, theirs: float) -> None:
    print(f"| {density} | {name} | {1e3 * ours:.2f} | {1e3 * theirs:.1f} | {theirs / ours:.0f} |")


if __name__ == "__main__":
    main()
