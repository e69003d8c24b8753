"""Which units lie on a path from an input, and which on a path to an output."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from thalweg.sparsity.connectivity.network import Network, Stage


@dataclass(frozen=True)
class Reachability:
    """Boolean vectors ``(units,)``, one a stage.

    Attributes:
        reached: A path of nonzero weights leads from some input to the unit. A unit that none
            reaches is dead: its output does not depend on the input, though a bias may still make
            it a constant other than zero.
        used: A path of nonzero weights leads from the unit to some output. A unit without one is
            a zombie: it is computed for nothing.
    """

    reached: tuple[Tensor, ...]
    used: tuple[Tensor, ...]

    def effective(self, stages: Sequence[Stage]) -> dict[str, Tensor]:
        """Return which weights lie on some path from an input to an output, by name.

        A weight from unit j to unit i counts if it is nonzero, j is reached and i is used.
        """
        masks = {}
        sources = torch.ones(stages[0].sources, dtype=torch.bool, device=stages[0].weight.device)
        for stage, reached, used in zip(stages, self.reached, self.used, strict=True):
            on_path = (stage.by_source != 0) & (used[:, None] & sources)[..., None]
            masks[stage.names[0]] = on_path.view_as(stage.weight)
            if stage.state_weight is not None:
                masks[stage.names[1]] = (stage.state_weight != 0) & used[:, None] & reached
            sources = reached
        return masks


def reachability(network: Network) -> Reachability:
    """Follow the nonzero weights of a network forwards from its inputs and back from its outputs.

    The units of a convolution are its channels: two are connected if any weight of their kernel is
    nonzero, and a flattened channel is a group of a linear layer's inputs. A recurrent layer's
    state reaches the next step's through W_hh, which makes both sets fixed points; for a sequence
    shorter than such a path they are upper bounds.

    Source: Vysogorets and Kempe, arXiv:2107.02306.
    """
    stages = network.stages
    device = stages[0].weight.device
    reached = []
    signal = torch.ones(stages[0].sources, dtype=torch.bool, device=device)
    for stage in stages:
        signal = _closure(stage.links[:, signal].any(1), stage.state_weight)
        reached.append(signal)
    demand = torch.ones(stages[-1].units, dtype=torch.bool, device=device)
    used = [demand]
    for earlier, later in reversed(list(pairwise(stages))):
        backwards = None if earlier.state_weight is None else earlier.state_weight.T
        demand = _closure(later.links[demand].any(0), backwards)
        used.append(demand)
    return Reachability(tuple(reached), tuple(reversed(used)))


def _closure(units: Tensor, weight: Tensor | None) -> Tensor:
    """Return the units and all that follow from them along the nonzero weights ``(to, from)``."""
    if weight is None:
        return units
    links = weight != 0
    while True:
        more = units | links[:, units].any(1)
        if torch.equal(more, units):
            return units
        units = more
