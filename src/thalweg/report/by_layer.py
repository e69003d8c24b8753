"""What probes have found of each layer, as tables: a row a panel, arm, probe and layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from thalweg.report.metric_columns import metric_figures, metric_schema, metric_text
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table, key, key_columns
from thalweg.store.results import StudyResults
from thalweg.study.panels import Arm, Panel

Figures = dict[str, Any]


@dataclass(frozen=True)
class ByLayer:
    """A probe whose figures have an entry a layer.

    Attributes:
        name: Of the probe and of its table.
        title: Of the table.
        note: How to read it.
        mark: Figure that no other probe leaves.
        shown: Headings of the figures on the page, by figure.
        more: Figures that only the CSV file has.
    """

    name: str
    title: str
    note: str
    mark: str
    shown: dict[str, str]
    more: tuple[str, ...]

    def labels(self, results: StudyResults) -> list[str]:
        """Return the labels that the probe has in the study."""
        found = (label for (_, label), own in results.grids.items() if self.mark in own)
        return list(dict.fromkeys(found))


WEIGHTS = ByLayer(
    "weights",
    "Weights by layer",
    "Of the weights that are not 0; biases and norms are left out. Log-normal is by how much the "
    "mean log-likelihood of |w| is higher than under a half-normal or exponential distribution, "
    "whichever fits better. Flipped and moved are since initialisation.",
    "log10_counts",
    {
        "nonzero": "nonzero",
        "deviation": "deviation",
        "kurtosis": "excess kurtosis",
        "median": "median |w|",
        "gain": "log-normal",
        "tail_exponent": "tail exponent",
        "spectral_norm": "spectral norm",
        "stable_rank": "stable rank",
        "flipped": "flipped",
        "moved": "moved",
    },
    ("mean", "skewness", "lognormal", "half_normal", "exponential", "log_mean", "log_deviation"),
)

SIMILARITY = ByLayer(
    "similarity",
    "Features by layer",
    "Effective rank and class separation of the features of each layer.",
    "cka",
    {"effective_rank": "effective rank", "class_separation": "class separation"},
    ("units",),
)

GRAPHS = ByLayer(
    "graph",
    "Graphs",
    "Of each weight matrix, and last of the network as a whole. z is how many standard deviations "
    "a figure lies above its mean in random graphs of the same degrees; that of a variance of "
    "degrees, in those of as many edges.",
    "kind",
    {
        "edges": "edges",
        "in_degree_variance_z": "variance of in-degrees, z",
        "out_degree_variance_z": "variance of out-degrees, z",
        "isolated": "isolated",
        "assortativity": "assortativity",
        "robins_alexander": "4·C₄/L₃",
        "robins_alexander_z": "4·C₄/L₃, z",
        "clustering": "clustering",
        "clustering_z": "clustering, z",
        "largest_weak": "largest component",
        "path_length": "path length",
        "small_world": "σ",
        "delta_r": "Δ_r",
        "delta_r_z": "Δ_r, z",
    },
    (
        *("units", "in_degree_mean", "in_degree_variance", "in_degree_max"),
        *("out_degree_mean", "out_degree_variance", "out_degree_max"),
        *("power_law_exponent", "power_law_ratio", "latapy", "square_clustering"),
        *("weak_components", "strong_components", "largest_strong", "diameter"),
        *("sigma_1", "sigma_2", "delta_s", "assortativity_z", "latapy_z", "square_clustering_z"),
        *("largest_weak_z", "path_length_z", "small_world_z", "sigma_2_z", "delta_s_z"),
    ),
)

KINDS = (WEIGHTS, SIMILARITY, GRAPHS)


def layered(results: StudyResults) -> list[str]:
    """Return the labels of all such probes."""
    return [label for kind in KINDS for label in kind.labels(results)]


def arm_figures(results: StudyResults, label: str, arm: Arm) -> list[Figures]:
    """Return a probe's figures of the runs at an arm's selected point."""
    runs = [] if arm.selected is None else arm.selected.runs
    return [own for run in runs if (own := results.grids.get((run["run"], label))) is not None]


def by_seed(members: Sequence[Figures], figure: str, layer: int) -> list[float]:
    """Return a figure of a layer, one a seed, where it is defined."""
    if figure == "gain":
        names = ("lognormal", "half_normal", "exponential")
        fits = zip(*(by_seed(members, name, layer) for name in names), strict=True)
        return [first - max(others) for first, *others in fits]
    found = (own[figure][layer] for own in members if figure in own)
    return [value for value in found if value is not None]


def layer_tables(results: StudyResults, panels: Sequence[Panel]) -> list[Table]:
    """Return a table a kind of probe, if it has a row."""
    found = [_table(results, panels, kind) for kind in KINDS]
    return [table for table in found if table.rows]


def _table(results: StudyResults, panels: Sequence[Panel], kind: ByLayer) -> Table:
    figures = [*kind.shown, *kind.more]
    records = [
        {
            **key(panel, arm),
            "probe": label,
            "layer": layer,
            "seeds": len(members),
            **metric_figures(figures, partial(by_seed, members, layer=index)),
        }
        for panel in panels
        for label in kind.labels(results)
        for arm in panel.arms
        if (members := arm_figures(results, label, arm))
        for index, layer in enumerate(members[0]["layer"])
    ]
    columns = [
        *key_columns(),
        Column("probe", lambda row: row["probe"], numeric=False),
        Column("layer", lambda row: row["layer"], numeric=False),
        Column("seeds", lambda row: str(row["seeds"])),
        *(
            Column(heading, partial(metric_text, metric=figure))
            for figure, heading in kind.shown.items()
            if any(record[f"{figure}_mean"] is not None for record in records)
        ),
    ]
    schema = {
        **KEY_SCHEMA,
        **dict.fromkeys(("probe", "layer"), pl.String),
        "seeds": pl.Int64,
        **metric_schema(figures),
    }
    return build_table(kind.name, kind.title, kind.note, records, schema, columns)
