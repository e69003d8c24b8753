"""What a user might bring: models and an optimizer that are slow, noisy or broken."""

import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Slow(nn.Module):
    """Sleeps, and notes the process, at each training step."""

    def __init__(self, pause: float = 0.0, log: str = "") -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        self.pause, self.log = pause, log

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > 8:  # the planner tries networks on fewer examples
            time.sleep(self.pause)
            if self.log:
                with Path(self.log).open("a") as file:
                    file.write(f"{os.getpid()}\n")
        return self.inner(x)


class Printing(Slow):
    """Prints, even past Python's own stream, and prints what looks like an event."""

    def __init__(self) -> None:
        super().__init__()
        print("{built}")

    def forward(self, x: Tensor) -> Tensor:
        print('{"event": "end"}', flush=True)
        os.write(1, b"raw\n")
        return super().forward(x)


class NotANumber(Slow):
    """Gives NaN, from the start or once its weights have changed."""

    start: Tensor

    def __init__(self, at_once: bool = True) -> None:
        super().__init__()
        self.at_once = at_once
        self.register_buffer("start", self.inner[1].bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        moved = (self.inner[1].bias - self.start).abs().sum()
        bad = torch.tensor(True) if self.at_once else moved > 0
        return super().forward(x) + torch.where(bad, float("nan"), 0.0)


class Deadly(Slow):
    """Ends its process at the first training step."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > 8:
            os._exit(7)
        return super().forward(x)


class Broken(torch.optim.SGD):
    """Raises while the file exists that THALWEG_TEST_BROKEN names."""

    def step(self, closure: Any = None) -> Any:
        if Path(os.environ["THALWEG_TEST_BROKEN"]).exists():
            raise RuntimeError("the third bearing is loose\nand more")
        return super().step(closure)
