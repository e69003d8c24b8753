"""The tables and pictures of a published analysis, against networkx on the masks themselves."""

import csv
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import torch

from thalweg.errors import InputError
from thalweg.models import build_model
from thalweg.report.analysis_files import Pruned, check, write_analysis

HIDDEN, LAYERS = 12, 2
TABLES = {"rewind_analysis_results.csv", "per_layer_results.csv"}
PICTURES = (
    *("clustering_hist", "degree_hist", "graph_LCC"),
    *("abs_weights_hist", "log_abs_weights_hist"),
)


def pruned(label: str, seed: int) -> Pruned:
    module = build_model("rnn", {"hidden": HIDDEN, "layers": LAYERS}, (1, 6, 5), 3, seed, None)
    weights = {name: values.detach().clone() for name, values in module.named_parameters()}
    generator = torch.Generator().manual_seed(seed)
    masks = {}
    for name, values in weights.items():
        if "weight_hh" in name or name == "rnn.weight_ih_l1":
            masks[name] = torch.rand(values.shape, generator=generator) < 0.2
            weights[name] *= masks[name]
    kept = sum(int(mask.sum()) for mask in masks.values()) / sum(m.numel() for m in masks.values())
    return Pruned(label, weights, masks, kept, 0.875)


def layer_graph(mask: torch.Tensor) -> nx.Graph:
    found = nx.Graph()
    found.add_nodes_from(range(len(mask)))
    found.add_edges_from((i, j) for i, j in mask.nonzero().tolist() if i != j)
    return found


@pytest.fixture(scope="module")
def networks() -> list[Pruned]:
    return [pruned("GD", 0), pruned("EG", 1)]


@pytest.fixture(scope="module")
def folder(networks: list[Pruned], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("analysis")
    files = write_analysis(networks, folder)
    assert sorted(files) == sorted(folder.iterdir())
    return folder


def rows(path: Path) -> list[dict[str, Any]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_names_are_those_of_the_published_analysis(folder: Path) -> None:
    pictures = {f"{label}_{kind}.png" for label in ("GD", "EG") for kind in PICTURES}
    assert {path.name for path in folder.iterdir()} == TABLES | pictures
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in pictures)


def test_layers_agree_with_networkx(networks: list[Pruned], folder: Path) -> None:
    found = rows(folder / "per_layer_results.csv")
    assert [(row["Model"], row["Layer"]) for row in found] == [
        (label, str(layer)) for label in ("GD", "EG") for layer in range(LAYERS)
    ]
    for row in found:
        network = networks[row["Model"] == "EG"]
        graph = layer_graph(network.masks[f"rnn.weight_hh_l{row['Layer']}"])
        largest = graph.subgraph(max(nx.connected_components(graph), key=len))
        assert (int(row["nodes"]), int(row["edges_undirected"])) == (12, graph.number_of_edges())
        assert float(row["C"]) == pytest.approx(nx.average_clustering(largest))
        assert float(row["L"]) == pytest.approx(nx.average_shortest_path_length(largest))
        assert int(row["LCC_nodes"]) == len(largest)
        assert float(row["LCC_coverage"]) == len(largest) / 12


def test_the_layers_of_a_network_are_joined(networks: list[Pruned], folder: Path) -> None:
    found = rows(folder / "rewind_analysis_results.csv")
    assert [row[""] for row in found] == ["GD", "EG"]
    for row, network in zip(found, networks, strict=True):
        graph = nx.DiGraph()
        places = {"rnn.weight_ih_l0": (0, 5), "rnn.weight_hh_l0": (5, 5)}  # sources, targets
        places |= {"rnn.weight_ih_l1": (5, 17), "rnn.weight_hh_l1": (17, 17), "fc.weight": (17, 29)}
        graph.add_nodes_from(range(5 + 2 * HIDDEN + 3))
        for name, (source, target) in places.items():
            kept = (network.weights[name] != 0).nonzero().tolist()
            graph.add_edges_from(
                (j + source, i + target) for i, j in kept if j + source != i + target
            )
        either_way = graph.to_undirected()
        assert nx.is_connected(either_way)  # what pooled layers without what joins them are not
        assert int(row["nodes"]) == int(row["LCC_nodes"]) == len(graph)
        assert int(row["edges"]) == int(row["LCC_edges"]) == either_way.number_of_edges()
        assert float(row["C"]) == pytest.approx(nx.average_clustering(either_way))
        possible = 5 * 12 + 12 * 11 + 12 * 12 + 12 * 11 + 12 * 3
        share = graph.number_of_edges() / possible
        assert float(row["graph_sparsity_directed"]) == pytest.approx(share)
        share = either_way.number_of_edges() / (possible - 12 * 11)
        assert float(row["graph_sparsity_undirected"]) == pytest.approx(share)
        assert float(row["train_remaining_frac"]) == network.kept
        assert float(row["train_pruned_frac"]) == 1 - network.kept
        assert float(row["final_test_acc_pct"]) == 87.5


def test_networks_without_triangles_are_refused() -> None:
    masks = {"0.weight": torch.ones(3, 4, dtype=torch.bool)}
    layered = Pruned("mlp", {"0.weight": torch.ones(3, 4)}, masks, 1.0, None)
    with pytest.raises(InputError, match="mlp must be a chain of layers with recurrent ones"):
        check([layered])
    with pytest.raises(InputError, match="needs complete rounds of pruning"):
        check([])
