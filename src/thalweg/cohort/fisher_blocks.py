"""The weight matrices of a network whose block of the Fisher matrix is a Kronecker product."""

from dataclasses import dataclass

from torch import Tensor, nn

from thalweg.cohort.layout import trainable


@dataclass(frozen=True)
class Block:
    """One weight matrix W with its bias b, as the matrix W̄ = [W b].

    Attributes:
        weight: Name of the parameter; a kernel (out, in, height, width) counts as the matrix
            (out, in · height · width).
        bias: Name of the bias; None for none.
        outputs: Rows of W̄.
        inputs: Columns of W̄, the bias's included.
    """

    weight: str
    bias: str | None
    outputs: int
    inputs: int


def find_blocks(module: nn.Module) -> dict[str, Block]:
    """Return the blocks of a network by the name of the weight.

    They are the trainable weights of every ``nn.Linear``, ungrouped ``nn.Conv2d`` and one-way
    ``nn.RNN`` without dropout, each with its bias where that is trainable too.
    """
    names = {id(parameter): name for name, parameter in trainable(module).items()}
    blocks: dict[str, Block] = {}
    for part in module.modules():
        for weight, own_bias in _affine_maps(part):
            name, bias = names.get(id(weight)), names.get(id(own_bias))
            if name is None:
                continue
            if name in blocks and blocks[name].bias != bias:
                bias = None  # a tied weight whose bias differs from place to place
            outputs, inputs = weight.flatten(1).shape
            blocks[name] = Block(name, bias, outputs, inputs + (bias is not None))
    return blocks


def _affine_maps(part: nn.Module) -> list[tuple[Tensor, Tensor | None]]:
    """Return weight and bias of each affine map that a layer consists of."""
    if isinstance(part, nn.Linear) or (isinstance(part, nn.Conv2d) and part.groups == 1):
        return [(part.weight, part.bias)]
    if isinstance(part, nn.RNN) and not part.bidirectional and part.dropout == 0:
        return [
            (getattr(part, f"weight_{kind}_l{k}"), getattr(part, f"bias_{kind}_l{k}", None))
            for k in range(part.num_layers)
            for kind in ("ih", "hh")
        ]
    return []
