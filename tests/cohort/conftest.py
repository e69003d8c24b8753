"""Small tasks, and a short way from a network and some options to a training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from thalweg.cohort import AutogradBackend, Cohort, Settings, Training
from thalweg.data import Split, Task, load_task
from thalweg.models import build_model
from thalweg.optim.registry import bind_optimizer
from thalweg.randomness import global_stream

CPU = torch.device("cpu")


def random_images(side: tuple[int, int], train: int, test: int) -> Task:
    generator = torch.Generator().manual_seed(7)

    def split(examples: int) -> Split:
        images = torch.randint(0, 256, (examples, 1, *side), generator=generator)
        classes = torch.randint(0, 10, (examples,), generator=generator)
        return Split(images.to(torch.uint8), classes, mean=0.5, std=0.3)

    names = tuple("0123456789")
    return Task("images", "cross_entropy", 10, names, split(train), None, split(test))


def first_digits(train: int, test: int) -> Task:
    whole = load_task("digits", {"validation": 0})
    return replace(
        whole,
        train=whole.train.subset(torch.arange(train)),
        test=whole.test.subset(torch.arange(test)),
    )


TASKS = {
    "digits": lambda: first_digits(40, 23),
    "images": lambda: random_images((28, 28), 18, 9),
    "rows": lambda: random_images((5, 4), 40, 9),
    "sine": lambda: load_task("sine", {"points": 60}),
}


@pytest.fixture(scope="session")
def small_task() -> Callable[..., Task]:
    """Give a function from a name (digits, images, rows, sine) and a dtype to a small task."""
    return lambda name, dtype=torch.float64: TASKS[name]().to(CPU, dtype)


@dataclass(frozen=True)
class Trial:
    """A training in the making; one entry of ``seeds`` and ``options`` a run."""

    task: Task
    network: Callable[[int], nn.Module]
    optimizer: str
    options: Sequence[dict[str, Any]]
    seeds: Sequence[int]
    stacked: bool = False
    stochastic: bool = False
    epochs: int = 3
    batch_size: int | None = 16
    clip: Sequence[float] | None = None
    mask: Tensor | None = None
    shared_order: bool = False
    evaluate_every: int = 1
    lr_scale: Callable[[int], float | Tensor] = field(default=lambda step: 0.95**step)

    def build(self) -> Training:
        modules = [self.network(seed) for seed in self.seeds]
        cohort = Cohort(modules, self.seeds, CPU, self.task.train.dtype)
        if self.mask is not None:
            cohort.set_mask(self.mask)
        clip = None
        if self.clip is not None:
            clip = torch.tensor(self.clip, dtype=cohort.W.dtype).unsqueeze(1)
        settings = Settings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            shared_order=self.shared_order,
            evaluate_every=self.evaluate_every,
            clip_norm=clip,
            lr=[options.get("lr") for options in self.options],
            lr_scale=self.lr_scale,
            flops_per_example=10.0,
        )
        backend = AutogradBackend(self.task.loss, self.stacked, self.stochastic)
        optimizer = bind_optimizer(self.optimizer, cohort, self.options)
        return Training(cohort, self.task, backend, optimizer, settings)

    def run(self) -> Training:
        training = self.build()
        training.run()
        return training

    def member(self, k: int) -> "Trial":
        """Return the same trial of one of its runs alone, never stacked."""
        return replace(
            self,
            options=[self.options[k]],
            seeds=[self.seeds[k]],
            clip=None if self.clip is None else [self.clip[k]],
            mask=None if self.mask is None else self.mask[k : k + 1],
            stacked=False,
        )


@pytest.fixture
def trial() -> type[Trial]:
    return Trial


def built_in(name: str, options: dict[str, Any], task: Task) -> Callable[[int], nn.Module]:
    return lambda seed: build_model(name, options, task.shape, task.outputs, seed, None)


@pytest.fixture
def model() -> Callable[..., Callable[[int], nn.Module]]:
    """Give a function from a built-in model's name, options and task to seed → module."""
    return built_in


@pytest.fixture
def seeded() -> Callable[[Callable[[], nn.Module]], Callable[[int], nn.Module]]:
    """Give a function that makes a constructor without arguments draw from a seed."""

    def with_seed(make: Callable[[], nn.Module]) -> Callable[[int], nn.Module]:
        def build(seed: int) -> nn.Module:
            with global_stream(seed, "init"):
                return make()

        return build

    return with_seed


@pytest.fixture
def random_mask() -> Callable[[int, int], Tensor]:
    """Give a function from (K, D) to a mask that keeps about half of each row."""

    def draw(rows: int, columns: int) -> Tensor:
        return torch.rand(rows, columns, generator=torch.Generator().manual_seed(11)) < 0.5

    return draw
