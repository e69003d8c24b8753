"""What a user might bring: models and an optimizer that are slow, noisy or broken."""

import os
import signal
import time
import weakref
from pathlib import Path
from typing import Any, ClassVar

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


class Killing(torch.optim.SGD):
    """Kills its process at a step, if it is told so, while THALWEG_TEST_KILLS names a folder; in
    there it notes every step, by its learning rate, and every kill.

    Args:
        params: As of any optimizer.
        lr: Learning rate, by which the test knows the run.
        kills: "never", "once", or "always".
        at: The step.
    """

    def __init__(self, params: Any, lr: float, kills: str = "never", at: int = 10) -> None:
        super().__init__(params, lr)
        self.kills, self.at, self.steps = kills, at, 0

    def step(self, closure: Any = None) -> Any:
        folder = os.environ.get("THALWEG_TEST_KILLS")
        if folder:
            self.steps += 1
            note(Path(folder, "steps"), self.param_groups[0]["lr"])
            killed = Path(folder, "kills")
            due = self.kills == "always" or (self.kills == "once" and not killed.exists())
            if due and self.steps == self.at:
                note(killed, self.param_groups[0]["lr"])
                os.kill(os.getpid(), signal.SIGKILL)
        return super().step(closure)


class Hungry(torch.optim.SGD):
    """Runs out of memory at a step, if more than so many of it have taken one, and still exist, in
    its process, while THALWEG_TEST_HUNGRY names a file; there it notes how many they were.
    """

    alive: ClassVar["weakref.WeakSet[Hungry]"] = weakref.WeakSet()
    taken = 0

    def __init__(self, params: Any, lr: float, most: int = 1, at: int = 2) -> None:
        super().__init__(params, lr)
        self.most, self.at, self.steps = most, at, 0

    def step(self, closure: Any = None) -> Any:
        log = os.environ.get("THALWEG_TEST_HUNGRY")
        self.steps += 1
        Hungry.taken += 1
        Hungry.alive.add(self)
        if log and self.steps >= self.at and len(Hungry.alive) > self.most:
            note(Path(log), len(Hungry.alive))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0")
        return super().step(closure)


def note(log: Path, value: object) -> None:
    """Add a line to a log that several processes write."""
    with log.open("a") as file:
        file.write(f"{value}\n")
