"""What a run costs, counted as it trains."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from thalweg.cohort.layout import constants, trainable
from thalweg.randomness import global_stream


@dataclass
class Cost:
    """Cost of one run so far.

    Attributes:
        examples: Examples whose gradient was computed.
        gradient_evaluations: Minibatch gradients computed; a step that evaluates its closure
            n times costs n.
        flops: Floating-point operations of those gradients (forward and backward pass), by the
            multiply-add count of PyTorch's operators; elementwise work is not counted.
        seconds: The run's share of its cohort's wall time, training and evaluation.
    """

    examples: int = 0
    gradient_evaluations: int = 0
    flops: float = 0.0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def flops_per_example(module: nn.Module, shape: tuple[int, ...]) -> float:
    """Count the operations of one example's forward and backward pass.

    Counted on two examples in training mode and halved, because batch normalisation refuses one.
    """
    parameter = next(module.parameters())
    inputs = torch.zeros(2, *shape, device=parameter.device, dtype=parameter.dtype)
    before = {name: buffer.clone() for name, buffer in constants(module).items()}
    with global_stream(0, "cost"), FlopCounterMode(display=False) as counter:
        outputs = module.train()(inputs)
        torch.autograd.grad(outputs.sum(), list(trainable(module).values()), allow_unused=True)
    for name, buffer in constants(module).items():
        buffer.copy_(before[name])
    return float(counter.get_total_flops()) / 2
