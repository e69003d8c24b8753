"""A network whose loss is worth looking at."""

from functools import lru_cache

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from thalweg.data import Task, load_task
from thalweg.models import build_model


@lru_cache(maxsize=1)
def trained() -> tuple[nn.Module, Task]:
    """Return LeNet-5 after a short epoch on Fashion-MNIST, and the task."""
    task = load_task("fashion-mnist", {"validation": 0})
    module = build_model("lenet5", {}, task.shape, task.outputs, 0, None)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    for index in torch.randperm(20_000, generator=torch.Generator().manual_seed(0)).split(100):
        inputs, targets = task.train.batch(index)
        optimizer.zero_grad()
        cross_entropy(module(inputs), targets).backward()
        optimizer.step()
    return module.eval(), task
