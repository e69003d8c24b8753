"""A training step captured as a CUDA graph: one launch instead of some hundred.

On a network this small a GPU waits for Python; replaying a graph takes Python out of the step.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

WARM_UP_STEPS = 3


@runtime_checkable
class Capturable(Protocol):
    """An optimizer whose step splits into a part for the host and one for the device.

    Attributes:
        capturable: Whether the second part is the same operations at every step.
    """

    @property
    def capturable(self) -> bool: ...

    def advance(self, lr_scale: float | Tensor) -> None:
        """Write this step's number and learning rates into device tensors."""

    def apply(self) -> None:
        """Update the weights by device operations alone."""

    def tensors(self) -> list[Tensor]:
        """All tensors that `apply` changes, besides the weights."""


class CapturedStep:
    """A function of an index tensor, captured on its first use and replayed from then on.

    PyTorch asks for a warm-up on a side stream before a capture
    (https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs); what the warm-up changed is put
    back, so a captured step computes what an eager one does.

    Args:
        body: The step; takes the index tensor, returns the losses ``(K,)``.
        index: An example of the index, for its shape and device.
        changed: Tensors that ``body`` changes in place.
    """

    def __init__(
        self, body: Callable[[Tensor], Tensor], index: Tensor, changed: Sequence[Tensor]
    ) -> None:
        self._index = index.clone()
        before = [tensor.clone() for tensor in changed]
        stream = torch.cuda.Stream(index.device)
        stream.wait_stream(torch.cuda.current_stream(index.device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                body(self._index)
        torch.cuda.current_stream(index.device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._losses = body(self._index)
        for tensor, value in zip(changed, before, strict=True):
            tensor.copy_(value)

    def __call__(self, index: Tensor) -> Tensor:
        self._index.copy_(index)
        self._graph.replay()
        return self._losses.clone()
