"""Direct and effective density, dead units, zombies and operations, layer by layer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from thalweg.sparsity.connectivity.network import Network, Stage, read_network
from thalweg.sparsity.connectivity.reachability import reachability


@dataclass(frozen=True)
class Figures:
    """Counts over a layer or a whole network; biases are not among its weights.

    Attributes:
        weights: All weights.
        nonzero: Nonzero weights.
        effective: Weights on some path from an input to an output.
        units: Channels, neurons or states.
        dead: Units that no path of nonzero weights reaches from an input: constants.
        zombies: Units from which none leads to an output; a unit may be both.
        flops: Operations an example of the dense network: two for every product of a weight, the
            convention of `torch.utils.flop_counter`; biases, activations and poolings are not
            counted.
        nonzero_flops: The same of the nonzero weights alone.
        effective_flops: The same of the effective weights alone.
    """

    weights: int
    nonzero: int
    effective: int
    units: int
    dead: int
    zombies: int
    flops: int
    nonzero_flops: int
    effective_flops: int

    @property
    def direct_density(self) -> float:
        """Share of the weights that are nonzero."""
        return self.nonzero / self.weights

    @property
    def effective_density(self) -> float:
        """Share of the weights that lie on some path; effective sparsity is 1 minus this."""
        return self.effective / self.weights

    def as_dict(self) -> dict[str, Any]:
        """Return the counts and both densities."""
        densities = {
            "direct_density": self.direct_density,
            "effective_density": self.effective_density,
        }
        return {**asdict(self), **densities}


@dataclass(frozen=True)
class Connectivity:
    """What a mask leaves of a network.

    Attributes:
        layers: By the names of the layer's weights, joined by a comma where there are two.
        total: Over all layers.
    """

    layers: dict[str, Figures]
    total: Figures

    def as_dict(self) -> dict[str, Any]:
        layers = {name: figures.as_dict() for name, figures in self.layers.items()}
        return {"total": self.total.as_dict(), "layers": layers}


def connectivity(
    module: nn.Module, shape: tuple[int, ...], masks: Mapping[str, Tensor] | None = None
) -> Connectivity:
    """Count what a mask, or a network's own zeros, leave of it.

    Paths start at inputs: a unit that only biases feed is dead, whatever constant it emits.

    Args:
        module: A chain of convolutions, poolings, linear layers and activations, or the package's
            recurrent network.
        shape: Shape of one input.
        masks: Which parameters may be nonzero, boolean tensors by parameter name; a parameter
            without one keeps its own zeros.

    Raises:
        InputError: The network is no such chain, or a mask fits no parameter.

    Source: Vysogorets and Kempe, arXiv:2107.02306.
    """
    return count(read_network(module, shape, masks))


def count(network: Network) -> Connectivity:
    """Return the counts of `connectivity` for a network that has been read."""
    found = reachability(network)
    on_path = found.effective(network.stages)
    layers = {}
    for stage, reached, used in zip(network.stages, found.reached, found.used, strict=True):
        weights = sum(weight.numel() for weight in stage.weights)
        nonzero = sum(int(weight.count_nonzero()) for weight in stage.weights)
        effective = sum(int(on_path[name].sum()) for name in stage.names)
        each = 2 * _applications(stage)
        layers[", ".join(stage.names)] = Figures(
            weights=weights,
            nonzero=nonzero,
            effective=effective,
            units=stage.units,
            dead=int((~reached).sum()),
            zombies=int((~used).sum()),
            flops=each * weights,
            nonzero_flops=each * nonzero,
            effective_flops=each * effective,
        )
    counts = [asdict(figures) for figures in layers.values()]
    total = Figures(**{key: sum(count[key] for count in counts) for key in counts[0]})
    return Connectivity(layers, total)


def effective_masks(
    module: nn.Module, shape: tuple[int, ...], masks: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Return which weights lie on some path from an input to an output, boolean by name.

    Args:
        module: As for `connectivity`.
        shape: Shape of one input.
        masks: As for `connectivity`.

    Raises:
        InputError: The network is no chain of known layers, or a mask fits no parameter.
    """
    network = read_network(module, shape, masks)
    return reachability(network).effective(network.stages)


def _applications(stage: Stage) -> int:
    """Return how often each weight is used on one example."""
    if stage.layer.kind == "convolution":
        return stage.layer.output[1] * stage.layer.output[2]
    if stage.layer.kind == "recurrent":
        return stage.layer.input[1]
    return 1
