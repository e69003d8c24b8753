"""Pictures of graphs against NumPy's own counts of the masks."""

import json
from dataclasses import replace

import networkx
import numpy as np
import pytest
import torch
from scipy.stats import hypergeom
from tests.report.conftest import Builder

from thalweg.measure.graphs import Graph, mask_graphs
from thalweg.measure.graphs.degrees import degrees
from thalweg.measure.graphs.histograms import histograms
from thalweg.report.charts import Dots, Line, Links, Picture, Words
from thalweg.report.figures import sections
from thalweg.report.graphs import graph_charts, network_charts
from thalweg.report.graphs.drawing import MOST_EDGES, Drawing
from thalweg.report.graphs.masks import input_image, tiled, went
from thalweg.report.graphs.subjects import Masked
from thalweg.report.graphs.tiles import MOST_PIXELS, PAPER, shade
from thalweg.report.interactive import interactive_figure
from thalweg.report.static import png, static_figure
from thalweg.sparsity import save_masks
from thalweg.study.panels import panels
from thalweg.study.statistics import mean_interval

KEPT = (1.0, 0.5, 0.25)
FIRST, LAST = "fc1.weight", "fc2.weight"


def masks_of(seed, kept):
    """Masks of which those that keep less lie within those that keep more."""
    draw = np.random.default_rng(seed)
    return {
        name: torch.from_numpy(draw.random(shape) < kept)
        for name, shape in {FIRST: (20, 64), LAST: (10, 20)}.items()
    }


def figures_of(masks):
    """What the probe would tell, as far as it is drawn."""
    graphs = mask_graphs(masks)
    own = [{**degrees(graph), **histograms(graph)} for graph in graphs]
    return {
        "layer": [graph.name for graph in graphs],
        "kind": [graph.kind for graph in graphs],
        "edges": [len(graph.edges[0]) for graph in graphs],
        **{name: [each[name] for each in own] for name in own[0]},
        "latapy": [0.3, 0.4, None],
        "clustering": [None, None, None],
        "nulls": [
            ["degrees", FIRST, "latapy", 0.3, 0.25, 0.2, 0.3, 1.0],
            ["edges", FIRST, "latapy", 0.3, 0.1, 0.1, 0.1, 9.0],
        ],
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two arms pruned by two rounds, of three seeds; the second's name is hostile."""
    folder = tmp_path_factory.mktemp("masks")
    builder, grids, files = Builder(), {}, {}
    for arm in ("imp", "<b>x</b>"):
        for seed in range(3):
            builder.prune(arm, seed, [(kept, 0.9) for kept in KEPT])
            final = builder.rounds[-1]["run"]
            builder.runs[-1]["run"] = final
            for row, kept in zip(builder.rounds[-3:], KEPT, strict=True):
                masks = masks_of(seed, kept)
                row["layers"] = json.dumps({n: float(m.float().mean()) for n, m in masks.items()})
                score = [10 * (1 - kept) + seed, None if kept == 1 else -1.0, 0.5]
                own = {**figures_of(masks), "in_degree_variance_z": score}
                grids[row["run"], "graph"] = own
                if kept < 1:
                    files[row["run"]] = folder / f"{len(files)}.safetensors"
                    save_masks(files[row["run"]], masks)
    return builder.results(grids=grids, masks=files)


@pytest.fixture(scope="module")
def charts(study):
    (panel,) = panels(study)
    return {chart.name: chart for chart in graph_charts(study, panel)}


def finals(study, arm="imp"):
    runs = study.rounds.filter(arm=arm, round=2)["run"]
    return [study.grids[run, "graph"] for run in runs]


def test_all_charts_are_there_and_can_be_drawn(charts):
    arms = ("imp", "b-x-b")
    assert list(charts) == [
        *("in-degrees-digits-mlp-graph", "out-degrees-digits-mlp-graph"),
        *("degrees-digits-mlp-graph", "clustering-digits-mlp-graph"),
        "z-digits-mlp-graph-in_degree_variance",
        "kept-by-layer-digits-mlp",
        *(
            f"{kind}-digits-mlp-{arm}"
            for kind in ("masks", "evolution", "component")
            for arm in arms
        ),
    ]
    for chart in charts.values():
        assert chart.description.endswith(".") and chart.caption
        figure = interactive_figure(chart)
        named = [trace.name for trace in figure.data if trace.showlegend is not False]
        named = [name for name in named if name and chart.legend]
        assert len(named) == len(set(named)) == len(chart.series)
        assert not any("<b>x" in text for text in named)
        assert png(static_figure(chart)).startswith(b"\x89PNG")


def test_small_panels_have_their_titles_and_those_of_the_axes(charts):
    chart = charts["degrees-digits-mlp-graph"]
    layout = interactive_figure(chart).layout
    assert [note.text for note in layout.annotations] == [f"<b>{f.title}</b>" for f in chart.facets]
    assert [layout[f"xaxis{n}"].title.text for n in ("", 2, 3, 4)] == ["", "", "Layer", "Layer"]
    domains = [(*layout[f"xaxis{n}"].domain, *layout[f"yaxis{n}"].domain) for n in ("", 2, 3, 4)]
    for left, right, low, high in domains:
        assert 0 <= left < right <= 1 and 0 <= low < high <= 1
    assert domains[0][1] < domains[1][0] and domains[2][3] < domains[0][2]
    axes = static_figure(chart).axes
    assert [each.get_title("left") for each in axes] == [f.title for f in chart.facets]
    assert [each.get_xlabel() for each in axes] == ["", "", "Layer", "Layer"]


def test_they_stand_among_the_measurements(study, charts):
    (section,) = (s for s in sections(study, panels(study)) if s.title == "Measurements")
    assert {chart.name for chart in section.charts} >= set(charts)


def test_histograms_are_the_shares_of_the_units(study, charts):
    chart = charts["in-degrees-digits-mlp-graph"]
    assert [facet.title for facet in chart.facets] == ["fc1", "fc2"]
    hill, _, line, _ = chart.facets[0].layers
    counts = [masks_of(seed, KEPT[-1])[FIRST].numpy().sum(1) for seed in range(3)]
    for x, y, high in zip(line.x, line.y, line.high, strict=True):
        assert x == int(x)  # so few degrees that each has a bin
        interval = mean_interval([100 * np.mean(own == x) for own in counts])
        assert (y, high) == pytest.approx((interval.mean, interval.high))
    assert sum(line.y) == pytest.approx(100)
    edges = [own.sum() for own in counts]
    expected = np.mean([hypergeom.pmf(hill.x, 20 * 64, 64, e) for e in edges], axis=0)
    assert hill.high == pytest.approx(100 * expected)
    assert set(hill.y) == {None} and set(hill.low) == {0.0}
    assert f"imp {FIRST} mean" in chart.description


def test_many_degrees_share_bins():
    masks = {FIRST: torch.rand(200, 300, generator=torch.Generator().manual_seed(0)) < 0.5}
    figures = {name: own for name, own in figures_of(masks).items() if name != "nulls"}
    chart = next(c for c in network_charts(figures, mask_graphs(masks), masks))
    hill, line = chart.facets[0].layers
    assert 10 < len(line.x) <= 30 and line.x[1] - line.x[0] > 1
    assert sum(line.y) == pytest.approx(100) and sum(hill.high) == pytest.approx(100, abs=1)


def test_unevenness_is_over_that_of_random_graphs(charts, study):
    chart = charts["degrees-digits-mlp-graph"]
    assert [facet.title for facet in chart.facets][1] == "in: variance ratio"
    line = chart.facets[1].layers[0]
    draw = np.random.default_rng(0)
    for layer, name in enumerate((FIRST, LAST)):
        ratios = []
        for own, seed in zip(finals(study), range(3), strict=True):
            mask = masks_of(seed, KEPT[-1])[name].numpy()
            assert own["edges"][layer] == mask.sum()
            random = [draw.permuted(mask.ravel()).reshape(mask.shape) for _ in range(2000)]
            ratios.append(mask.sum(1).var() / np.mean([each.sum(1).var() for each in random]))
        assert line.y[layer] == pytest.approx(np.mean(ratios), rel=0.05)


def test_clustering_has_the_counts_and_the_mean_of_the_null(charts, study):
    facet = charts["clustering-digits-mlp-graph"].facets[0]
    lines, uprights = facet.layers[:2], facet.layers[2:]
    assert sum(lines[0].y) == pytest.approx(100)
    middle = np.average(lines[0].x, weights=lines[0].y)
    bins = [np.array(own["clustering_counts"][0]) for own in finals(study)]
    places = (np.arange(len(bins[0])) + 0.5) / len(bins[0])
    assert middle == pytest.approx(np.mean([b @ places / b.sum() for b in bins]), abs=0.02)
    assert [line.x for line in uprights] == [[0.25, 0.25]] * 2  # of the same degrees


def test_scores_go_from_round_to_round(charts):
    chart = charts["z-digits-mlp-graph-in_degree_variance"]
    assert [facet.title for facet in chart.facets] == ["fc1 in", "fc2 in", "network in"]
    chance, line, _ = chart.facets[0].layers
    assert (chance.low, chance.y, chance.high) == ([-2] * 2, [0] * 2, [2] * 2)
    assert line.x == pytest.approx([100, 50, 25])
    assert line.y == pytest.approx([1, 6, 8.5])
    assert line.high[0] == pytest.approx(mean_interval([0, 1, 2]).high)
    assert chart.facets[1].layers[1].x == pytest.approx([50, 25])  # undefined of the dense
    assert "imp fc1 in 8.5" in chart.description


def test_scores_of_a_single_round_are_no_line(study):
    only = {key: own for key, own in study.grids.items() if "/2/" in key[0]}
    (panel,) = panels(study)
    names = [chart.name for chart in graph_charts(replace(study, grids=only), panel)]
    assert names and not [name for name in names if name.startswith("z-")]


def test_kept_by_layer(charts):
    chart = charts["kept-by-layer-digits-mlp"]
    assert [facet.title for facet in chart.facets] == ["fc1", "fc2"]
    line = chart.facets[0].layers[0]
    means = [np.mean([masks_of(s, kept)[FIRST].float().mean() for s in range(3)]) for kept in KEPT]
    assert (line.x, line.y) == ([0, 1, 2], pytest.approx(100 * np.array(means)))


def test_masks_as_pictures(charts):
    chart = charts["masks-digits-mlp-imp"]
    image, first, last, words = chart.layers
    mask = masks_of(0, KEPT[-1])[FIRST].numpy()
    assert "Seed 0, round 2." in chart.caption and chart.bare
    assert words.texts[0] == "inputs, 8 × 8" and words.texts[1].startswith("fc1, 2")
    step = first.pixels.shape[0] // 20
    assert (first.pixels[::step, ::step, 3] == np.where(mask, 255, PAPER)).all()
    step = image.pixels.shape[0] // 8
    darkest = np.unravel_index(image.pixels[::step, ::step, 3].argmax(), (8, 8))
    assert mask.sum(0).reshape(8, 8)[darkest] == mask.sum(0).max()
    width, height = (abs(b - a) for a, b in (last.x, last.y))
    assert (width, height) == pytest.approx((1, 0.5))


def test_weights_by_the_round_that_pruned_them(charts):
    subject = Masked(
        "", "", masks_of(0, 0.25), [(n, masks_of(0, k)) for n, k in ((1, 0.5), (2, 0.25))]
    )
    gone = went(subject, FIRST)
    half, quarter = (masks_of(0, kept)[FIRST].numpy() for kept in (0.5, 0.25))
    assert (gone == np.where(~half, 0, np.where(~quarter, 1, 2))).all()
    picture = charts["evolution-digits-mlp-imp"].layers[0]
    step = picture.pixels.shape[0] // 20
    colours = [np.unique(picture.pixels[::step, ::step][gone == n], axis=0) for n in range(3)]
    assert [len(own) for own in colours] == [1, 1, 1]
    assert len(np.unique(np.concatenate(colours), axis=0)) == 3
    key = [layer for layer in charts["evolution-digits-mlp-imp"].layers if isinstance(layer, Words)]
    assert list(key[-1].texts) == ["1", "2", "kept"]


def test_kernels_stand_side_by_side():
    weights = torch.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
    picture = tiled(weights)
    assert picture.shape == (5, 8)
    assert (picture[3:, 3:5] == weights[1, 1].numpy()).all()
    assert (picture[2] == -1).all() and (picture[:, [2, 5]] == -1).all()
    assert tiled(torch.ones(6, 1, 5, 5)).shape == (11, 17)  # six kernels of one channel: 2 × 3
    assert tiled(torch.ones(4, 2, 3)).shape == (7, 7)


def test_large_pictures_are_means():
    draw = np.random.default_rng(0)
    shares = (draw.random((3, 1000)) < 0.3).astype(float)
    pixels = shade(shares)
    assert pixels.shape == (3, 334, 4) and MOST_PIXELS >= 334
    expected = shares[:, :999].reshape(3, 333, 3).mean(2)
    assert pixels[:, :333, 3] == pytest.approx(PAPER + (255 - PAPER) * expected, abs=0.51)


@pytest.mark.parametrize(
    ("shape", "image"),
    [((5, 64), (8, 8)), ((5, 192), (8, 8)), ((5, 65), None), ((5, 1, 8, 8), None)],
)
def test_inputs_that_may_be_an_image(shape, image):
    found = input_image({"w": torch.ones(shape, dtype=torch.bool)})
    assert (found is None) if image is None else (found.shape == image)
    if image:
        assert found.sum() == np.prod(shape)


def test_the_drawing_is_of_the_largest_component(charts):
    links = [np.zeros((6, 5), bool), np.zeros((3, 6), bool)]
    links[0][:3, :4] = True
    links[0][5, 4] = True  # a component of its own
    links[1][0, :3] = links[1][1, 4] = True
    masks = {FIRST: torch.from_numpy(links[0]), LAST: torch.from_numpy(links[1])}
    graph = mask_graphs(masks)[-1]
    made = Drawing(graph, [FIRST, LAST])
    targets, sources = graph.edges
    whole = networkx.Graph(zip(sources.tolist(), targets.tolist(), strict=True))
    largest = max(networkx.connected_components(whole), key=len)
    assert set(np.flatnonzero(made.group >= 0)) == largest
    assert [len(column.units) for column in made.columns] == [4, 3, 1]
    drawn = {(int(s), int(t)) for s, t in zip(*made.drawn(), strict=True)}
    assert drawn == {
        (s, t) for s, t in zip(sources, targets, strict=True) if s in largest and t in largest
    }
    for column in made.columns:
        heights = made.y[column.units]
        assert len(set(heights)) == len(heights) and 0 < heights.min() <= heights.max() < 1
    chart = charts["component-digits-mlp-imp"]
    edges = sum(len(layer.paths) for layer in chart.layers if isinstance(layer, Links))
    total = sum(int(mask.sum()) for mask in masks_of(0, KEPT[-1]).values())
    assert edges == total and "all edges." in chart.caption
    units = sum(len(layer.x) for layer in chart.layers if isinstance(layer, Dots))
    assert f"{units} of 94 units" in chart.caption


def test_of_many_edges_some_are_drawn():
    masks = {
        FIRST: torch.ones(100, 80, dtype=torch.bool),
        LAST: torch.ones(3, 100, dtype=torch.bool),
    }
    graphs = mask_graphs(masks)
    sources, targets = Drawing(graphs[-1], [FIRST, LAST]).drawn()
    assert len(sources) == MOST_EDGES
    assert (sources >= 80).sum() == 300  # all of the small matrix
    assert len(set(zip(sources.tolist(), targets.tolist(), strict=True))) == MOST_EDGES


def test_groups_are_drawn_apart():
    links = np.zeros((40, 40), bool)
    draw = np.random.default_rng(0)
    order = draw.permutation(40)
    links[np.ix_(order[:20], np.arange(20))] = draw.random((20, 20)) < 0.5
    links[np.ix_(order[20:], np.arange(20, 40))] = draw.random((20, 20)) < 0.5
    links[order[0], 30] = True
    made = Drawing(Graph.bipartite(FIRST, links), [FIRST])
    planted = np.concatenate([np.arange(40) < 20, np.isin(np.arange(40), order[:20])])
    assert len(np.unique(made.group)) == 2
    assert (made.group[planted] == made.group[0]).all()
    assert (made.group[~planted] != made.group[0]).all()
    for column in made.columns:  # one above the other
        first, second = (made.y[column.units[planted[column.units] == side]] for side in (0, 1))
        assert first.max() < second.min() or second.max() < first.min()


def test_states_are_arcs_beside_their_column():
    loops = np.eye(4, dtype=bool)
    loops[0, 3] = True
    made = Drawing(Graph.recurrent("rnn.weight_hh_l0", loops | loops.T), ["rnn.weight_hh_l0"])
    assert [column.name for column in made.columns] == ["rnn.hh_l0"]
    units = made.columns[0].units
    assert set(units) == {0, 3}
    path = made.path(0, 3)
    assert (path[0], path[-1]) == (pytest.approx((0, made.y[0])), pytest.approx((0, made.y[3])))
    assert max(x for x, _ in path) > 0.2
    assert max(x for x, _ in made.path(0, 0)) > 0


def test_nothing_kept_makes_no_drawing():
    masks = {FIRST: torch.zeros(20, 64, dtype=torch.bool)}
    (chart,) = network_charts(figures_of(masks), mask_graphs(masks), masks)
    assert chart.name == "masks"
    assert png(static_figure(chart)).startswith(b"\x89PNG")


def test_only_the_first_arms_have_pictures(tmp_path):
    builder, grids, files = Builder(), {}, {}
    for arm in "abcdef":
        builder.prune(arm, 0, [(1, 0.9), (0.25, 0.8)])
        run = builder.runs[-1]["run"] = builder.rounds[-1]["run"]
        masks = masks_of(0, 0.25)
        grids[run, "graph"] = figures_of(masks)
        files[run] = tmp_path / f"{arm}.safetensors"
        save_masks(files[run], masks)
    results = builder.results(grids=grids, masks=files)
    charts = graph_charts(results, panels(results)[0])
    pictures = [chart for chart in charts if chart.name.startswith("masks")]
    assert len(pictures) == 4 and "first 4 of 6 arms" in pictures[0].caption
    histogram = charts[0].facets[0].layers
    assert len({line.label for line in histogram if isinstance(line, Line)}) == 4
    assert "first 4 of 6 arms" in charts[0].caption
    assert not any(isinstance(layer, Picture) for chart in charts[:3] for layer in chart.layers)
