"""What a user might bring: models and an optimizer that are slow, noisy or broken."""

import os
import signal
import subprocess
import time
import weakref
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from thalweg.data import Split, Task


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


class Diverging(torch.optim.SGD):
    """Leaves weights at its seventh step that are NaN (``kind`` 1), infinite (2), or where a
    gradient that has exploded put them (3).
    """

    def __init__(self, params: Any, lr: float, kind: float = 0.0) -> None:
        super().__init__(params, lr)
        self.kind, self.left = kind, 7

    def step(self, closure: Any = None) -> Any:
        self.left -= 1
        parameters = [p for group in self.param_groups for p in group["params"]]
        if self.left == 0 and self.kind == 3:
            for p in parameters:
                p.grad.copy_(
                    torch.randn(p.shape, generator=torch.Generator().manual_seed(0)) * 1e30
                )
        found = super().step(closure)
        if self.left == 0 and self.kind in (1, 2):
            with torch.no_grad():
                parameters[0].fill_(float("nan") if self.kind == 1 else float("inf"))
        return found


class Hanging(torch.optim.SGD):
    """Never comes back from its tenth step, and takes no notice of being told to end."""

    def __init__(self, params: Any, lr: float, hangs: bool = False) -> None:
        super().__init__(params, lr)
        self.hangs, self.left = hangs, 10

    def step(self, closure: Any = None) -> Any:
        self.left -= 1
        if self.hangs and self.left == 0:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            while True:
                time.sleep(1)
        return super().step(closure)


class Segfaulting(Slow):
    """Ends its process by a segmentation fault whenever it computes."""

    def forward(self, x: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGSEGV)
        return super().forward(x)


class Forking(torch.optim.SGD):
    """Forks a child at its first step that outlives it, and notes it in THALWEG_TEST_FORKS."""

    def step(self, closure: Any = None) -> Any:
        log = Path(os.environ["THALWEG_TEST_FORKS"])
        if not log.exists():
            child = os.fork()
            if child == 0:
                time.sleep(300)
                os._exit(0)
            note(log, child)
        time.sleep(0.05)
        return super().step(closure)


def own_digits(file: str) -> Task:
    """A task whose data lie in a file of the user's."""
    images = torch.load(file, weights_only=True)
    split = Split(images, torch.arange(len(images)) % 10)
    names = tuple("0123456789")
    return Task("own", "cross_entropy", 10, names, split, None, split)


class Acting(torch.optim.SGD):
    """Runs the shell's command THALWEG_TEST_ACT at its 20th step, if there is one."""

    steps = 0

    def step(self, closure: Any = None) -> Any:
        self.steps += 1
        if self.steps == 20 and (command := os.environ.get("THALWEG_TEST_ACT")):
            subprocess.run(command, shell=True, check=True)
        return super().step(closure)
