"""Looking without a trace."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """Put the random state of PyTorch (CPU and CUDA), NumPy and Python back as it was afterwards;
    within, autograd is on and autocast off, whatever they are around.

    Args:
        device: Of the network.
    """
    python, numpy = random.getstate(), np.random.get_state()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    try:
        with (
            torch.random.fork_rng(devices=devices),
            torch.enable_grad(),
            torch.autocast(device.type, enabled=False),
        ):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@dataclass(frozen=True)
class Call:
    """What a call of a network depends on beside its arguments: where the random generators stood,
    and whether it was under autocast.

    Attributes:
        device: Of the network.
        states: Of the generators of the CPU and, on CUDA, of the device.
        autocast: Type of its arithmetic under autocast; None without.
    """

    device: torch.device
    states: tuple[Tensor, ...]
    autocast: torch.dtype | None

    @classmethod
    def now(cls, device: torch.device) -> "Call":
        """Return how things stand."""
        states = [torch.get_rng_state()]
        if device.type == "cuda":
            states.append(torch.cuda.get_rng_state(device))
        kind = device.type
        autocast = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        return cls(device, tuple(states), autocast)

    @contextmanager
    def again(self) -> Iterator[None]:
        """Have things stand so; within `undisturbed`, which puts them back."""
        torch.set_rng_state(self.states[0])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(self.states[1], self.device)
        with torch.autocast(
            self.device.type, dtype=self.autocast, enabled=self.autocast is not None
        ):
            yield
