"""Training loops of someone's own, plain and watched."""

import random
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from thalweg.data import Task, load_task
from thalweg.instruments import Instruments

Make = Callable[[Any], Optimizer]


def digits(examples: int = 120) -> tuple[Tensor, Tensor]:
    """Return inputs ``(N, 64)`` and classes."""
    task: Task = load_task("digits", {"validation": 0})
    x, y = task.train.batch(slice(0, examples))
    return x.flatten(1), y


def stranger() -> nn.Module:
    """Return a network that draws random numbers and changes itself as it trains, of which one part
    is held in evaluation mode, as in fine-tuning.
    """
    torch.manual_seed(5)
    network = nn.Sequential(
        *(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.4)),
        *(nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 10)),
    )
    network[5].eval()
    return network


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """Return copies of all tensors of a network and of its gradients."""
    kept = {name: each.clone() for name, each in network.state_dict().items()}
    for name, p in network.named_parameters():
        if p.grad is not None:
            kept[f"{name}.grad"] = p.grad.clone()
    return kept


def train(network: nn.Module, make: Make, steps: int = 9, **options: Any) -> dict[str, Any]:
    """Train on batches that are drawn and augmented by all three generators, under instruments if
    there are options; return all that can tell a watched training from an unwatched one.
    """
    x, y = digits()
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    optimizer = make(network.parameters())
    losses, modes = [], []
    watched = Instruments(network, optimizer, **options) if options else nullcontext()
    with watched as watch:
        for _ in range(steps):
            index = torch.randperm(len(x))[:20]
            noise = 0.1 * torch.from_numpy(np.random.randn(20, 64)).float()
            inputs = x[index] * random.uniform(0.9, 1.1) + noise
            optimizer.zero_grad()
            loss = cross_entropy(network(inputs), y[index])
            loss.backward()
            if watch is not None:
                watch.batch(inputs, y[index], loss)
            optimizer.step()
            losses.append(loss.item())
            modes.append([part.training for part in network.modules()])
    drawn = (random.random(), float(np.random.rand()), torch.rand(3).tolist())
    return {
        "state": state_of(network),
        "optimizer": optimizer.state_dict()["state"],
        "losses": losses,
        "modes": modes,
        "drawn": drawn,
        "watch": watch,
    }
