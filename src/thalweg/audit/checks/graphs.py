"""Graphs that say what they say by construction."""

import re
from collections.abc import Iterator

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.scripts import called, calls

_HIDDEN = re.compile(r"weight_hh_?l?\d*$")
_INPUT = re.compile(r"weight_ih_?l?\d*$")
_COMPONENTS = r"(?:n[_ ]?|num(?:ber)?[_ ](?:of[_ ])?|weak(?:ly)?[_ ]|connected[_ ])*components?"
_CLUSTERING = r".*clustering.*"


def _components(folder: Folder) -> Iterator[Seen]:
    layers = 0
    for file in folder.masks:
        hidden = [name for name in file.masks if _HIDDEN.search(name)]
        inputs = [name for name in file.masks if _INPUT.search(name)]
        if len(hidden) > 1 and not inputs:
            layers = len(hidden)
            yield Seen(
                "warning",
                file.name,
                "its layers cannot be connected with each other",
                f"has {', '.join(hidden)} and no weight_ih: pooled, they make at least {layers} "
                "components",
            )
    for table in folder.tables:
        column = table.find(_COMPONENTS)
        values = set() if column is None else set(table.numbers(column))
        if layers > 1 and values == {float(layers)}:
            yield Seen(
                "severe",
                table.where,
                "the number of components is the number of layers that were pooled",
                f"{column} is {layers} in all {len(table.rows)} rows",
            )


def _clustering(folder: Folder) -> Iterator[Seen]:
    for table in folder.tables:
        for column in table.find_all(_CLUSTERING):
            values = table.numbers(column)
            if values and all(value == 0 for value in values):
                yield Seen(
                    "severe",
                    table.where,
                    "a clustering that is 0 whatever the mask",
                    f"{column} is 0 in all {len(values)} rows",
                )
    for script in folder.scripts:
        bipartite = re.search(r"\bbipartite\b|from_biadjacency_matrix", script.source)
        for body in script.scopes():
            for call in calls(body):
                ordinary = re.fullmatch(
                    r"(?:nx|networkx)\.(?:algorithms\.)?(?:average_clustering|clustering|transitivity)",
                    called(call),
                )
                if bipartite and ordinary:
                    yield Seen(
                        "severe",
                        script.at(call),
                        "ordinary clustering of a bipartite graph",
                        script.text(call),
                    )


COMPONENTS = Check(
    "disconnected-by-construction",
    "components of a graph of layers that nothing joins",
    "the number of components says how many layers were pooled, not what pruning did",
    "take each layer apart, or add the weights between them (weight_ih)",
    of_folder=_components,
)
CLUSTERING = Check(
    "bipartite-clustering",
    "ordinary clustering of a bipartite graph, which is 0 by definition",
    "it tells nothing of the mask: a bipartite graph has no triangles",
    "use Robins-Alexander 4·C4/L3, Latapy's coefficient or square clustering",
    of_folder=_clustering,
)
