"""What the pictures are of: the graphs of arms, and the masks of single networks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from thalweg.report.by_layer import Figures
from thalweg.report.charts import FACET_COLUMNS, Style
from thalweg.sparsity.masks import Masks

MOST_ARMS = 4
"""Arms in the histograms and of which there are pictures."""

MOST_LAYERS = 12
"""Layers in one chart."""

FACET_HEIGHT = 170
"""Of a row of small panels, in CSS pixels."""


@dataclass(frozen=True)
class Measured:
    """What the probe ``graph`` has found of an arm: its figures, one a seed."""

    name: str
    style: Style
    members: Sequence[Figures]

    @property
    def layers(self) -> list[str]:
        """Names of the graphs that are of one weight matrix each."""
        first = self.members[0]
        kinds = zip(first["layer"], first["kind"], strict=True)
        return [name for name, kind in kinds if kind != "network"]

    @property
    def sparse(self) -> bool:
        """Whether some units of a layer have more edges than others."""
        first = self.members[0]
        pairs = zip(first["kind"], first["in_degree_variance"], strict=True)
        return any(value for kind, value in pairs if kind != "network")

    def of_layer(self, figure: str, layer: str) -> list[Any]:
        """Return a figure of a layer, one a seed that has it."""
        return [
            own[figure][own["layer"].index(layer)]
            for own in self.members
            if figure in own and layer in own["layer"]
        ]


@dataclass(frozen=True)
class Masked:
    """The masks of one network: the first of an arm's, or of a file.

    Attributes:
        name: Of the arm.
        note: Which network it is; "" for that of a file.
        masks: Boolean by parameter name.
        rounds: Numbers of the rounds of pruning, and the masks after each, the last ``masks``.
    """

    name: str
    note: str
    masks: Masks
    rounds: Sequence[tuple[int, Masks]] = ()


@dataclass(frozen=True)
class Place:
    """Where charts stand: what their files' names begin with, and their titles end in."""

    parts: tuple[str, ...]
    title: str

    def titled(self, text: str) -> str:
        return f"{text}, {self.title}" if self.title else text


def layer_names(found: Sequence[Measured]) -> list[str]:
    """Return the layers of any of some arms, the first so many."""
    return list(dict.fromkeys(name for each in found for name in each.layers))[:MOST_LAYERS]


def short(layer: str) -> str:
    """Return a layer's name without what all such names share."""
    return layer.removesuffix(".weight").replace("weight_", "")


def chosen_note(shown: int, known: int) -> str:
    """Say which arms are shown, if not all."""
    return f" The first {shown} of {known} arms." if shown < known else ""


def seeds_note(found: Sequence[Measured]) -> str:
    """Say what lines and bands are, if there is more than one seed."""
    several = any(len(each.members) > 1 for each in found)
    return " Mean over seeds with the 95 % Student t band." if several else ""


def facets_height(count: int) -> int:
    """Return the height of a chart of so many small panels, in CSS pixels."""
    return 80 + FACET_HEIGHT * math.ceil(count / FACET_COLUMNS)
