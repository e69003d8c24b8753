"""The probe ``graph`` of the runs of a study, whose masks differ."""

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from thalweg import Results
from thalweg.measure.graphs import mask_graphs, measure_graph
from thalweg.report.measurements import measured_tables
from thalweg.store import Store
from thalweg.study import load_study
from thalweg.study.panels import panels

Run = Callable[..., Results]
Write = Callable[..., Path]


def test_runs_are_measured_by_their_masks(
    write_study: Write, tmp_path: Path, run_here: Run
) -> None:
    study = write_study(
        study={"name": "study", "seeds": 2},
        model={"name": "mlp", "widths": [12]},
        train={"epochs": 1, "batch_size": 64},
        arms={"dense": {}, "pruned": {"sparsity": {"name": "one_shot", "keep": 0.2}}},
        probes=[
            {"name": "graph", "nulls": 3},
            {"name": "graph", "label": "strongest", "edge_keep": 0.2, "nulls": 0},
        ],
    )
    results = run_here(study, tmp_path / "out")
    frame = results.probes().filter(probe="graph")

    def values(figure: str, **where: object) -> list[float]:
        found: list[float] = frame.filter(figure=figure, **where)["value"].to_list()
        return found

    assert values("edges", arm="dense", seed=0) == [768, 120, 888]
    kept = sum(values("edges", arm="pruned", seed=0)[:2])
    assert kept == int(0.2 * 888)
    (spec,) = (
        spec
        for point in load_study(study).points
        for spec in point.specs
        if spec.seed == 1 and spec.sparsity is not None
    )
    masks = load_file(Store(tmp_path / "out").run(spec.id).masks_path)
    for index, graph in enumerate(mask_graphs({n: mask.bool() for n, mask in masks.items()})):
        own = measure_graph(graph)
        for name in ("robins_alexander", "path_length", "weak_components"):
            found = values(name, arm="pruned", seed=1, index=index)
            assert found == [pytest.approx(own[name]) if own[name] == own[name] else None]
    assert len(values("latapy_z", arm="pruned", seed=1)) == 3

    strongest = results.probes().filter(probe="strongest", arm="dense", seed=0)
    assert strongest.filter(figure="edges")["value"].to_list() == [153, 24, 177]
    assert not strongest["figure"].str.ends_with("_z").any()

    loaded = results.load()
    tables = {table.name: table for table in measured_tables(loaded, panels(loaded))}
    assert len(tables["graph"].rows) == 2 * 2 * 3  # arms, probes and graphs
    rows = tables["graph"].frame.filter(layer="network", arm="pruned", probe="graph")
    edges = [figure[2] for figure in (values("edges", arm="pruned", seed=seed) for seed in (0, 1))]
    assert rows["edges_mean"].to_list() == [pytest.approx(sum(edges) / 2)]
