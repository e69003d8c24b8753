"""What a run costs, counted as it trains."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from thalweg.cohort.layout import constants, trainable
from thalweg.cohort.oracle import Asked
from thalweg.native.chain import Chain
from thalweg.randomness import global_stream


@dataclass
class Cost:
    """Cost of one run so far.

    Attributes:
        examples: Examples whose gradient was computed.
        gradient_evaluations: Minibatch gradients computed; a SAM step costs two, a pass over N
            examples ⌈N / batch⌉.
        loss_evaluations: Minibatch losses computed without a gradient, as line searches do.
        products: Hessian-vector products over a minibatch.
        flops: Floating-point operations of all these by the multiply-add count of PyTorch's
            operators, elementwise work not counted: of a gradient what was counted, of a loss a
            third of that, of a product twice that.
        seconds: The run's share of its cohort's wall time, training and evaluation.
    """

    examples: int = 0
    gradient_evaluations: int = 0
    loss_evaluations: int = 0
    products: int = 0
    flops: float = 0.0
    seconds: float = 0.0

    def add(self, asked: Asked, batch_size: int, flops_per_example: float) -> None:
        """Add what a step asked for."""
        self.examples += asked.examples
        self.gradient_evaluations += asked.gradient_evaluations
        self.loss_evaluations += asked.loss_evaluations
        self.products += asked.products
        batches = asked.loss_evaluations / 3 + 2 * asked.products
        self.flops += flops_per_example * (asked.examples + batch_size * batches)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def flops_per_example(
    module: nn.Module, shape: tuple[int, ...], chain: Chain | None = None
) -> float:
    """Return the operations of one example's forward and backward pass.

    Two for every product of a weight, forward, for the weights' gradient and for that of what a
    layer reads, unless these are the inputs. Those of a known chain of layers follow from its
    sizes; those of any other network are counted as it runs, on two examples in training mode,
    because batch normalisation refuses one.
    """
    if chain is not None:
        weighted = [layer for layer in chain.layers if layer.products]
        return 2.0 * sum(layer.gradient_products(i > 0) for i, layer in enumerate(weighted))
    from torch.utils.flop_counter import FlopCounterMode  # its first use imports TorchDynamo

    parameter = next(module.parameters())
    inputs = torch.zeros(2, *shape, device=parameter.device, dtype=parameter.dtype)
    before = {name: buffer.clone() for name, buffer in constants(module).items()}
    with global_stream(0, "cost"), FlopCounterMode(display=False) as counter:
        outputs = module.train()(inputs)
        torch.autograd.grad(outputs.sum(), list(trainable(module).values()), allow_unused=True)
    for name, buffer in constants(module).items():
        buffer.copy_(before[name])
    return float(counter.get_total_flops()) / 2
