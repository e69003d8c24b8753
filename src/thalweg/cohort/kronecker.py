"""Kronecker factors of the Fisher matrix, captured as a network computes.

For s = W̄·ā, W̄ = [W b] being a weight matrix with its bias and ā = [a; 1] its input, an example's
gradient is Σ δ·āᵀ over the positions at which it meets the weight (pixels of a convolution, steps
of a recurrence), δ being the gradient in s. Positions are treated as independent and alike, and δ
as independent of ā. The weight's block of the Fisher matrix is then the Kronecker product of

    A = E[ā·āᵀ], the mean over examples and positions, and
    S = E[Σ δ·δᵀ], the mean over examples of the sum over positions.

Source: Martens & Grosse, arXiv:1503.05671; for convolutions Grosse & Martens, arXiv:1602.01407; for
recurrences Martens, Ba & Johnson, ICLR 2018, with independent time steps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad, unfold
from torch.overrides import TorchFunctionMode

from thalweg.cohort.fisher_blocks import Block
from thalweg.cohort.layout import trainable


@dataclass
class _Met:
    """What was seen of a block in a forward pass.

    Attributes:
        moments: Σ ā·āᵀ.
        positions: How many ā, over all examples.
        sums: The tensors s.
        units: Their dimension that counts units.
    """

    moments: Tensor
    positions: int = 0
    sums: list[Tensor] = field(default_factory=list)
    units: int = -1


class KroneckerCapture(TorchFunctionMode):
    """While it is active, notes what the blocks of a network receive and give.

    A block is met where ``linear``, ``conv2d`` or a fused recurrence of PyTorch is called with its
    weight. Recurrences are computed step by step, since the fused ones hide their steps.

    Args:
        module: The network, about to be called.
        blocks: Its blocks.
    """

    def __init__(self, module: nn.Module, blocks: Mapping[str, Block]) -> None:
        super().__init__()
        named = trainable(module)
        self._blocks = {id(named[name]): block for name, block in blocks.items()}
        self._met: dict[str, _Met] = {}
        self._calls: dict[Any, Callable[..., Any]] = {
            linear: self._linear,
            torch.conv2d: self._convolution,
            torch.rnn_tanh: partial(self._recurrence, torch.rnn_tanh, torch.tanh),
            torch.rnn_relu: partial(self._recurrence, torch.rnn_relu, torch.relu),
        }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._calls.get(func, func)(*args, **(kwargs or {}))

    def factors(
        self, outputs: Tensor, gradients: Sequence[Tensor]
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Return A ``(inputs, inputs)`` and S ``(outputs, outputs)`` of each block that was met.

        Args:
            outputs: What the network gave, ``(B, C)``.
            gradients: Of each example's loss in its outputs, each ``(B, C)``; S is the sum of what
                each of them gives.
        """
        sums = [s for met in self._met.values() for s in met.sums]
        if not sums:
            return {}
        S: dict[str, Tensor] = {}
        for gradient in gradients:
            found = iter(
                torch.autograd.grad(
                    outputs, sums, gradient, retain_graph=True, materialize_grads=True
                )
            )
            for name, met in self._met.items():
                deltas = [next(found).movedim(met.units, -1) for _ in met.sums]
                delta = torch.cat([each.reshape(-1, each.shape[-1]) for each in deltas])
                moment = delta.T @ delta / len(outputs)
                S[name] = S[name] + moment if name in S else moment
        return {name: (met.moments / met.positions, S[name]) for name, met in self._met.items()}

    def _note(
        self, weight: Tensor, inputs: Tensor, sums: Sequence[Tensor], units: int = -1
    ) -> None:
        """Note one use of a weight: its inputs ``(positions, in)`` and the tensors s."""
        block = self._blocks.get(id(weight))
        if block is None or not sums[0].requires_grad:
            return
        a = inputs.detach()
        if block.bias is not None:
            a = pad(a, (0, 1), value=1.0)
        met = self._met.setdefault(block.weight, _Met(a.new_zeros(block.inputs, block.inputs)))
        met.moments.addmm_(a.T, a)
        met.positions += len(a)
        met.sums.extend(sums)
        met.units = units

    # The arguments have PyTorch's names, by which they may be given.

    def _linear(
        self,
        input: Tensor,  # noqa: A002
        weight: Tensor,
        bias: Tensor | None = None,
    ) -> Tensor:
        s = linear(input, weight, bias)
        self._note(weight, input.reshape(-1, input.shape[-1]), [s])
        return s.clone()  # what follows may work in place

    def _convolution(
        self,
        input: Tensor,  # noqa: A002
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        s = torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
        if id(weight) not in self._blocks:
            return s
        x = input.detach()
        if isinstance(padding, str):
            x, padding = _padded(x, weight, padding, dilation), 0
        patches = unfold(x, weight.shape[2:], dilation, padding, stride)
        self._note(weight, patches.movedim(-2, -1).flatten(0, -2), [s], -3)
        return s.clone()

    def _recurrence(
        self, fused: Callable[..., Any], activate: Callable[[Tensor], Tensor], *args: Any
    ) -> Any:
        """Compute what the fused recurrence does; one of packed sequences is left to it."""
        packed = isinstance(args[2], Tensor)
        if packed or not any(id(weight) in self._blocks for weight in args[2]):
            return fused(*args)
        x, start, weights, biased, depth, *_, batch_first = args
        each = 4 if biased else 2
        time = 1 if batch_first else 0
        sequence, last = list(x.unbind(time)), []
        for layer in range(depth):
            W_ih, W_hh, *biases = weights[layer * each : (layer + 1) * each]
            b_ih, b_hh = biases or (None, None)
            states, sums = [start[layer]], []
            for step in sequence:
                sums.append(linear(step, W_ih, b_ih) + linear(states[-1], W_hh, b_hh))
                states.append(activate(sums[-1]))
            self._note(W_ih, torch.cat(sequence), sums)
            self._note(W_hh, torch.cat(states[:-1]), sums)
            sequence = states[1:]
            last.append(states[-1])
        return torch.stack(sequence, time), torch.stack(last)


def _padded(x: Tensor, weight: Tensor, padding: str, dilation: Any) -> Tensor:
    """Return images with the zeros around them that the padding "same" or "valid" stands for."""
    if padding == "valid":
        return x
    dilations = (dilation, dilation) if isinstance(dilation, int) else dilation
    more = [d * (n - 1) for n, d in zip(weight.shape[2:], dilations, strict=True)]
    return pad(x, [side for n in reversed(more) for side in (n // 2, n - n // 2)])
